"""Speed and memory of the dataset room at the size of N-HPatches, beside Pillow and the course.

    python benchmarks/dataset.py --folder /scratch            # full size: 15 GB of disk
    python benchmarks/dataset.py --folder /scratch --points 4000

Writes `dataset.json` and prints a table. The strips hold the photographs' patches over and over, so
that they compress like genuine ones. Every rate counts single 32 x 32 patches, clean or noisy; the
one for each second of a core holds even where other programs run. Noise is drawn anew from the
photographs' store, since N-HPatches has no clean 65 px patches.
"""

import argparse
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.benchmark.layout import STRIPS
from helpers.benchmark.splits import load_split
from helpers.dataset import PatchStore, open_dataset
from helpers.dataset.layout import PATCH_SIDE
from helpers.training import batches

FULL_SIZE = 156_967  # points of N-HPatches
BATCH = 512
CORES = os.cpu_count() or 1
SECONDS = 10  # that each kind of feeding is measured


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


def decode_with_pillow(folder: Path) -> dict[str, float]:
    """Decodes every strip and keeps nothing: the bound for any reader that uses Pillow."""

    def decode(path: Path) -> int:
        with Image.open(path) as image:
            return np.asarray(image).size // PATCH_SIDE**2

    with ThreadPoolExecutor(CORES) as pool:
        return {"patches": sum(pool.map(decode, sorted(folder.glob("*/*.png"))))}


def build(folder: Path) -> dict[str, float]:
    """Builds the store."""
    return {"patches": _open(folder).clean.shape[0] * 32}


def open_again(folder: Path) -> dict[str, float]:
    """Opens the finished store."""
    start = time.perf_counter()
    _open(folder)
    return {"patches": 0, "opening_seconds": time.perf_counter() - start}


def verify(folder: Path) -> dict[str, float]:
    """Reads every patch of the store and compares check sums."""
    store = _open(folder)
    store.verify()
    return {"patches": store.clean.shape[0] * 32}


def feed(folder: Path) -> dict[str, float]:
    """Draws shuffled uint8 batches of twins: the bound for any kind of training batch."""
    store = _open(folder)
    rows = store.rows("train")
    order = np.random.default_rng(0).permutation(len(rows) * 16)
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        for first in range(0, len(order) - BATCH + 1, BATCH):
            point, strip = np.divmod(order[first : first + BATCH], 16)
            noisy, clean = store.noisy[rows[point], strip], store.clean[rows[point], strip]
            done += len(noisy) + len(clean)
            if time.perf_counter() - start > SECONDS:
                break
    return {"patches": done}


def train(folder: Path, kind: str, **options) -> dict[str, float]:
    """Draws the batches that networks are trained on, in two threads."""
    if options.get("redraw"):
        store = open_dataset("photographs", folder.parent / "stores")
    else:
        store = _open(folder)
    draw = getattr(batches, kind)(store, "train", seed=0, **options)
    start, core_start = time.perf_counter(), time.process_time()
    end = start + SECONDS

    def work(first: int) -> int:
        step, done = first, 0
        while time.perf_counter() < end:
            done += sum(array.size for array in draw(step) if array.ndim > 1) // PATCH_SIDE**2
            step += 2
        return done

    with ThreadPoolExecutor(2) as pool:
        patches = sum(pool.map(work, range(2)))
    return {
        "patches": patches,
        "seconds": time.perf_counter() - start,
        "core_seconds": time.process_time() - core_start,
    }


def _open(folder: Path) -> PatchStore:
    return open_dataset(f"n-hpatches:{folder}", folder.parent / "stores", split="a")


def course_way(folder: Path, scenes: int = 4) -> dict[str, float]:
    """The course's loader on a few scenes: every patch an array in a dictionary, a loop a batch."""
    patches, done = {}, 0
    for scene in sorted(folder.iterdir())[:scenes]:
        for path in sorted(scene.glob("*.png")):
            with Image.open(path) as image:
                strip = np.asarray(image)
            for row in range(len(strip) // PATCH_SIDE):
                patch = strip[row * PATCH_SIDE : (row + 1) * PATCH_SIDE]
                patches[scene.name, path.stem, row] = patch.copy()
    names = list(patches)
    for first in range(0, len(names) - 50 + 1, 50):
        batch = np.empty((50, PATCH_SIDE, PATCH_SIDE, 1))
        for place, name in enumerate(names[first : first + 50]):
            batch[place, :, :, 0] = patches[name]
        done += len(batch)
    return {"patches": done}


STAGES = {
    "decode_with_pillow": decode_with_pillow,
    "build": build,
    "open_again": open_again,
    "verify": verify,
    "feed": feed,
    "DenoisingPairs": partial(train, kind="DenoisingPairs", batch=BATCH),
    "DenoisingPairs augment": partial(train, kind="DenoisingPairs", batch=BATCH, augment=True),
    "DenoisingPairs redraw": partial(
        train, kind="DenoisingPairs", batch=BATCH, redraw=True, augment=True
    ),
    "Views": partial(train, kind="Views", batch=BATCH),
    "Views 1024 augment": partial(train, kind="Views", batch=1024, augment=True),
    "Views 1024 redraw": partial(train, kind="Views", batch=1024, redraw=True, augment=True),
    "Triplets": partial(train, kind="Triplets", batch=BATCH, count=100_000),
    "course_way": course_way,
}


def measured(stage: Callable[[Path], dict], folder: Path) -> dict[str, float]:
    """Runs a stage in a process of its own: seconds, patches a second, and its peak memory."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(stage, folder, sending))
    process.start()
    result = receiving.recv()
    process.join()
    return result


def _run(stage: Callable[[Path], dict], folder: Path, sending) -> None:
    anonymous, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            anonymous[0] = max(anonymous[0], _megabytes("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    start, core_start = time.perf_counter(), time.process_time()
    result = stage(folder)
    seconds = result.setdefault("seconds", time.perf_counter() - start)
    core_seconds = result.setdefault("core_seconds", time.process_time() - core_start)
    stop.set()
    watcher.join()
    result["patches_per_second"] = result["patches"] / seconds
    result["patches_per_core_second"] = result["patches"] / core_seconds
    result["anonymous_mb"] = anonymous[0]  # what cannot be reclaimed; pages of the map can
    result["resident_mb"] = _megabytes("VmHWM")
    sending.send(result)


def _megabytes(entry: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(entry):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="scratch folder, kept")
    parser.add_argument("--points", type=int, default=FULL_SIZE)
    arguments = parser.parse_args()
    folder = arguments.folder / f"strips-{arguments.points}"
    if not folder.exists():
        print(f"writing the strips of {arguments.points} points into {folder}")
        make_strips(folder, arguments.points)
    results = {}
    print(f"{CORES} cores, {arguments.points} points")
    titles = f"{'patches/s':>11s} {'per core s':>11s} {'anonymous MB':>13s} {'peak MB':>9s}"
    print(f"{'stage':24s} {'seconds':>9s} {titles}")
    for title, stage in STAGES.items():
        result = results[title] = measured(stage, folder)
        print(
            f"{title:24s} {result['seconds']:9.2f} {result['patches_per_second']:11.0f} "
            f"{result['patches_per_core_second']:11.0f} "
            f"{result['anonymous_mb']:13.0f} {result['resident_mb']:9.0f}"
        )
    share = results["build"]["patches_per_second"]
    share /= results["decode_with_pillow"]["patches_per_second"]
    print(f"building runs at {100 * share:.0f} % of Pillow's rate")
    print(f"opening takes {results['open_again']['opening_seconds']:.3f} s")
    (arguments.folder / "dataset.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
