"""Command line: `python -m helpers.benchmark DESCRIPTORS --split a`."""

import argparse
import dataclasses
import json
import math
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from . import plots
from .distances import DISTANCES
from .errors import BenchmarkError
from .files import atomic_path, read_descriptors, sequence_names
from .layout import POOLS, TASKS
from .published import fetch_tasks
from .scores import Scores, evaluate
from .splits import OFFICIAL, Split, load_split
from .tables import comparison_text, results_text
from .tasks import Tasks, generate_tasks, read_tasks, write_tasks
from .whitening import pca_power_law
from .workers import MEMORY, Resources

FOUND = "found"
MOST_THREADS = 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status, 2 for bad input."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except (BenchmarkError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.benchmark",
        description="Scores patch descriptors on the HPatches benchmark.",
    )
    add = parser.add_argument
    described = (
        "folder of <sequence>/<strip>.csv or of <sequence>.npy (16, N, D); several are compared"
    )
    add("descriptors", nargs="+", type=Path, metavar="DESCRIPTORS", help=described)
    splits = (
        f"{', '.join(OFFICIAL)}, a split of TASKS/splits.json, or '{FOUND}' for all sequences "
        "of the first DESCRIPTORS (default: a)"
    )
    add("--split", default="a", help=splits)
    lists = parser.add_mutually_exclusive_group().add_argument
    lists("--tasks", type=Path, metavar="DIR", help="task lists, official format")
    drawn = "draw the lists by the official recipe instead of fetching the published ones"
    lists("--generate", action="store_true", help=drawn)
    add("--pairs", type=int, default=1_000_000, help="pairs of each kind to draw")
    add("--write-tasks", type=Path, metavar="DIR", help="keep the lists there")
    add("--distance", choices=DISTANCES, default="L2")
    whitened = "score after PCA whitening and power law as well (needs training sequences)"
    add("--pca-power-law", action="store_true", help=whitened)
    add("--pools", type=int, nargs="+", default=POOLS, help="retrieval pool sizes")
    add("--task", nargs="+", choices=TASKS, default=TASKS)
    add("--json", type=Path, metavar="FILE", help="all numbers, full precision")
    add("--plots", type=Path, metavar="DIR", help="curves and bars, PDF and PNG")
    add("--threads", type=_threads, default=None, help="default: all cores")
    memory = "most memory for blocks of distances, as 50MB or 1GB (default: 32 MiB)"
    add("--memory", type=_size, default=MEMORY, metavar="SIZE", help=memory)
    return parser


def _threads(text: str) -> int:
    if not 1 <= int(text) <= MOST_THREADS:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to {MOST_THREADS}")
    return int(text)


def _size(text: str) -> int:
    for unit, factor in (("MB", 10**6), ("GB", 10**9)):
        if text.upper().endswith(unit) and 0 < float(text[:-2]) < math.inf:
            return int(float(text[:-2]) * factor)
    raise argparse.ArgumentTypeError(f"{text!r} is no size such as 50MB or 1.5GB")


def _run(options: argparse.Namespace) -> None:
    if options.split == FOUND and not options.tasks:
        split = Split(FOUND, tuple(sequence_names(options.descriptors[0])))
    else:
        split = load_split(options.split, options.tasks)
    tasks, scores = _given_tasks(options, split), {}
    names = (*split.test, *(split.train if options.pca_power_law else ()))
    resources = Resources(options.threads, options.memory, progress=True)

    def score(descriptors) -> Scores:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tie warning is printed below the tables
            how = {"run": options.task, "resources": resources}
            return evaluate(descriptors, tasks, options.distance, options.pools, **how)

    for path in options.descriptors:
        descriptors = read_descriptors(path, names, resources)
        if not tasks:
            lengths = {name: descriptors[name].shape[1] for name in split.test}
            tasks = generate_tasks(lengths, split=split.name, pairs=options.pairs)
        if not scores:
            print(f"Lists: {tasks.origin}.", flush=True)
            if options.write_tasks:
                write_tasks(tasks, options.write_tasks)
        name = path.name if path.name not in scores else str(path)
        scores[name] = score(descriptors)
        if options.pca_power_law:
            scores[f"{name}_pcapl"] = score(pca_power_law(descriptors, split.train, split.test))
    for name, each in scores.items():
        print(f"\n{results_text(name, each)}")
        for sentence in each.warnings:
            print(f"\nwarning: {name}: {sentence}")
    if len(scores) > 1:
        print(f"\n{comparison_text(scores)}")
    if options.json:
        content = {name: each.to_json() for name, each in scores.items()}
        with atomic_path(options.json) as temporary:
            temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    if options.plots:
        plots.plot_all(scores, options.plots)


def _given_tasks(options: argparse.Namespace, split: Split) -> Tasks | None:
    if options.tasks:
        return read_tasks(options.tasks, split.name)
    if split.name in OFFICIAL and not options.generate:
        published = read_tasks(fetch_tasks(split.name), split.name)
        return dataclasses.replace(published, origin=f"the published ones of split {split.name}")
    return None


if __name__ == "__main__":
    sys.exit(main())
