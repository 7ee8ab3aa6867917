"""Speed and memory of building and reading a dataset of N-HPatches' size, beside Pillow.

    python benchmarks/dataset.py --folder /scratch            # full size: 15 GB of disk
    python benchmarks/dataset.py --folder /scratch --points 4000

Writes `dataset.json` and prints a table. The strips hold the photographs' patches over and over, so
that they compress like genuine ones. Every rate counts single 32 x 32 patches, clean or noisy; the
one for each second of a core holds even where other programs run.
"""

import argparse
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


def decode_with_pillow(folder: Path) -> int:
    """Decodes every strip and keeps nothing: the bound for any reader that uses Pillow."""

    def decode(path: Path) -> int:
        with Image.open(path) as image:
            return np.asarray(image).size // PATCH_SIDE**2

    return sum(Resources().spread(decode, sorted(folder.glob("*/*.png"))))


def open_store(folder: Path) -> PatchStore:
    return open_dataset(f"n-hpatches:{folder}", folder.parent / "stores", split="a")


def count(folder: Path) -> int:
    """Builds the store, or opens the finished one."""
    return 32 * len(open_store(folder))


def verify(folder: Path) -> int:
    """Reads every patch of the store and compares check sums."""
    store = open_store(folder)
    store.verify()
    return 32 * len(store)


STAGES = {  # each returns a number of patches
    "decode with Pillow": decode_with_pillow,
    "build": count,
    "open again": count,
    "verify": verify,
}


def measure(stage: str, folder: Path) -> dict[str, float]:
    """Seconds that a stage takes, and its patches a second."""
    patches = []
    spent, of_cores = timed(lambda: patches.append(STAGES[stage](folder)))
    rates = {"patches/s": patches[0] / spent, "per core s": patches[0] / of_cores}
    return {"seconds": spent, **rates}


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="scratch folder, kept")
    parser.add_argument("--points", type=int, default=FULL_SIZE)
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    options = parse(words)
    folder = options.folder / f"strips-{options.points}"
    if not folder.exists():
        print(f"writing the strips of {options.points} points into {folder}")
        make_strips(folder, options.points)
    results = {stage: in_own_process(measure, stage, folder) for stage in STAGES}
    files.write_json(options.folder / "dataset.json", results)
    print(f"{cores()} cores, {options.points} points; memory in MB")
    print(pd.DataFrame(results).T.to_string(float_format="{:,.2f}".format))


if __name__ == "__main__":
    main()
