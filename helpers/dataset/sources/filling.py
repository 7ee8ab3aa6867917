"""What the sources share that cut patches or draw their noise here."""

from dataclasses import asdict

import numpy as np

from helpers.common.keys import code_key
from helpers.dataset.cutting import extractor, regions
from helpers.dataset.cutting.detection import THRESHOLDS
from helpers.dataset.noise import SIGMA, downsample, noisy_twin
from helpers.dataset.store import Source, scene_generator

# The code that decides the patches: other lighting must not find an old store. The constants are
# in the recipe as well, for those who set others from a notebook.
RECIPE_CODE = ("dataset/cutting", "dataset/noise.py", "dataset/sources")
Loaded = tuple[list[np.ndarray], list[np.ndarray], str]


class CutSource(Source):
    """Scenes of six images, whose patches are cut here."""

    seed: int  # of the points chosen, the jitter and the noise
    most_points: int  # of a scene, random ones
    sensitivity = 1.0  # factor on the detection thresholds; below 1 for more points
    keeps_images = False  # in memory from `measure` to `fill`, where loading them again is slow

    def load(self, scene: str) -> Loaded:
        """Six grey uint8 images, five homographies of the first to the others, a digest of both.

        The homographies are 3x3, in pixels, with w > 0 at the centre of image 1.
        """
        raise NotImplementedError

    @property
    def recipe(self) -> dict:
        return {
            "seed": self.seed,
            "points_per_scene": self.most_points,
            "keep65": self.keeps65,
            "sensitivity": self.sensitivity,
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

    def measure(self, scene: str) -> tuple[int, tuple[np.ndarray, Loaded | None]]:
        loaded = self.load(scene)
        found = self._find(scene, loaded)
        return len(found), (found, loaded if self.keeps_images else None)

    def look(self, scene: str) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
        images, homographies, _ = loaded = self.load(scene)
        return images, homographies, self._find(scene, loaded)

    def _find(self, scene: str, loaded: Loaded) -> np.ndarray:
        rng = scene_generator(scene, self.seed, "points")
        return regions.find_regions(*loaded[:2], rng, self.most_points, self.sensitivity)

    def fill(self, scene: str, found: tuple, out: dict[str, np.ndarray]) -> str:
        where, loaded = found
        images, homographies, digest = loaded or self.load(scene)
        rng = scene_generator(scene, self.seed, "jitter")
        clean65 = extractor.cut(images, homographies, where, rng)
        fill_from_65(out, clean65, scene, self.seed)
        return digest


def fill_from_65(out: dict[str, np.ndarray], clean65: np.ndarray, scene: str, seed: int) -> None:
    """Fills the arrays of a scene, see `Source.fill`, from clean ones, uint8 (points, 16, 65, 65).

    The name of the scene and the seed decide the noise.
    """
    if "clean65" in out:
        out["clean65"][:] = clean65
    out["clean"][:] = downsample(clean65)
    out["noisy"][:] = noisy_twin(clean65, scene_generator(scene, seed, "noise"))
