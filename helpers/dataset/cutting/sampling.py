"""Reading an image through many matrices at once, anti-aliased where it is made smaller."""

import numba
import numpy as np
from scipy import ndimage

from helpers.dataset.layout import SOURCE_SIDE


def sample(
    image: np.ndarray, matrices: np.ndarray, homography: np.ndarray, side: int = SOURCE_SIDE
) -> np.ndarray:
    """Square patches, uint8 (points, side, side), read bilinearly and with anti-aliasing.

    Args:
        image: grey uint8; beyond it, its edge is repeated.
        matrices: (points, 3, 3), from [-1, 1]^2 into image 1.
        homography: from image 1 to this image; followed fully, not only to first order.
    """
    axis = (np.arange(side) + 0.5) * 2 / side - 1
    matrices = homography @ matrices
    # Sampling steps of 1, sqrt 2, 2, 2 sqrt 2, ... pixels each have a blurred copy of the image. It
    # is taken to be blurred by half a pixel already; a step of s asks for s / 2.
    levels = np.maximum(np.rint(2 * np.log2(sampling_steps(matrices, side))), 0)
    patches = np.empty((len(matrices), side, side), np.uint8)
    for level in np.unique(levels):
        rows = levels == level
        step = 2 ** (level / 2)
        blurred = ndimage.gaussian_filter(np.float32(image), 0.5 * np.sqrt(step**2 - 1))
        patches[rows] = bilinear(blurred, matrices[rows], axis, axis)
    return patches


@numba.njit(nogil=True, cache=True)
def bilinear(image: np.ndarray, matrices: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Reads an image at matrix * (x, y, 1) for every matrix and grid point, bilinearly.

    From a float32 image (height, width), whose edge is repeated beyond it, float64 matrices
    (n, 3, 3), columns x and rows y of the grid to rounded uint8 (n, rows, columns).
    """
    bottom, right = image.shape[0] - 1, image.shape[1] - 1
    values = np.empty((len(matrices), len(y), len(x)), np.uint8)
    for n in range(len(matrices)):
        m = matrices[n]
        for i in range(len(y)):
            for j in range(len(x)):
                w = m[2, 0] * x[j] + m[2, 1] * y[i] + m[2, 2]
                u = min(max((m[0, 0] * x[j] + m[0, 1] * y[i] + m[0, 2]) / w, 0.0), right)
                v = min(max((m[1, 0] * x[j] + m[1, 1] * y[i] + m[1, 2]) / w, 0.0), bottom)
                left, top = int(u), int(v)
                du, dv = u - left, v - top
                next_column, next_row = min(left + 1, right), min(top + 1, bottom)
                above = image[top, left] * (1 - du) + image[top, next_column] * du
                below = image[next_row, left] * (1 - du) + image[next_row, next_column] * du
                values[n, i, j] = np.uint8(above * (1 - dv) + below * dv + 0.5)
    return values


def sampling_steps(matrices: np.ndarray, side: int) -> np.ndarray:
    """Distance in image pixels between neighbouring patch pixels, at the centre of each patch."""
    w = matrices[:, 2, 2]
    linear = matrices[:, :2, :2] / w[:, None, None]
    linear = linear - matrices[:, :2, 2:] * matrices[:, None, 2, :2] / w[:, None, None] ** 2
    return np.sqrt(np.abs(np.linalg.det(linear))) * 2 / side
