"""Speed and memory of building and reading a dataset of N-HPatches' size, beside Pillow.

    python benchmarks/dataset.py --folder /scratch            # full size: 15 GB of disk
    python benchmarks/dataset.py --folder /scratch --points 4000

Prints a table. The strips hold the photographs' patches over and over, so
that they compress like genuine ones. Every rate counts single 32 x 32 patches, clean or noisy; the
one for each second of a core holds even where other programs run.
"""

import argparse
import copy
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import in_own_process, timed
from PIL import Image

from helpers.benchmark.layout import STRIPS
from helpers.benchmark.splits import load_split
from helpers.benchmark.workers import Resources, cores
from helpers.dataset import PatchStore, open_dataset, write_strips

FULL_SIZE = 156_967  # points of N-HPatches


def make_strips(folder: Path, points: int) -> None:
    """Writes strips of `points` points in the 116 scenes of N-HPatches."""
    repeated = copy.copy(open_dataset("photographs", folder.parent / "stores"))
    split = load_split("a")
    repeated.parts = {"train": split.train, "test": split.test}
    names = sorted({*split.train, *split.test})
    rows = np.array_split(np.arange(points) % len(repeated), len(names))
    repeated.scenes = dict(zip(names, rows, strict=True))
    write_strips(repeated, folder)


def decode_with_pillow(folder: Path) -> None:
    """Decodes every strip and keeps nothing: the bound for any reader that uses Pillow."""
    Resources().spread(lambda path: np.asarray(Image.open(path)).size, folder.glob("*/*.png"))


def open_store(folder: Path) -> PatchStore:
    return open_dataset(f"n-hpatches:{folder}", folder.parent / "stores", split="a")


STAGES = {  # from the folder of strips
    "decode with Pillow": decode_with_pillow,
    "build": open_store,
    "open again": open_store,
    "verify": lambda folder: open_store(folder).verify(),  # reads every patch
}


def measure(stage: str, folder: Path, patches: int) -> dict[str, float]:
    """Seconds that a stage takes, and its patches a second."""
    spent, of_cores = timed(STAGES[stage], folder)
    return {"seconds": spent, "patches/s": patches / spent, "per core s": patches / of_cores}


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="scratch folder, kept")
    parser.add_argument("--points", type=int, default=FULL_SIZE)
    options = parser.parse_args(words)
    folder = options.folder / f"strips-{options.points}"
    if not folder.exists():
        print(f"writing the strips of {options.points} points into {folder}")
        make_strips(folder, options.points)
    patches = 2 * len(STRIPS) * options.points
    results = {stage: in_own_process(measure, stage, folder, patches) for stage in STAGES}
    print(f"{cores()} cores, {options.points} points; memory in MB")
    print(pd.DataFrame(results).T.to_string(float_format="{:,.2f}".format))


if __name__ == "__main__":
    main()
