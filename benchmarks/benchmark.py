"""Times `helpers.benchmark` beside the arithmetic limit and, if there, the official evaluator.

    python benchmarks/benchmark.py                          # split a at true size
    python benchmarks/benchmark.py --official ../hpatches-benchmark --official-python python3.8
    python benchmarks/benchmark.py --split full             # memory, all 116 sequences mapped
    python benchmarks/benchmark.py --constant               # every distance tied
    python benchmarks/benchmark.py --share 0.1 --size 512   # a tenth of the points, long vectors

Descriptors are random: unit vectors, noisier at harder levels. Run it on an otherwise idle machine.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from measuring import in_own_process, timed

from helpers import benchmark
from helpers.benchmark.__main__ import main as command_line
from helpers.benchmark.files import write_descriptors
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


def ours(arrays: list[np.ndarray], tasks: benchmark.Tasks, threads: int) -> dict:
    """How to do each task."""
    resources = Resources(threads)
    return {
        "verification": lambda: verification(arrays, tasks, resources=resources),
        "matching": lambda: matching(arrays, resources=resources),
        "retrieval": lambda: retrieval(arrays, tasks, resources=resources),
    }


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


def official(options: argparse.Namespace, descriptors: dict, tasks: benchmark.Tasks) -> dict:
    """What the official evaluator says of the same input: "seconds" and the scores of each task."""
    with TemporaryDirectory() as folder:
        write_descriptors(descriptors, folder, "npy")
        benchmark.write_tasks(tasks, folder)
        script = Path(__file__).with_name("official.py")
        command = [options.official_python, script, options.official, folder]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{done.stderr}\nThe official evaluator failed: see {script}.")
        with np.load(Path(folder) / "official.npz") as file:
            return dict(file)


def difference(results: dict, official: dict) -> float:
    """Largest difference of any single score: cells, strips and queries."""
    verified = results["verification"].scores.values()
    cells = [(cell["auc"], cell["ap"]) for kinds in verified for cell in kinds.values()]
    pools = np.isin(benchmark.POOLS, results["retrieval"].pools)
    return max(
        np.abs(cells - official["verification"].reshape(-1, 2)).max(),
        np.abs(results["matching"].ap - official["matching"]).max(),
        np.abs(results["retrieval"].ap - official["retrieval"][..., pools]).max(initial=0),
    )


def inputs(options: argparse.Namespace) -> tuple[dict[str, np.ndarray], benchmark.Tasks]:
    """Random descriptors of the test sequences of split a, and their task lists."""
    rng, share = np.random.default_rng(0), options.share
    descriptors = {
        name: noisy_strips(rng, round(share * length), options.size)
        for name, length in zip(benchmark.load_split("a").test, LENGTHS, strict=True)
    }
    for strips in descriptors.values() if options.constant else ():
        strips[:] = 1
    lengths = {name: strips.shape[1] for name, strips in descriptors.items()}
    counts = {"queries": round(10_000 * share), "distractors": round(20_000 * share)}
    return descriptors, benchmark.generate_tasks(lengths, pairs=options.pairs, **counts)


def report(options: argparse.Namespace) -> None:
    """Tables of seconds: a row a task; ours, the limit and the official evaluator's."""
    descriptors, tasks = inputs(options)
    arrays, results = list(descriptors.values()), {}
    few = {name: noisy_strips(np.random.default_rng(0), 30, options.size) for name in "ab"}
    few_tasks = benchmark.generate_tasks(dict.fromkeys(few, 30), pairs=50)
    benchmark.evaluate(few, few_tasks, pools=[10])  # compiles
    works, times = ours(arrays, tasks, options.threads), {}
    times["ours"] = {
        task: timed(lambda task=task: results.update({task: works[task]()})) for task in works
    }
    works = limits(arrays, tasks, options.threads)
    times["limit"] = {task: timed(work) for task, work in works.items()}
    if options.official:
        theirs = official(options, descriptors, tasks)
        print(f"largest difference from an official score: {difference(results, theirs):.1e}")
        times["official"] = dict(zip(works, theirs["seconds"], strict=True))
    for index, title in enumerate(("seconds by the clock", "seconds of all cores together")):
        table = pd.DataFrame(times).map(lambda pair, index=index: pair[index])
        table.loc["all"] = table.sum()
        for name in times:
            table[f"{name}/ours"] = table[name] / table["ours"]
        print(f"\n{title}\n{table.to_string(float_format='{:.2f}'.format)}")


def score_mapped(options: argparse.Namespace) -> None:
    """Scores split full from mapped files by the command line, and watches its memory."""
    rng = np.random.default_rng(0)
    split, known = benchmark.load_split("full").test, benchmark.load_split("a").test
    others = np.array_split(range(ALL_POINTS - sum(LENGTHS)), len(split) - len(known))
    known = dict(zip(known, LENGTHS, strict=True))
    made_up = iter(map(len, others))
    with TemporaryDirectory() as folder:
        for name in split:
            points = round(options.share * (known.get(name) or next(made_up)))
            write_descriptors({name: noisy_strips(rng, points, options.size)}, folder, "npy")
        words = [folder, "--split=full", "--generate", f"--memory={options.memory}"]
        words += [f"--threads={options.threads}", f"--pairs={options.pairs}"]
        found = in_own_process(run_command, words)
        gigabytes = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e9
    print(f"{gigabytes:.2f} GB of descriptors; seconds, and largest memory in MB:")
    print("  ".join(f"{name} {value:,.1f}" for name, value in found.items()))


def run_command(words: list[str]) -> dict[str, float]:
    """Runs the benchmark's command line."""
    return {"seconds": timed(command_line, words)[0]}


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--official", type=Path, help="checkout of hpatches/hpatches-benchmark")
    parser.add_argument("--official-python", metavar="PYTHON", default=sys.executable)
    parser.add_argument("--split", choices=("a", "full"), default="a", help="full: memory only")
    parser.add_argument("--memory", default="32MB", help="of blocks, for --split full")
    parser.add_argument("--constant", action="store_true", help="all descriptors are the same")
    parser.add_argument("--size", type=int, default=128, help="numbers in a descriptor")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--share", type=float, default=1, help="share of the points and queries")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    options = parse(words)
    (score_mapped if options.split == "full" else report)(options)


if __name__ == "__main__":
    main()
