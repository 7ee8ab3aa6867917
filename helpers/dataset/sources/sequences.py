"""The source `sequences:PATH`: folders of images with their homographies, cut by our extractor.

`<scene>/1..6` as ppm, png, jpg, jpeg, pgm, tif or tiff (PPM ... as well), and `<scene>/H_1_2 ..
H_1_6`, each nine numbers that map (x, y, 1) of image 1 to image k, in pixels: the layout of
HPatches' full images.
"""

import hashlib
from functools import cached_property
from pathlib import Path

import numpy as np

from helpers.common.errors import InputError
from helpers.dataset.cutting.homographies import visible_share
from helpers.dataset.cutting.regions import MOST_POINTS
from helpers.dataset.parts import Choice
from helpers.dataset.sources.filling import CutSource, Loaded
from helpers.dataset.sources.folders import SceneFolders
from helpers.dataset.sources.images import decode_grey

SUFFIXES = (".ppm", ".png", ".jpg", ".jpeg", ".pgm", ".tif", ".tiff")


class Sequences(CutSource, SceneFolders):
    """Scenes of six images in a folder or zip file."""

    name = "sequences"
    content = "a scene needs images 1 to 6 and H_1_2 to H_1_6"

    def __init__(self, place: Path | str, choice: Choice):
        """Looks at the list of files only."""
        super().__init__(place, {f"1{suffix}" for suffix in SUFFIXES}, choice)
        self.seed, self.most_points = choice.seed, choice.points_per_scene or MOST_POINTS
        self.keeps65 = choice.keep65

    @cached_property
    def images(self) -> dict[str, str]:
        """Path without suffix -> path of each picture; of several, the first of SUFFIXES."""
        return {
            path[: -len(suffix)]: path
            for suffix in reversed(SUFFIXES)
            for path in self.tree.files
            if path.lower().endswith(suffix)
        }

    def load(self, scene: str) -> Loaded:
        files = [(self.tree.read(path), self.where(path)) for path in self.files[scene]]
        images = [decode_grey(*file) for file in files[:6]]
        homographies = [
            read_homography(*file, images[0].shape, target.shape)
            for file, target in zip(files[6:], images[1:], strict=True)
        ]
        digest = hashlib.sha256(b"".join(data for data, _ in files)).hexdigest()
        return images, homographies, digest

    def list_files(self, folder: str) -> list[str]:
        """Paths of images 1..6 and H_1_2..H_1_6."""
        suffix = Path(self.images[f"{folder}1"]).suffix  # what a missing one is called
        images = (f"{folder}{number}" for number in range(1, 7))
        found = [self.images.get(image, f"{image}{suffix}") for image in images]
        return found + [f"{folder}H_1_{number}" for number in range(2, 7)]


def read_homography(
    text: bytes, name: Path | str, shape: tuple[int, int], target: tuple[int, int]
) -> np.ndarray:
    """Reads a homography file: nine numbers, row by row.

    Args:
        text, name: of the file.
        shape, target: height and width of image 1 and of the image that it maps to.

    Returns:
        float64 (3, 3), scaled to w = 1 at the centre of image 1: any factor means the same mapping.

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
