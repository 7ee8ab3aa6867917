"""Times `helpers.benchmark` beside the arithmetic limit and, if there, the official evaluator.

    python benchmarks/benchmark.py                          # split a at true size
    python benchmarks/benchmark.py --official ../hpatches-benchmark
    python benchmarks/benchmark.py --naive --share 0.2 --pairs 100000   # beside plain loops
    python benchmarks/benchmark.py --scaling scaling.png    # table and plot over sizes
    python benchmarks/benchmark.py --share 0.1              # a tenth of the points

Descriptors are random: unit vectors, noisier at harder levels. Run it on an otherwise idle machine.
"""

import argparse
import contextlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
import types
import warnings
from pathlib import Path

import numpy as np

from helpers import benchmark
from helpers.benchmark.layout import STRIPS
from helpers.benchmark.matching import matching
from helpers.benchmark.retrieval import retrieval
from helpers.benchmark.verification import verification
from helpers.benchmark.workers import spread

# Points of the 40 test sequences of split a, 59,532 in all, a few of them inferred. They decide
# the cost of matching. Source: the published retrieval lists, with which they agree.
# fmt: off
LENGTHS = (
    853, 1682, 2000, 298, 345, 471, 409, 2000, 1998, 636, 474, 1982, 1950, 1995, 1102, 1091,
    1002, 1708, 726, 1999, 1506, 1999, 1891, 2000, 1049, 1996, 2000, 1991, 1816, 1810, 1617,
    1592, 2000, 1646, 713, 1529, 1657, 1995, 2000, 2000,
)
# fmt: on


def main() -> None:
    options = parse()
    if options.one:
        print(json.dumps(measure(options)))
    elif options.scaling:
        scaling(options)
    else:
        report(options)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--official", type=Path, help="checkout of hpatches/hpatches-benchmark")
    parser.add_argument("--naive", action="store_true", help="also time the plain definition")
    parser.add_argument("--scaling", type=Path, metavar="PNG", help="measure over sizes instead")
    parser.add_argument("--sequences", type=int, default=40)
    parser.add_argument("--size", type=int, default=128, help="numbers in a descriptor")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--share", type=float, default=1, help="share of the points and queries")
    parser.add_argument("--one", action="store_true", help="print one measurement as JSON")
    return parser.parse_args()


def inputs(options: argparse.Namespace):
    """Random descriptors of the test sequences of split a, and their task lists."""
    rng = np.random.default_rng(0)
    names = benchmark.load_split("a").test[: options.sequences]
    descriptors = {}
    for name, length in zip(names, LENGTHS, strict=False):
        base = rng.standard_normal((round(length * options.share), options.size), np.float32)
        strips = np.empty((len(STRIPS), *base.shape), np.float32)
        for index in range(len(STRIPS)):
            strips[index] = rng.standard_normal(base.shape, np.float32)
            strips[index] *= 0 if index == 0 else 0.8 + 0.4 * ((index - 1) // 5)
            strips[index] += base
            strips[index] /= np.linalg.norm(strips[index], axis=1, keepdims=True)
        descriptors[name] = strips
    if len(names) < 2:
        return descriptors, None
    lengths = {name: each.shape[1] for name, each in descriptors.items()}
    counts = {
        "queries": round(10_000 * options.share),
        "distractors": round(20_000 * options.share),
    }
    return descriptors, benchmark.generate_tasks(lengths, split="a", pairs=options.pairs, **counts)


def ours(descriptors, tasks, threads: int) -> dict[str, float]:
    """Seconds of each task, once everything is compiled."""
    arrays = list(descriptors.values())
    works = {"matching": lambda arrays: matching(arrays, threads=threads)}
    if tasks is not None:  # one sequence alone has no negatives and no distractors
        works["verification"] = lambda arrays: verification(arrays, tasks, threads=threads)
        works["retrieval"] = lambda arrays: retrieval(arrays, tasks, threads=threads)
    compile_all(arrays[0].shape[2])
    return {name: seconds(work, arrays) for name, work in works.items()}


def compile_all(size: int) -> None:
    rng = np.random.default_rng(0)
    tiny = {k: rng.standard_normal((16, 30, size)).astype(np.float32) for k in ("a", "b")}
    tasks = benchmark.generate_tasks({name: 30 for name in tiny}, pairs=50)
    benchmark.evaluate(tiny, tasks, pools=[10])


def limits(descriptors, tasks, threads: int) -> dict[str, float]:
    """Seconds of the arithmetic alone: one gather, and products of the same sizes."""
    arrays = list(descriptors.values())
    rows = np.concatenate([array[1:6].reshape(-1, array.shape[2]) for array in arrays])
    wanted = 6 * (len(tasks.positive) + len(tasks.intra) + len(tasks.inter))
    chosen = np.random.default_rng(0).integers(0, len(rows), min(wanted, 1_000_000))

    def gather(part):
        out = np.empty((10_000, rows.shape[1]), np.float32)
        for start in range(0, len(part), len(out)):
            some = part[start : start + len(out)]
            np.take(rows, some, axis=0, out=out[: len(some)], mode="clip")

    def multiply_strip(item):
        array, strip = item
        np.matmul(array[0], array[strip].T)

    def multiply_queries(start):
        np.matmul(rows[start : start + 500], rows[: len(tasks.distractors)].T)

    parts = np.array_split(chosen, threads)
    strips = [(array, strip) for array in arrays for strip in range(1, len(STRIPS))]
    starts = range(0, len(tasks.queries), 500)
    return {
        "verification": seconds(lambda: spread(gather, parts, threads)) * wanted / len(chosen),
        "matching": seconds(lambda: spread(multiply_strip, strips, threads)),
        "retrieval": seconds(lambda: spread(multiply_queries, starts, threads)),
    }


def official(checkout: Path, descriptors, tasks) -> dict[str, float]:
    """Seconds of the official evaluator on the same input, in memory."""
    for absent in ("cv2", "dill"):  # imported there, not needed for the evaluation
        try:
            __import__(absent)
        except ImportError:
            sys.modules[absent] = types.ModuleType(absent)
    np.trapz = np.trapezoid  # gone from NumPy since the evaluator was written
    sys.path.insert(0, str(checkout / "python"))
    from utils import tasks as theirs

    given = {"distance": "L2", "dim": next(iter(descriptors.values())).shape[2]}
    for name, strips in descriptors.items():
        given[name] = types.SimpleNamespace(**dict(zip(STRIPS, strips, strict=True)))
    split = {"name": "a", "test": list(descriptors)}
    works = {
        "verification": theirs.eval_verification,
        "matching": theirs.eval_matching,
        "retrieval": theirs.eval_retrieval,
    }
    with tempfile.TemporaryDirectory() as folder:
        benchmark.write_tasks(tasks, folder)
        theirs.tskdir = folder
        with contextlib.redirect_stdout(io.StringIO()):
            return {
                name: seconds(lambda _, w=w: w(given, split), None) for name, w in works.items()
            }


def naive(descriptors, tasks) -> dict[str, float]:
    """Seconds of the definition as the tests write it: a loop over pairs, `cdist`, stable sort."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "benchmark"))
    import test_naive as plain

    works = {
        "verification": lambda: plain.naive_verification(descriptors, tasks, "L2"),
        "matching": lambda: plain.naive_matching(descriptors, tasks, "L2"),
        "retrieval": lambda: plain.naive_retrieval(
            descriptors, tasks, "L2", [k for k in benchmark.POOLS if k <= len(tasks.distractors)]
        ),
    }
    return {name: seconds(work) for name, work in works.items()}


def seconds(work, *arguments) -> float:
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def report(options: argparse.Namespace) -> None:
    """One table: a row a task, columns ours, limit, official and their ratios."""
    descriptors, tasks = inputs(options)
    columns = {"ours": ours(descriptors, tasks, options.threads)}
    columns["limit"] = limits(descriptors, tasks, options.threads)
    if options.official:
        columns["official"] = official(options.official, descriptors, tasks)
    if options.naive:
        columns["naive"] = naive(descriptors, tasks)
    for times in columns.values():
        times["all"] = sum(times.values())
    others = [name for name in ("official", "naive") if name in columns]
    patches = sum(each.shape[0] * each.shape[1] for each in descriptors.values())
    print(f"{patches:,} descriptors of {options.size} numbers, {options.threads} threads, seconds")
    print(
        "task          "
        + "".join(f"{name:>10}" for name in columns)
        + "  ours/limit"
        + "".join(f"{name + '/ours':>15}" for name in others)
    )
    for task in ("verification", "matching", "retrieval", "all"):
        mine, least = columns["ours"][task], columns["limit"][task]
        row = f"{task:14}" + "".join(f"{times[task]:10.2f}" for times in columns.values())
        row += f"{mine / least:12.2f}"
        print(row + "".join(f"{columns[name][task] / mine:15.1f}" for name in others))
    print(f"largest resident memory {peak():.2f} GB")


def measure(options: argparse.Namespace) -> dict[str, float]:
    descriptors, tasks = inputs(options)
    before = peak()
    times = ours(descriptors, tasks, options.threads)
    data = sum(each.nbytes for each in descriptors.values()) / 1e9
    return {**times, "all": sum(times.values()), "GB": peak(), "GB before": before, "GB data": data}


def peak() -> float:
    """Largest resident memory of this process so far, in GB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def scaling(options: argparse.Namespace) -> None:
    """Each measurement in a process of its own, since memory is never given back."""
    axes = {"sequences": (1, 4, 16, 40), "size": (32, 64, 128, 256, 512), "threads": (1, 2)}
    results = {}
    for axis, values in axes.items():
        for value in values:
            chosen = {"sequences": 40, "size": 128, "threads": options.threads} | {axis: value}
            words = [f"--{key}={each}" for key, each in chosen.items()]
            words += ["--one", f"--share={options.share}", f"--pairs={options.pairs}"]
            done = subprocess.run(
                [sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True
            )
            result = results[axis, value] = json.loads(done.stdout)
            numbers = "  ".join(f"{key} {number:.2f}" for key, number in result.items())
            print(f"{axis:10}{value:5}  {numbers}", flush=True)
    plot(axes, results, options.scaling)


def plot(axes, results, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    for panel, (axis, values) in zip(figure.subplots(1, 3), axes.items(), strict=True):
        for task in ("verification", "matching", "retrieval", "all"):
            times = [results[axis, value].get(task, np.nan) for value in values]
            panel.plot(values, times, marker="o", label=task)
        panel.set_xscale("log", base=2)
        panel.set_xticks(values, [str(value) for value in values])
        panel.set(xlabel=axis, ylabel="seconds", ylim=(0, None))
        panel.grid(alpha=0.3)
    figure.legend(*panel.get_legend_handles_labels(), loc="outside right center", fontsize=8)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
