"""From images and homographies to 65 px patches, the way HPatches was cut.

Balntas et al., "HPatches", CVPR 2017 (arXiv 1704.05939), sections 3-4; where the paper gives no
number, one that reproduces what is known of the published patches: detect points in image 1 only,
give each one orientation, keep one of each group of overlapping regions, jitter the region, map it
by the homography and sample it.

Coordinates are (x, y) in pixels with pixel centres at whole numbers. A *region* is one row
(x, y, radius, angle): the square that is sampled has a side of 2 * radius.
"""

from dataclasses import dataclass

import numpy as np

from helpers.benchmark.layout import LEVELS
from helpers.dataset.cutting.sampling import sample
from helpers.dataset.layout import SOURCE_SIDE


@dataclass(frozen=True)
class Jitter:
    """Half-widths of the uniform jitter of one level (recalled; checked by their mean overlap)."""

    rotation: float  # degrees
    shift: float  # radius of the disc, in region radii
    log2_scale: float
    log2_aspect: float


JITTER = {
    "easy": Jitter(10, 0.15, 0.15, 0.20),
    "hard": Jitter(20, 0.30, 0.30, 0.40),
    "tough": Jitter(30, 0.45, 0.50, 0.45),
}


def cut(
    images: list[np.ndarray],
    homographies: list[np.ndarray],
    regions: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Samples the 16 patches of every region: uint8 (points, 16, 65, 65), in the order of STRIPS.

    Args:
        images: six grey images, uint8; the first is the reference.
        homographies: five 3x3 matrices from image 1 to images 2..6, in pixels, scaled so that
            w > 0 at the centre of image 1.
        regions: float (points, 4), see `regions.find_regions`.
        rng: source of the jitter.
    """
    patches = np.empty((len(regions), 16, SOURCE_SIDE, SOURCE_SIDE), np.uint8)
    squares = frames(regions)
    patches[:, 0] = sample(images[0], squares, np.eye(3))
    for k, homography in enumerate(homographies, 1):
        jittered = [squares @ draw_jitter(JITTER[level], len(squares), rng) for level in LEVELS]
        sampled = sample(images[k], np.concatenate(jittered), homography)
        # rows: all easy ones, all hard ones, all tough ones; columns: e_k, h_k, t_k
        patches[:, [k, k + 5, k + 10]] = sampled.reshape(3, -1, *patches.shape[2:]).swapaxes(0, 1)
    return patches


def frames(regions: np.ndarray) -> np.ndarray:
    """Matrices (points, 3, 3) that take the square [-1, 1]^2 of the patch into image 1."""
    x, y, radius, angle = regions.T
    matrices = np.zeros((len(regions), 3, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = radius * np.cos(angle)
    matrices[:, 1, 0] = radius * np.sin(angle)
    matrices[:, 0, 1] = -matrices[:, 1, 0]
    matrices[:, 0, 2], matrices[:, 1, 2], matrices[:, 2, 2] = x, y, 1
    return matrices


def draw_jitter(jitter: Jitter, count: int, rng: np.random.Generator) -> np.ndarray:
    """Matrices (count, 3, 3) within the patch's own frame: R(theta) diag(s/sqrt a, s sqrt a), t."""
    theta = np.radians(rng.uniform(-jitter.rotation, jitter.rotation, count))
    scale = 2.0 ** rng.uniform(-jitter.log2_scale, jitter.log2_scale, count)
    root_aspect = 2.0 ** (rng.uniform(-jitter.log2_aspect, jitter.log2_aspect, count) / 2)
    distance = jitter.shift * np.sqrt(rng.uniform(0, 1, count))  # uniform over the disc
    direction = rng.uniform(0, 2 * np.pi, count)
    shift = distance * np.cos(direction), distance * np.sin(direction)
    matrices = frames(np.column_stack([*shift, scale, theta]))
    matrices[:, :2, 0] /= root_aspect[:, None]
    matrices[:, :2, 1] *= root_aspect[:, None]
    return matrices


def project(matrices: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Applies (..., 3, 3) matrices to (n, 2) points: (..., n, 2)."""
    mapped = points @ np.swapaxes(matrices[..., :2], -1, -2) + matrices[..., None, :, 2]
    return mapped[..., :2] / mapped[..., 2:]
