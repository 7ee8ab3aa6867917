"""Times `helpers.benchmark` beside the arithmetic limit.

    python benchmarks/benchmark.py                          # split a at true size
    python benchmarks/benchmark.py --split full             # memory, all 116 sequences
    python benchmarks/benchmark.py --share 0.1 --size 512   # a tenth of the points, long vectors

Descriptors are random: unit vectors, noisier at harder levels, in files that are mapped. The limit
needs them in memory and is left out at full size. Run it on an otherwise idle machine.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from measuring import in_own_process, timed

from helpers import benchmark
from helpers.benchmark.files import read_descriptors, write_descriptors
from helpers.benchmark.layout import STRIPS
from helpers.benchmark.matching import matching
from helpers.benchmark.retrieval import retrieval
from helpers.benchmark.verification import verification
from helpers.benchmark.workers import Resources, cores

# Points of the 40 test sequences of split a, 59,532 in all, a few of them inferred. They decide
# the cost of matching. Source: the published retrieval lists, with which they agree.
# fmt: off
LENGTHS = (
    853, 1682, 2000, 298, 345, 471, 409, 2000, 1998, 636, 474, 1982, 1950, 1995, 1102, 1091,
    1002, 1708, 726, 1999, 1506, 1999, 1891, 2000, 1049, 1996, 2000, 1991, 1816, 1810, 1617,
    1592, 2000, 1646, 713, 1529, 1657, 1995, 2000, 2000,
)
# fmt: on
ALL_POINTS = 156_967  # of the 116 sequences of split full


def noisy_strips(rng: np.random.Generator, points: int, size: int) -> np.ndarray:
    """(16, points, size) float32 unit vectors, noisier at harder levels."""
    base = rng.standard_normal((points, size), np.float32)
    strips = np.empty((len(STRIPS), *base.shape), np.float32)
    for index, strip in enumerate(strips):
        noise = 0.8 + 0.4 * ((index - 1) // 5) if index else 0
        strip[:] = base + noise * rng.standard_normal(base.shape, np.float32)
        strip /= np.linalg.norm(strip, axis=1, keepdims=True)
    return strips


def limits(arrays: list[np.ndarray], tasks: benchmark.Tasks, threads: int) -> dict:
    """How to do the arithmetic alone: one gather, and products of the same sizes."""
    rows = np.concatenate([array[1:6].reshape(-1, array.shape[2]) for array in arrays])
    wanted = 6 * (len(tasks.positive) + len(tasks.intra) + len(tasks.inter))
    chosen = np.random.default_rng(0).integers(0, len(rows), wanted, np.int32)
    strips = [(array, strip) for array in arrays for strip in range(1, len(STRIPS))]
    starts, pool = range(0, len(tasks.queries), 500), rows[: len(tasks.distractors)]

    def gather(some):
        for start in range(0, len(some), 10_000):
            np.take(rows, some[start : start + 10_000], axis=0, mode="clip")

    spread = Resources(threads).spread
    return {
        "verification": lambda: spread(gather, np.array_split(chosen, threads)),
        "matching": lambda: spread(lambda item: item[0][0] @ item[0][item[1]].T, strips),
        "retrieval": lambda: spread(lambda start: rows[start : start + 500] @ pool.T, starts),
    }


def write_inputs(folder: Path, options: argparse.Namespace) -> dict[str, int]:
    """Writes random descriptors of the test sequences of a split; their lengths."""
    rng, names = np.random.default_rng(0), benchmark.load_split(options.split).test
    known = dict(zip(benchmark.load_split("a").test, LENGTHS, strict=True))
    usual = (ALL_POINTS - sum(LENGTHS)) // 76  # of a sequence that is not in split a
    lengths = {name: round(options.share * known.get(name, usual)) for name in names}
    for name, points in lengths.items():
        write_descriptors({name: noisy_strips(rng, points, options.size)}, folder, "npy")
    return lengths


def measure(folder: Path, lengths: dict[str, int], options: argparse.Namespace) -> dict:
    """Seconds of each task by the clock and of all cores: ours and the limit."""
    share = min(1, options.share)
    counts = {"queries": round(10_000 * share), "distractors": round(20_000 * share)}
    tasks = benchmark.generate_tasks(lengths, pairs=options.pairs, **counts)
    arrays = list(read_descriptors(folder, tasks.sequences).values())  # mapped
    few = {name: noisy_strips(np.random.default_rng(0), 30, options.size) for name in "ab"}
    few_tasks = benchmark.generate_tasks(dict.fromkeys(few, 30), pairs=50)
    benchmark.evaluate(few, few_tasks, pools=[10])  # compiles
    resources = Resources(options.threads)
    works = {
        "verification": lambda: verification(arrays, tasks, resources=resources),
        "matching": lambda: matching(arrays, resources=resources),
        "retrieval": lambda: retrieval(arrays, tasks, resources=resources),
    }
    times = {"ours": {task: timed(work) for task, work in works.items()}}
    if options.split != "full":
        works = limits(arrays, tasks, options.threads)
        times["limit"] = {task: timed(work) for task, work in works.items()}
    return {"times": times}


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", choices=("a", "full"), default="a")
    parser.add_argument("--size", type=int, default=128, help="numbers in a descriptor")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--share", type=float, default=1, help="share of the points and queries")
    options = parser.parse_args(words)
    with TemporaryDirectory() as folder:
        lengths = write_inputs(Path(folder), options)
        found = in_own_process(measure, Path(folder), lengths, options)
    if "error" in found:
        raise SystemExit(found["error"])
    times = found.pop("times")
    for index, title in enumerate(("seconds by the clock", "seconds of all cores together")):
        table = pd.DataFrame(times).map(lambda pair: pair[index])  # noqa: B023
        table.loc["all"] = table.sum()
        if "limit" in times:
            table["limit/ours"] = table["limit"] / table["ours"]
        print(f"\n{title}\n{table.to_string(float_format='{:.2f}'.format)}")
    memory = ", ".join(f"{name} {megabytes:,.0f}" for name, megabytes in found.items())
    print(f"\n{16 * sum(lengths.values()):,} descriptors; memory at most in MB: {memory}")


if __name__ == "__main__":
    main()
