"""Speed and memory of the dataset room at the size of N-HPatches, beside Pillow and the course.

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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import in_own_process, timed
from PIL import Image

from helpers.benchmark.layout import STRIPS
from helpers.benchmark.splits import load_split
from helpers.benchmark.workers import thread_count
from helpers.common import files
from helpers.dataset import PatchStore, open_dataset
from helpers.dataset.layout import PATCH_SIDE

FULL_SIZE = 156_967  # points of N-HPatches
BATCH = 512
CORES = thread_count(None)
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

    def write(scene: str, first: int, length: int) -> None:
        (folder / scene).mkdir(parents=True, exist_ok=True)
        rows = (first + np.arange(length)) % len(source)
        for patches, end in ((source.clean, ""), (source.noisy, "_noise")):
            for column, strip in enumerate(STRIPS):
                pixels = patches[rows, column].reshape(-1, PATCH_SIDE)
                Image.fromarray(pixels).save(folder / scene / f"{strip}{end}.png")

    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(write, scenes, np.cumsum(lengths) - lengths, lengths))


# Stages: each does something with the folder of strips and says how many patches that were. --------


def decode_with_pillow(folder: Path, seconds: float) -> int:
    """Decodes every strip and keeps nothing: the bound for any reader that uses Pillow."""

    def decode(path: Path) -> int:
        with Image.open(path) as image:
            return np.asarray(image).size // PATCH_SIDE**2

    with ThreadPoolExecutor(CORES) as pool:
        return sum(pool.map(decode, sorted(folder.glob("*/*.png"))))


def open_store(folder: Path, seconds: float) -> int:
    """Builds the store, or opens the finished one."""
    return _open(folder).clean.shape[0] * 32


def verify(folder: Path, seconds: float) -> int:
    """Reads every patch of the store and compares check sums."""
    store = _open(folder)
    store.verify()
    return store.clean.shape[0] * 32


def feed(folder: Path, seconds: float) -> int:
    """Draws shuffled uint8 batches of twins: the bound for any kind of training batch."""
    store = _open(folder)
    rows, end = store.rows("train"), time.perf_counter() + seconds
    order = np.random.default_rng(0).permutation(len(rows) * 16)
    for drawn, first in enumerate(itertools.cycle(range(0, len(order) - BATCH + 1, BATCH))):
        if time.perf_counter() > end:
            return 2 * BATCH * drawn
        point, strip = np.divmod(order[first : first + BATCH], 16)
        _ = store.noisy[rows[point], strip], store.clean[rows[point], strip]
    return 0  # less than one batch


def train(folder: Path, seconds: float, name: str) -> int:
    """Draws the batches that networks are trained on, in two threads."""
    from helpers.training import batches  # only here: it imports Keras

    redraw = TRAINING[name].get("redraw")
    store = open_dataset("photographs", folder.parent / "stores") if redraw else _open(folder)
    draw = getattr(batches, name.split()[0])(store, "train", seed=0, **TRAINING[name])
    end = time.perf_counter() + seconds

    def work(first: int) -> int:
        steps = itertools.takewhile(lambda _: time.perf_counter() < end, itertools.count(first, 2))
        made = (array for step in steps for array in draw(step) if array.ndim > 1)
        return sum(array.size for array in made) // PATCH_SIDE**2

    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(work, range(2)))


def course_way(folder: Path, seconds: float) -> int:
    """The course's loader on four scenes: every patch an array in a dictionary, a loop a batch."""
    scenes = sorted(folder.iterdir())[:4]
    patches = dict(enumerate(itertools.chain.from_iterable(map(_patches, scenes))))
    names = list(patches)
    for first in range(0, len(names), 50):
        batch = np.empty((50, PATCH_SIDE, PATCH_SIDE, 1))
        for place, name in enumerate(names[first : first + 50]):
            batch[place, :, :, 0] = patches[name]
    return len(names)


def _patches(scene: Path) -> Iterator[np.ndarray]:
    for path in sorted(scene.glob("*.png")):
        with Image.open(path) as image:
            strip = np.asarray(image)
        for row in range(0, len(strip), PATCH_SIDE):
            yield strip[row : row + PATCH_SIDE].copy()


def _open(folder: Path) -> PatchStore:
    return open_dataset(f"n-hpatches:{folder}", folder.parent / "stores", split="a")


STAGES: dict[str, Callable[[Path, float], int]] = {
    "decode with Pillow": decode_with_pillow,
    "build": open_store,
    "open again": open_store,
    "verify": verify,
    "feed": feed,
    **{name: partial(train, name=name) for name in TRAINING},
    "the course's way": course_way,
}


def measure(stage: Callable[[Path, float], int], folder: Path, seconds: float) -> dict:
    """Seconds that a stage took, and its patches a second."""
    patches = []
    spent, of_cores = timed(lambda: patches.append(stage(folder, seconds)))
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
    print(f"{CORES} cores, {options.points} points; memory in MB")
    print(pd.DataFrame(results).T.to_string(float_format="{:,.2f}".format))


if __name__ == "__main__":
    main()
