"""Times `helpers.benchmark` beside the arithmetic limit and, if there, the official evaluator.

    python benchmarks/benchmark.py                          # split a at true size
    python benchmarks/benchmark.py --official ../hpatches-benchmark --official-python python3.8
    python benchmarks/benchmark.py --split full             # memory, all 116 sequences mapped
    python benchmarks/benchmark.py --constant               # every distance tied
    python benchmarks/benchmark.py --naive --share 0.2 --pairs 100000   # beside plain loops
    python benchmarks/benchmark.py --scaling scaling.png    # table and plot over sizes
    python benchmarks/benchmark.py --share 0.1              # a tenth of the points

Descriptors are random: unit vectors, noisier at harder levels. Run it on an otherwise idle machine.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from helpers import benchmark
from helpers.benchmark.files import write_descriptors
from helpers.benchmark.layout import STRIPS
from helpers.benchmark.matching import matching
from helpers.benchmark.retrieval import retrieval
from helpers.benchmark.verification import KINDS, verification
from helpers.benchmark.workers import Resources

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


def main() -> None:
    options = parse()
    if options.one:
        print(json.dumps(measure(options)))
    elif options.scaling:
        scaling(options)
    elif options.split == "full":
        memory(options)
    else:
        report(options)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--official", type=Path, help="checkout of hpatches/hpatches-benchmark")
    parser.add_argument("--official-python", metavar="PYTHON", default=sys.executable)
    parser.add_argument("--naive", action="store_true", help="also time the plain definition")
    parser.add_argument("--scaling", type=Path, metavar="PNG", help="measure over sizes instead")
    parser.add_argument("--split", choices=("a", "full"), default="a", help="full: memory only")
    parser.add_argument("--memory", default="32MB", help="of blocks, for --split full")
    parser.add_argument("--constant", action="store_true", help="all descriptors are the same")
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
        descriptors[name] = noisy_strips(rng, round(length * options.share), options.size)
        if options.constant:
            descriptors[name][:] = 1
    if len(names) < 2:
        return descriptors, None
    lengths = {name: each.shape[1] for name, each in descriptors.items()}
    counts = {
        "queries": round(10_000 * options.share),
        "distractors": round(20_000 * options.share),
    }
    return descriptors, benchmark.generate_tasks(lengths, pairs=options.pairs, **counts)


def noisy_strips(rng: np.random.Generator, points: int, size: int) -> np.ndarray:
    """(16, points, size) float32 unit vectors, noisier at harder levels."""
    base = rng.standard_normal((points, size), np.float32)
    strips = np.empty((len(STRIPS), *base.shape), np.float32)
    for index in range(len(STRIPS)):
        strips[index] = rng.standard_normal(base.shape, np.float32)
        strips[index] *= 0 if index == 0 else 0.8 + 0.4 * ((index - 1) // 5)
        strips[index] += base
        strips[index] /= np.linalg.norm(strips[index], axis=1, keepdims=True)
    return strips


def ours(descriptors, tasks, threads: int):
    """Seconds of each task, once everything is compiled, and its result."""
    arrays, use = list(descriptors.values()), Resources(threads)
    works = {"matching": lambda: matching(arrays, resources=use)}
    if tasks is not None:  # one sequence alone has no negatives and no distractors
        works["verification"] = lambda: verification(arrays, tasks, resources=use)
        works["retrieval"] = lambda: retrieval(arrays, tasks, resources=use)
    compile_all(arrays[0].shape[2])
    times, results = {}, {}
    for name, work in works.items():
        times[name] = seconds(lambda name=name, work=work: results.update({name: work()}), threads)
    return times, results


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

    parts, spread = np.array_split(chosen, threads), Resources(threads).spread
    strips = [(array, strip) for array in arrays for strip in range(1, len(STRIPS))]
    starts = range(0, len(tasks.queries), 500)
    return {
        "verification": seconds(lambda: spread(gather, parts), threads) * (wanted / len(chosen)),
        "matching": seconds(lambda: spread(multiply_strip, strips), threads),
        "retrieval": seconds(lambda: spread(multiply_queries, starts), threads),
    }


def official(checkout: Path, python: str, descriptors, tasks):
    """The official evaluator on the same input: its seconds and its scores of each task."""
    with tempfile.TemporaryDirectory() as folder:
        write_descriptors(descriptors, folder, "npy")
        benchmark.write_tasks(tasks, folder)
        script = Path(__file__).with_name("official.py")
        done = subprocess.run([python, script, checkout, folder], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{done.stderr}\nThe official evaluator failed: see {script}.")
        with np.load(Path(folder) / "official.npz") as file:
            scores = {name: file[name] for name in benchmark.TASKS}
            return dict(zip(benchmark.TASKS, file["seconds"], strict=True)), scores


def difference(results, official) -> float:
    """Largest difference of any single score: cells, strips and queries."""
    verified = results["verification"].scores.values()
    mine = [[[kinds[kind][s] for s in ("auc", "ap")] for kind in KINDS] for kinds in verified]
    pools = np.isin(benchmark.POOLS, results["retrieval"].pools)
    return max(
        np.abs(mine - official["verification"]).max(),
        np.abs(results["matching"].ap - official["matching"]).max(),
        np.abs(results["retrieval"].ap - official["retrieval"][..., pools]).max(initial=0),
    )


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


def seconds(work, threads: int = 1) -> np.ndarray:
    """Seconds by the clock, and of the processor a thread: alike unless the machine is busy."""
    start = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - start[0], (time.process_time() - start[1]) / threads])


def report(options: argparse.Namespace) -> None:
    """Two tables: a row a task, columns ours, limit, official and their ratios."""
    descriptors, tasks = inputs(options)
    loads = [os.getloadavg()[0]]
    columns = {}
    columns["ours"], results = ours(descriptors, tasks, options.threads)
    columns["limit"] = limits(descriptors, tasks, options.threads)
    if options.official:
        python = options.official_python
        columns["official"], scores = official(options.official, python, descriptors, tasks)
        print(f"largest difference from an official score: {difference(results, scores):.1e}")
    if options.naive:
        columns["naive"] = naive(descriptors, tasks)
    for times in columns.values():
        times["all"] = sum(times.values())
    loads.append(os.getloadavg()[0])
    patches = sum(each.shape[0] * each.shape[1] for each in descriptors.values())
    print(f"{patches:,} descriptors of {options.size} numbers, {options.threads} threads")
    print(f"load before {loads[0]:.1f}, after {loads[1]:.1f}; resident memory {peak():.2f} GB")
    for index, title in enumerate(("seconds by the clock", "processor seconds a thread")):
        print(f"\n{title}")
        chosen = {
            name: {task: float(pair[index]) for task, pair in times.items()}
            for name, times in columns.items()
        }
        print_times(chosen)


def print_times(columns: dict[str, dict[str, float]]) -> None:
    others = [name for name in ("official", "naive") if name in columns]
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


def measure(options: argparse.Namespace) -> dict[str, float]:
    descriptors, tasks = inputs(options)
    before = peak()
    times = {task: pair[0] for task, pair in ours(descriptors, tasks, options.threads)[0].items()}
    data = sum(each.nbytes for each in descriptors.values()) / 1e9
    return {**times, "all": sum(times.values()), "GB": peak(), "GB before": before, "GB data": data}


def peak() -> float:
    """Largest resident memory of this process so far, in GB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def memory(options: argparse.Namespace) -> None:
    """Scores split full from mapped files by the command line, and watches its memory."""
    rng = np.random.default_rng(0)
    names = benchmark.load_split("full").test
    known = dict(zip(benchmark.load_split("a").test, LENGTHS, strict=True))
    others = [name for name in names if name not in known]
    made_up = np.array_split(np.arange(ALL_POINTS - sum(LENGTHS)), len(others))
    lengths = known | {name: len(part) for name, part in zip(others, made_up, strict=True)}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            strips = noisy_strips(rng, round(options.share * lengths[name]), options.size)
            write_descriptors({name: strips}, folder, "npy")
        command = [sys.executable, "-m", "helpers.benchmark", folder, "--split=full", "--generate"]
        command += [f"--memory={options.memory}", f"--threads={options.threads}"]
        command += [f"--pairs={options.pairs}"]
        start = time.perf_counter()
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            largest = watch(process)
        if process.returncode:
            raise SystemExit(process.returncode)
        total = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e9
    print(f"{total:.2f} GB of descriptors in {time.perf_counter() - start:.1f} s, largest in GB:")
    print("  ".join(f"{name} {value:.2f}" for name, value in largest.items()))


def watch(process: subprocess.Popen) -> dict[str, float]:
    """Largest memory of a process in GB: resident, anonymous and pages of files (Linux)."""
    fields = {"resident": "VmRSS:", "anonymous": "RssAnon:", "files": "RssFile:"}
    largest = dict.fromkeys(fields, 0.0)
    while process.poll() is None:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        sizes = dict(line.split(maxsplit=1) for line in lines if line.endswith(" kB"))
        for name, field in fields.items():
            value = int(sizes.get(field, "0 kB").split()[0]) * 1024 / 1e9
            largest[name] = max(largest[name], value)
        time.sleep(0.01)
    return largest


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
