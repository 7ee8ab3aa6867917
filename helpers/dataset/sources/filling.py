"""What the sources share that cut patches or draw their noise here."""

from dataclasses import asdict

import numpy as np

from helpers.common.keys import code_key
from helpers.dataset.cutting import extractor, regions
from helpers.dataset.cutting.detection import THRESHOLDS
from helpers.dataset.noise import SIGMA, downsample, noisy_twin
from helpers.dataset.store import scene_generator

# The code that decides the patches: another lighting or homography must not find an old store.
RECIPE_CODE = ("dataset/cutting", "dataset/noise.py", "dataset/sources")


def cutting_recipe(seed: int, points_per_scene: int | None) -> dict:
    """All settings that decide how images are cut, for the recipe of a source."""
    return {
        "seed": seed,
        "points_per_scene": points_per_scene,
        "cutting": {
            "thresholds": THRESHOLDS,
            "radius_of_scale": regions.RADIUS_OF_SCALE,
            "overlap": regions.OVERLAP,
            "most_points": regions.MOST_POINTS,
            "jitter": {level: asdict(jitter) for level, jitter in extractor.JITTER.items()},
        },
        "sigma": SIGMA,
        "code": code_key(*RECIPE_CODE),
    }


def fill_by_cutting(
    out: dict[str, np.ndarray], look: tuple[list, list, np.ndarray], scene: str, seed: int
) -> None:
    """Cuts the patches of a scene and draws their noise.

    Args:
        out: arrays of the scene, as `Source.fill` gets them; filled.
        look: images, homographies and regions, see `extractor.cut`.
        scene: its name, which with `seed` decides the jitter and the noise.
        seed: of the dataset.
    """
    clean65 = extractor.cut(*look, scene_generator(scene, seed, "jitter"))
    fill_from_65(out, clean65, scene, seed)


def fill_from_65(out: dict[str, np.ndarray], clean65: np.ndarray, scene: str, seed: int) -> None:
    """Reduces patches, uint8 (points, 16, 65, 65), and draws their noise; `out` as above."""
    if "clean65" in out:
        out["clean65"][:] = clean65
    out["clean"][:] = downsample(clean65)
    out["noisy"][:] = noisy_twin(clean65, scene_generator(scene, seed, "noise"))
