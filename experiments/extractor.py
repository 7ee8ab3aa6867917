"""How near the extractor comes to HPatches: numbers, sizes, overlaps and likeness of patches.

    python experiments/extractor.py FOLDER [--json FILE]

FOLDER holds sequences of images and homographies as `sequences:FOLDER` reads them, HPatches' full
images say. A table with a column a scene is printed:

found, kept, known  points, and how many of them genuine HPatches has (2,000 a scene at most)
side        of the regions in pixels: quantiles
overlap     median intersection over union of jittered and unjittered region
alike       mean normalised cross-correlation of `ref` with the five other images, at 32 px and
            without noise: before jitter (none) and with that of each level
contrast    share of `ref` patches whose standard deviation exceeds 10 grey levels

One to three minutes for 16 scenes on two cores.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.benchmark.layout import LEVELS, strip_columns
from helpers.benchmark.workers import Resources
from helpers.common import files
from helpers.dataset.cutting.extractor import JITTER, cut, draw_jitter, frames, project
from helpers.dataset.cutting.regions import MOST_POINTS
from helpers.dataset.cutting.sampling import sample
from helpers.dataset.noise import downsample
from helpers.dataset.parts import Choice
from helpers.dataset.sources.folders import find_scenes
from helpers.dataset.sources.sequences import SUFFIXES, Sequences
from helpers.dataset.sources.tree import open_tree
from helpers.dataset.store import scene_generator

# Points of genuine HPatches: of v_graffiti counted in its published patches, of the others the
# lengths that go with the official task files of split a. Then the share of patches with a standard
# deviation above 10, the only ones that the official retrieval lists of split a take: estimated, to
# about 0.04, from how many of a scene they name.
KNOWN = {
    "i_ajuntament": (853, 0.92),
    "v_abstract": (1891, 0.92),
    "v_birdwoman": (2000, 1.0),
    "v_graffiti": (1123, None),
    "v_soldiers": (1529, 0.62),
}
QUANTILES = (0.05, 0.5, 0.95)


def measure(source: Sequences, scene: str) -> dict[str, float | None]:
    """Cuts a scene as a dataset would and says what came out."""
    found, regions = source.measure(scene)
    regions = regions[:MOST_POINTS]
    images, homographies, _ = source.load(scene)
    seed = source.choice.seed
    patches = cut(images, homographies, regions, scene_generator(scene, seed, "jitter"))
    views = zip(images, [np.eye(3), *homographies], strict=True)
    still = np.stack([sample(image, frames(regions), h) for image, h in views], 1)
    overlap = overlaps(scene_generator(scene, seed, "jitter"), len(regions))
    sides = np.quantile(2 * regions[:, 2], QUANTILES)
    known, known_contrast = KNOWN.get(scene, (None, None))
    return {
        "found": found,
        "kept": len(regions),
        "known": known,
        **{f"side {share:.0%}": side for share, side in zip(QUANTILES, sides, strict=True)},
        **{f"overlap {level}": share for level, share in overlap.items()},
        "alike none": float(likeness(still)[:, 1:].mean()),
        **{f"alike {k}": float(likeness(patches)[:, strip_columns(k)].mean()) for k in LEVELS},
        "contrast": float((patches[:, 0].std((1, 2)) > 10).mean()),
        "known contrast": known_contrast,
    }


def overlaps(rng: np.random.Generator, count: int) -> dict[str, float]:
    """Median overlap of the unit disc with the discs that `cut` jitters for image 2."""
    points = np.random.default_rng(0).uniform(-2.5, 2.5, (2000, 2))
    within = np.hypot(*points.T) < 1
    medians = {}
    for level in LEVELS:
        back = np.linalg.inv(draw_jitter(JITTER[level], count, rng))
        jittered = np.hypot(*np.moveaxis(project(back, points), -1, 0)) < 1
        shares = (within & jittered).sum(1) / (within | jittered).sum(1)
        medians[level] = float(np.median(shares))
    return medians


def likeness(patches: np.ndarray) -> np.ndarray:
    """Normalised cross-correlation (points, strips) of each patch with the first of its point."""
    flat = downsample(patches).reshape(*patches.shape[:2], -1).astype(np.float32)
    flat -= flat.mean(-1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=-1, keepdims=True) + 1e-6
    return np.einsum("nd,nsd->ns", flat[:, 0], flat)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="sequences of images")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args(words)
    _, scenes = find_scenes(open_tree(options.folder), {f"1{suffix}" for suffix in SUFFIXES})
    source = Sequences(options.folder, Choice({"test": scenes}, points_per_scene=10**9))  # all
    found = Resources(progress=True).spread(partial(measure, source), scenes, "scenes")
    results = dict(zip(scenes, found, strict=True))
    print(pd.DataFrame(results).to_string(float_format="{:.2f}".format, na_rep=""))
    if options.json:
        files.write_json(options.json, results)


if __name__ == "__main__":
    main()
