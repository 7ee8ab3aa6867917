"""Interest points of an image: difference of Gaussians, Hessian and Harris-Laplace.

The three detectors of HPatches, on one Gaussian scale space. HPatches' own settings are not
published. Those here start from VLFeat, a library by authors of HPatches that has all three (that
they used it is an inference), and give about the known numbers and sizes of patches on genuine
scenes: `tests/dataset/test_cutting.py` says how near they come.
"""

from itertools import product

import numpy as np
from scipy import ndimage

FIRST_SIGMA = 1.6  # Lowe (2004), as are three scales an octave and the edge ratio of 10
SCALES = 3
EDGE_RATIO = 10.0
# Least response of a point, for grey values from 0 to 1. Hessian and Harris are the defaults of
# VLFeat's covdet. Its 0.01 for DoG leaves v_soldiers a third of its 1,529 patches, and the 0 of its
# SIFT gives too many faint ones.
THRESHOLDS = {"dog": 0.004, "hessian": 0.003, "harris": 2e-6}


def detect(image: np.ndarray, sensitivity: float = 1.0) -> np.ndarray:
    """Difference-of-Gaussians, Hessian and Harris points of a grey uint8 image.

    `sensitivity` is a factor on THRESHOLDS. Returns x, y and scale in pixels, float64 (points, 3).
    """
    level = ndimage.gaussian_filter(np.float32(image) / 255, np.sqrt(FIRST_SIGMA**2 - 0.5**2))
    found, step = [np.empty((0, 3))], 1
    while min(level.shape) >= 16:
        octave = gaussian_octave(level)
        for detector in (dog_points, hessian_points, harris_points):
            found.append(detector(octave, sensitivity) * step)
        level, step = octave[SCALES][::2, ::2], 2 * step
    return np.concatenate(found)


def gaussian_octave(first: np.ndarray) -> np.ndarray:
    """(SCALES + 3, height, width): the image at scales FIRST_SIGMA * 2^(k / SCALES)."""
    levels = [first]
    for k in range(1, SCALES + 3):
        before, now = (FIRST_SIGMA * 2 ** (j / SCALES) for j in (k - 1, k))
        levels.append(ndimage.gaussian_filter(levels[-1], np.sqrt(now**2 - before**2)))
    return np.stack(levels)


def dog_points(octave: np.ndarray, sensitivity: float) -> np.ndarray:
    """Extrema of the difference of Gaussians that do not lie on an edge (Lowe, IJCV 2004)."""
    response = np.diff(octave, axis=0)
    points = peaks(np.abs(response), THRESHOLDS["dog"] * sensitivity)
    xx, yy, xy = second_derivatives(response)
    trace, determinant = (xx + yy)[points], (xx * yy - xy**2)[points]
    round_enough = trace**2 * EDGE_RATIO < determinant * (EDGE_RATIO + 1) ** 2
    return refine(np.abs(response), tuple(axis[round_enough] for axis in points))


def hessian_points(octave: np.ndarray, sensitivity: float) -> np.ndarray:
    """Maxima over space and scale of the scale-normalised determinant of the Hessian."""
    xx, yy, xy = second_derivatives(octave[:-1])
    response = (xx * yy - xy**2) * _sigmas(len(xx)) ** 4
    return refine(response, peaks(response, THRESHOLDS["hessian"] * sensitivity))


def harris_points(octave: np.ndarray, sensitivity: float) -> np.ndarray:
    """Harris corners at the scale where the Laplacian peaks (Mikolajczyk & Schmid, IJCV 2004)."""
    levels = octave[:-1]
    sigmas = _sigmas(len(levels)).ravel()
    response = np.zeros_like(levels)
    for scale in range(1, len(levels) - 1):
        response[scale] = corner_measure(levels[scale], sigmas[scale])
    xx, yy, _ = second_derivatives(levels)
    laplacian = np.abs(xx + yy) * _sigmas(len(levels)) ** 2
    points = peaks(response, THRESHOLDS["harris"] * sensitivity, across_scales=False)
    scale, y, x = points
    here = laplacian[points]
    best = (here > laplacian[scale - 1, y, x]) & (here > laplacian[scale + 1, y, x])
    return refine(response, tuple(axis[best] for axis in points), across_scales=False)


def corner_measure(level: np.ndarray, sigma: float) -> np.ndarray:
    """det M - 0.04 trace^2 M of the structure tensor, integrated over 1.4 sigma."""
    dy, dx = np.gradient(level)
    xx, yy, xy = (
        ndimage.gaussian_filter(product, 1.4 * sigma) * sigma**2
        for product in (dx * dx, dy * dy, dx * dy)
    )
    return xx * yy - xy**2 - 0.04 * (xx + yy) ** 2


def second_derivatives(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """xx, yy and xy by central differences, each the shape of `levels` (scales, height, width)."""
    padded = np.pad(levels, ((0, 0), (1, 1), (1, 1)), mode="edge")
    centre = 2 * levels
    xx = padded[:, 1:-1, 2:] + padded[:, 1:-1, :-2] - centre
    yy = padded[:, 2:, 1:-1] + padded[:, :-2, 1:-1] - centre
    xy = (padded[:, 2:, 2:] + padded[:, :-2, :-2] - padded[:, 2:, :-2] - padded[:, :-2, 2:]) / 4
    return xx, yy, xy


def peaks(response: np.ndarray, threshold: float, across_scales: bool = True) -> tuple:
    """Indices (scale, y, x) of local maxima above a threshold, off the border of the volume."""
    inner = response[1:-1, 1:-1, 1:-1]
    points = np.argwhere(inner > threshold) + 1
    for shift in product((-1, 0, 1) if across_scales else (0,), (-1, 0, 1), (-1, 0, 1)):
        here, there = response[tuple(points.T)], response[tuple((points + shift).T)]
        points = points[here >= there]  # most drop out early, which makes this quick
    return tuple(points.T)


def refine(response: np.ndarray, points: tuple, across_scales: bool = True) -> np.ndarray:
    """Moves peaks to the tops of parabolas along each axis: rows of (x, y, scale in pixels)."""
    scale, y, x = points
    offsets = []
    for axis in range(3):
        before, after = list(points), list(points)
        before[axis], after[axis] = points[axis] - 1, points[axis] + 1
        low, here, high = response[tuple(before)], response[points], response[tuple(after)]
        bend = np.minimum(low + high - 2 * here, -1e-12)
        offsets.append(np.clip((low - high) / (2 * bend), -0.5, 0.5))
    scale = scale + offsets[0] if across_scales else scale
    sigma = FIRST_SIGMA * 2.0 ** (scale / SCALES)
    return np.column_stack([x + offsets[2], y + offsets[1], sigma])


def _sigmas(count: int) -> np.ndarray:
    return (FIRST_SIGMA * 2.0 ** (np.arange(count) / SCALES))[:, None, None]
