"""The source `sequences:PATH`: folders of images with their homographies, cut by our extractor.

`<scene>/1..6` as ppm, png, jpg, jpeg, pgm, tif or tiff, and `<scene>/H_1_2 .. H_1_6`, each nine
numbers that map (x, y, 1) of image 1 to image k, in pixels: the layout of HPatches' full images.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.common.errors import InputError
from helpers.common.keys import code_key
from helpers.dataset.cutting import extractor
from helpers.dataset.cutting.homographies import visible_share
from helpers.dataset.noise import SIGMA, downsample, noisy_twin
from helpers.dataset.parts import choose_parts
from helpers.dataset.sources.images import decode_grey
from helpers.dataset.sources.strips import find_scenes, own_split
from helpers.dataset.sources.tree import open_tree
from helpers.dataset.store import scene_generator

# The code that decides the patches.
RECIPE_CODE = (
    "dataset/cutting",
    "dataset/noise.py",
    "dataset/sources/images.py",
    "dataset/sources/sequences.py",
)

SUFFIXES = (".ppm", ".png", ".jpg", ".jpeg", ".pgm", ".tif", ".tiff")


class Sequences:
    """Image sequences in a folder or zip file, as a source of a store; see store.Source."""

    name = "sequences"

    def __init__(
        self,
        place: Path | str,
        split: str | None = None,
        scenes: Sequence[str] | None = None,
        points_per_scene: int | None = None,
        seed: int = 0,
        keep65: bool = True,
    ):
        """Looks at the list of files only.

        Args:
            place: folder or zip file.
            split: see parts.choose_parts; None for the dataset's own split.json, else "a".
            scenes: only these, all where None.
            points_per_scene: at most this many of a scene, at random; where None, 2,000, which no
                scene of HPatches exceeds.
            seed: of the choice of points, the jitter and the noise.
            keep65: keep the 65 px patches, so that noise can be drawn anew while training.
        """
        self.tree = open_tree(place)
        self.limit, self.seed, self.keeps65 = points_per_scene, seed, keep65
        self.root, found = find_scenes(self.tree, {f"1{suffix}" for suffix in SUFFIXES})
        self.parts = choose_parts(found, split or own_split(self.tree, self.root), scenes)
        chosen = [scene for names in self.parts.values() for scene in names]
        self._files = {scene: self._list_files(scene) for scene in chosen}
        self.recipe: dict[str, Any] = {
            "code": code_key(*RECIPE_CODE),
            "seed": seed,
            "points_per_scene": points_per_scene,
            "split": self.parts,
            "cutting": extractor.RECIPE,
            "sigma": SIGMA,
            "keep65": keep65,
        }

    def key(self) -> dict:
        """Sizes and dates (of a zip file: check sums) of the files that are used."""
        return {path: self.tree.files[path] for paths in self._files.values() for path in paths}

    def measure(self, scene: str) -> tuple[int, np.ndarray]:
        """Number of points of a scene, and the regions around them."""
        images, homographies, _ = self.load(scene)
        regions = extractor.find_regions(
            images, homographies, scene_generator(scene, self.seed, "points"), self.limit
        )
        return len(regions), regions

    def fill(self, scene: str, regions: np.ndarray, out: dict[str, np.ndarray]) -> str:
        """Cuts the patches of a scene and draws their noise."""
        images, homographies, digest = self.load(scene)
        clean65 = extractor.cut(
            images, homographies, regions, scene_generator(scene, self.seed, "jitter")
        )
        if self.keeps65:
            out["clean65"][:] = clean65
        out["clean"][:] = downsample(clean65)
        out["noisy"][:] = noisy_twin(clean65, scene_generator(scene, self.seed, "noise"))
        return digest

    def load(self, scene: str) -> tuple[list[np.ndarray], list[np.ndarray], str]:
        """Reads a scene.

        Returns:
            Six grey uint8 images, five homographies of `read_homography`, and the files' digest.
        """
        data = [self.tree.read(path) for path in self._files[scene]]
        where = [self.tree.path / path for path in self._files[scene]]
        images = [decode_grey(*file) for file in zip(data[:6], where[:6], strict=True)]
        homographies = [
            read_homography(text, place, images[0].shape, target.shape)
            for text, place, target in zip(data[6:], where[6:], images[1:], strict=True)
        ]
        return images, homographies, hashlib.sha256(b"".join(data)).hexdigest()

    def _list_files(self, scene: str) -> list[str]:
        """Paths of images 1..6 and H_1_2..H_1_6."""
        paths: list[str] = []
        for number in range(1, 7):
            names = [f"{self.root}{scene}/{number}{suffix}" for suffix in SUFFIXES]
            like_first = f"{self.root}{scene}/{number}{Path(paths[0]).suffix}" if paths else ""
            paths.append(next((path for path in names if path in self.tree.files), like_first))
        paths += [f"{self.root}{scene}/H_1_{number}" for number in range(2, 7)]
        for path in paths:
            if path not in self.tree.files:
                raise InputError(
                    f"{self.tree.path / path} is missing: a scene needs six images and "
                    "H_1_2 to H_1_6, so add it or leave the scene out."
                )
        return paths


def read_homography(
    text: bytes, name: Path | str, shape: tuple[int, int], target: tuple[int, int]
) -> np.ndarray:
    """Reads a homography file: nine numbers, row by row.

    Args:
        text: the file's bytes.
        name: of the file, for the message.
        shape: height and width of image 1.
        target: height and width of the image that it maps to.

    Returns:
        float64 (3, 3), scaled to w = 1 at the centre of image 1, since any factor, a negative one
        too, means the same mapping.

    Raises:
        InputError: not nine finite numbers, a singular matrix, or nothing of image 1 is shown.
    """
    try:
        numbers = np.array([float(word) for word in text.decode("ascii").split()])
    except ValueError:  # covers bytes that are no text
        numbers = np.array([np.nan])
    if numbers.size != 9 or not np.isfinite(numbers).all():
        raise InputError(f"{name} does not hold nine numbers: write the 3x3 homography row by row.")
    with np.errstate(all="ignore"):
        homography = numbers.reshape(3, 3) / np.abs(numbers).max()
        centre = homography[2] @ [(shape[1] - 1) / 2, (shape[0] - 1) / 2, 1]
        homography = homography / centre
        condition = np.linalg.cond(homography) if np.isfinite(homography).all() else np.inf
    if not condition < 1e12:
        raise InputError(f"{name} holds a singular matrix: correct its nine numbers.")
    if visible_share(homography, shape, target) == 0:
        raise InputError(
            f"{name} maps image 1 outside the other image: check that it maps 1 to k, not k to 1."
        )
    return homography
