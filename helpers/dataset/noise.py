"""The noise of N-HPatches: drawn at 65 px, clipped, then reduced to 32 px.

The recipe was recovered from published plots of genuine N-HPatches patches: Gaussian noise of
variance 0.01 (easy), 0.02 (hard) and 0.03 (tough, an extrapolation) on a [0, 1] scale is added to
the 65 px patch, which is clipped, rounded to bytes and resized with OpenCV's INTER_LINEAR. That
`ref` gets no noise is an inference.
"""

import cv2
import numba
import numpy as np
from scipy.special import ndtri

from helpers.benchmark.layout import IMAGES, LEVELS
from helpers.dataset.layout import PATCH_SIDE, SOURCE_SIDE

VARIANCE = (0.01, 0.02, 0.03)  # easy, hard, tough, on a [0, 1] scale
SIGMA = {level: 255 * variance**0.5 for level, variance in zip(LEVELS, VARIANCE, strict=True)}
STRIP_SIGMA = np.array([0.0, *np.repeat(list(SIGMA.values()), IMAGES)], np.float32)

# OpenCV computes positions as float32, which holds their 64ths exactly below row 2^18.
MOST_STACKED = 1024

# The normal distribution as 65,536 equally likely values (to 4.3 sigma): looking one up is several
# times faster than drawing it, which counts where noise is drawn anew at every training step.
_NORMAL = ndtri((np.arange(2**16) + 0.5) / 2**16).astype(np.float32)


def downsample(patches: np.ndarray) -> np.ndarray:
    """Reduces uint8 (..., 65, 65) to (..., 32, 32) by OpenCV's INTER_LINEAR: no anti-aliasing.

    Patches one below the other are resized as one image, which is faster than one by one: as 65
    rows become 32 exactly, no pixel is read across the seam of two patches.
    """
    stack = np.ascontiguousarray(patches).reshape(-1, SOURCE_SIDE, SOURCE_SIDE)
    reduced = np.empty((len(stack), PATCH_SIDE, PATCH_SIDE), np.uint8)
    for first in range(0, len(stack), MOST_STACKED):
        some = stack[first : first + MOST_STACKED]
        size = (PATCH_SIDE, len(some) * PATCH_SIDE)
        resized = cv2.resize(some.reshape(-1, SOURCE_SIDE), size, interpolation=cv2.INTER_LINEAR)
        reduced[first : first + len(some)] = resized.reshape(-1, PATCH_SIDE, PATCH_SIDE)
    return reduced.reshape(*patches.shape[:-2], PATCH_SIDE, PATCH_SIDE)


def noise_profile() -> np.ndarray:
    """Standard deviation of the noise at 32 px as a share of that at 65 px, float32 (32, 32).

    From about 0.50 in the corners to 0.98 in the centre, 0.67 on average. Neighbouring target
    pixels share no source pixel, so the noise stays independent from pixel to pixel. Two source
    pixels weighted f and 1 - f leave sqrt(f^2 + (1 - f)^2) of it on each axis. Clipping at black
    and white lowers it further.
    """
    share = ((np.arange(PATCH_SIDE) + 0.5) * SOURCE_SIDE / PATCH_SIDE - 0.5) % 1
    axis = np.hypot(share, 1 - share)
    return np.outer(axis, axis).astype(np.float32)


def add_noise(
    patches: np.ndarray, sigma: np.ndarray | float, rng: np.random.Generator
) -> np.ndarray:
    """Adds Gaussian noise to uint8 (..., height, width), clips and rounds.

    `sigma` is its standard deviation in grey levels, one a patch: shape (..., 1, 1), or for all.
    """
    flat = np.ascontiguousarray(patches).reshape(-1, *patches.shape[-2:])
    sigmas = np.broadcast_to(np.asarray(sigma, np.float32), patches.shape)[..., 0, 0].ravel()
    draws = rng.integers(0, len(_NORMAL), flat.shape, dtype=np.uint16, endpoint=False)
    return _add_noise(flat, sigmas, draws).reshape(patches.shape)


@numba.njit(nogil=True, cache=True)
def _add_noise(patches: np.ndarray, sigmas: np.ndarray, draws: np.ndarray) -> np.ndarray:
    noisy = np.empty_like(patches)
    for n in range(len(patches)):
        for i in range(patches.shape[1]):
            for j in range(patches.shape[2]):
                value = patches[n, i, j] + sigmas[n] * _NORMAL[draws[n, i, j]]
                noisy[n, i, j] = np.uint8(min(max(value, 0.0), 255.0) + 0.5)
    return noisy


def noisy_twin(clean65: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The noisy 32 px twins of whole points, uint8 (points, 16, 65, 65) in the order of STRIPS.

    `ref` stays clean.
    """
    noisy = np.empty((*clean65.shape[:2], PATCH_SIDE, PATCH_SIDE), np.uint8)
    for first in range(0, len(clean65), 64):  # few at a time, to need little memory
        some = slice(first, first + 64)
        noisy[some] = downsample(add_noise(clean65[some], STRIP_SIGMA[:, None, None], rng))
    return noisy
