"""Speed and memory of the dataset room at the size of N-HPatches, beside Pillow.

    python benchmarks/dataset.py --folder /scratch            # full size: 15 GB of disk
    python benchmarks/dataset.py --folder /scratch --points 4000

Writes `dataset.json` and prints a table. The strips hold the photographs' patches over and over, so
that they compress like genuine ones. Every rate counts single 32 x 32 patches, clean or noisy; the
one for each second of a core holds even where other programs run. Noise is drawn anew from the
photographs' store, since N-HPatches has no clean 65 px patches.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import in_own_process, timed
from PIL import Image

from helpers.benchmark.layout import STRIPS
from helpers.benchmark.splits import load_split
from helpers.benchmark.workers import Resources, cores
from helpers.common import files
from helpers.dataset import PatchStore, open_dataset
from helpers.dataset.layout import PATCH_SIDE

FULL_SIZE = 156_967  # points of N-HPatches
BATCH = 512
TRAINING = {  # kinds of batches that networks are trained on, drawn in two threads
    "DenoisingPairs": {"batch": BATCH},
    "DenoisingPairs redraw": {"batch": BATCH, "redraw": True, "augment": True},
    "Views": {"batch": BATCH},
    "Views redraw": {"batch": 1024, "redraw": True, "augment": True},
    "Triplets": {"batch": BATCH, "count": 100_000},
}


def make_strips(folder: Path, points: int) -> None:
    """Writes strips of `points` points in the 116 scenes of N-HPatches, or in as many as fit."""
    source = open_dataset("photographs", folder.parent / "stores")
    scenes = sorted({*load_split("a").train, *load_split("a").test})
    lengths = np.diff(np.linspace(0, points, len(scenes) + 1).astype(int))

    def write(item: tuple[str, int, int]) -> None:
        scene, first, length = item
        (folder / scene).mkdir(parents=True, exist_ok=True)
        rows = (first + np.arange(length)) % len(source)
        for patches, end in ((source.clean, ""), (source.noisy, "_noise")):
            for column, strip in enumerate(STRIPS):
                pixels = patches[rows, column].reshape(-1, PATCH_SIDE)
                Image.fromarray(pixels).save(folder / scene / f"{strip}{end}.png")

    Resources().spread(write, zip(scenes, np.cumsum(lengths) - lengths, lengths, strict=True))


# --- stages: folder of strips, seconds -> what is timed, which returns a number of patches --------


def decode_with_pillow(folder: Path, seconds: float) -> Callable[[], int]:
    """Decodes every strip and keeps nothing: the bound for any reader that uses Pillow."""

    def decode(path: Path) -> int:
        with Image.open(path) as image:
            return np.asarray(image).size // PATCH_SIDE**2

    return lambda: sum(Resources().spread(decode, sorted(folder.glob("*/*.png"))))


def open_store(folder: Path, seconds: float) -> Callable[[], int]:
    """Builds the store, or opens the finished one."""
    return lambda: 32 * len(_open(folder))


def verify(folder: Path, seconds: float) -> Callable[[], int]:
    """Reads every patch of the store and compares check sums."""
    store = _open(folder)

    def work() -> int:
        store.verify()
        return 32 * len(store)

    return work


def feed(folder: Path, seconds: float) -> Callable[[], int]:
    """Draws shuffled uint8 batches of twins: the bound for any kind of training batch."""
    store = _open(folder)
    rows = store.rows("train")
    order = np.random.default_rng(0).permutation(len(rows) * 16)

    def draw(step: int) -> list[np.ndarray]:
        point, strip = np.divmod(
            np.take(order, range(step * BATCH, (step + 1) * BATCH), mode="wrap"), 16
        )
        return [array[rows[point], strip] for array in (store.noisy, store.clean)]

    return lambda: drawn(draw, seconds, threads=1)


def train(folder: Path, seconds: float, name: str) -> Callable[[], int]:
    """Draws the batches that networks are trained on, in two threads."""
    from helpers.training import batches  # only here: it imports Keras

    redraw = TRAINING[name].get("redraw")
    store = open_dataset("photographs", folder.parent / "stores") if redraw else _open(folder)
    draw = getattr(batches, name.split()[0])(store, "train", seed=0, **TRAINING[name])
    return lambda: drawn(draw, seconds, threads=2)


def drawn(draw: Callable[[int], Iterable[np.ndarray]], seconds: float, threads: int) -> int:
    """Patches in the batches that can be drawn in so many seconds."""
    end = time.perf_counter() + seconds

    def work(first: int) -> int:
        steps = itertools.count(first, threads)
        timely = itertools.takewhile(lambda _: time.perf_counter() < end, steps)
        made = (array for step in timely for array in draw(step) if array.ndim > 1)
        return sum(array.size for array in made) // PATCH_SIDE**2

    return sum(Resources(threads).spread(work, range(threads)))


def _open(folder: Path) -> PatchStore:
    return open_dataset(f"n-hpatches:{folder}", folder.parent / "stores", split="a")


STAGES = {
    "decode with Pillow": decode_with_pillow,
    "build": open_store,
    "open again": open_store,
    "verify": verify,
    "feed": feed,
    **{name: partial(train, name=name) for name in TRAINING},
}


def measure(stage: Callable, folder: Path, seconds: float) -> dict[str, float]:
    """Seconds that a stage takes, and its patches a second."""
    patches, work = [], stage(folder, seconds)
    spent, of_cores = timed(lambda: patches.append(work()))
    rates = {"patches/s": patches[0] / spent, "per core s": patches[0] / of_cores}
    return {"seconds": spent, **rates}


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="scratch folder, kept")
    parser.add_argument("--points", type=int, default=FULL_SIZE)
    parser.add_argument("--seconds", type=float, default=10, help="for each kind of batches")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    options = parse(words)
    folder = options.folder / f"strips-{options.points}"
    if not folder.exists():
        print(f"writing the strips of {options.points} points into {folder}")
        make_strips(folder, options.points)
    stages = STAGES.items()
    results = {name: in_own_process(measure, it, folder, options.seconds) for name, it in stages}
    files.write_json(options.folder / "dataset.json", results)
    print(f"{cores()} cores, {options.points} points; memory in MB")
    print(pd.DataFrame(results).T.to_string(float_format="{:,.2f}".format))


if __name__ == "__main__":
    main()
