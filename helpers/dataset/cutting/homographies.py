"""Random homographies with the spread of the genuine viewpoint changes of HPatches.

Fitted to the 295 homographies of the 59 `v_` sequences of HPatches (Balntas et al., CVPR 2017).
Image coordinates are first centred and divided by half the square root of the image's area, so that
a square image covers [-1, 1]^2. There a homography is

    H = [[J + t p', t], [p', 1]],   J = 2^log2_scale R(rotation) 2^(stretch / 2)

with shift t, tilt p and the symmetric stretch = [[x, xy], [xy, -x]]. The 295 were mirrored left to
right where tilt_x < 0, the quantiles of each number were read off at PROBABILITIES (the extremes
are those of single scenes), and the rank correlations turned into those of a Gaussian copula.

Assumed: as many tilts to the left as to the right, otherwise alike; a Gaussian copula; target
images of the size of image 1; the five homographies of a scene independent of each other.
"""

import numpy as np
from scipy.special import ndtr

from helpers.dataset.cutting.extractor import project

PROBABILITIES = (0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1)
QUANTILES = {  # rotation in degrees; tilt_x is the mirrored one; the rest in units of the module
    "log2_scale": (-2.28, -1.74, -1.30, -1.02, -0.642, -0.341, -0.129, 0.062, 0.208, 0.446, 0.487),
    "rotation": (-150, -70.7, -15.9, -5.88, -1.26, 0.21, 1.52, 3.75, 4.32, 41.0, 149),
    "stretch_x": (-2.60, -1.67, -1.34, -1.09, -0.723, -0.379, -0.092, 0, 0.071, 0.419, 0.827),
    "stretch_xy": (-1.32, -0.89, -0.477, -0.271, -0.074, -0.002, 0.068, 0.187, 0.36, 0.836, 1.05),
    "shift_x": (-0.613, -0.499, -0.181, -0.038, 0.079, 0.238, 0.411, 0.584, 0.682, 0.819, 1.08),
    "shift_y": (-0.582, -0.463, -0.29, -0.195, -0.114, -0.033, 0.032, 0.095, 0.137, 0.277, 0.415),
    "tilt_x": (0, 0, 0.002, 0.009, 0.127, 0.229, 0.346, 0.447, 0.501, 0.613, 0.844),
    "tilt_y": (-0.385, -0.242, -0.041, -0.024, -0.009, 0.003, 0.022, 0.049, 0.11, 0.321, 0.48),
}
CORRELATIONS = np.array(  # of the Gaussian copula, in the order of QUANTILES
    [
        [1.00, -0.12, 0.28, -0.24, 0.10, 0.25, 0.17, 0.06],
        [-0.12, 1.00, -0.13, 0.28, 0.12, -0.21, 0.04, 0.02],
        [0.28, -0.13, 1.00, 0.02, -0.42, 0.04, -0.68, -0.23],
        [-0.24, 0.28, 0.02, 1.00, 0.06, -0.07, -0.29, -0.40],
        [0.10, 0.12, -0.42, 0.06, 1.00, 0.09, 0.50, -0.03],
        [0.25, -0.21, 0.04, -0.07, 0.09, 1.00, -0.07, -0.17],
        [0.17, 0.04, -0.68, -0.29, 0.50, -0.07, 1.00, 0.27],
        [0.06, 0.02, -0.23, -0.40, -0.03, -0.17, 0.27, 1.00],
    ]
)
_CHOLESKY = np.linalg.cholesky(CORRELATIONS)
LEAST_OVERLAP = 0.4  # share of image 1 that image k must show; 99 % of the genuine ones do


def sample_homography(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draws one homography from image 1 to another image of the same `shape`, height and width.

    It is for pixel coordinates (x, y, 1), with w = 1 at the centre of image 1.
    """
    while True:
        normalised = draw_normalised(rng)
        to_unit = unit_coordinates(shape)
        homography = np.linalg.inv(to_unit) @ normalised @ to_unit
        if visible_share(homography, shape, shape) >= LEAST_OVERLAP:
            return homography


def draw_normalised(rng: np.random.Generator) -> np.ndarray:
    """Draws a homography in the coordinates of the module's docstring."""
    ranks = ndtr(_CHOLESKY @ rng.standard_normal(len(QUANTILES)))
    drawn = {
        name: np.interp(rank, PROBABILITIES, values)
        for rank, (name, values) in zip(ranks, QUANTILES.items(), strict=True)
    }
    side = rng.choice([-1, 1])  # tilted to the left or to the right
    angle = np.radians(side * drawn["rotation"])
    x, xy = drawn["stretch_x"], side * drawn["stretch_xy"]
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    strength = np.log(2) / 2 * np.hypot(x, xy)  # of the matrix exponential of the stretch
    axes = np.array([[x, xy], [xy, -x]]) / np.hypot(x, xy)
    stretch = np.cosh(strength) * np.eye(2) + np.sinh(strength) * axes
    shift = np.array([side * drawn["shift_x"], drawn["shift_y"]])
    tilt = np.array([side * drawn["tilt_x"], drawn["tilt_y"]])
    linear = 2 ** drawn["log2_scale"] * rotation @ stretch + np.outer(shift, tilt)
    return np.block([[linear, shift[:, None]], [tilt, 1]])


def unit_coordinates(shape: tuple[int, int]) -> np.ndarray:
    """Matrix from pixels to the centred coordinates of the module's docstring."""
    height, width = shape
    unit = np.sqrt(height * width) / 2
    return np.array([[1, 0, (1 - width) / 2], [0, 1, (1 - height) / 2], [0, 0, unit]]) / unit


def visible_share(homography: np.ndarray, shape: tuple[int, int], target: tuple[int, int]) -> float:
    """Share of image 1 that another image shows, from 30 x 30 points of it.

    `shape` and `target` are height and width of image 1 and of the other; the homography leads
    from one to the other, with w > 0 at the centre of image 1.
    """
    x, y = (np.linspace(0, length - 1, 30) for length in shape[::-1])
    points = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    in_front = points @ homography[2, :2] + homography[2, 2] > 0.05  # of w = 1 at the centre
    mapped = project(homography, points[in_front])
    limit = np.array(target[::-1]) - 1
    return float(((mapped >= 0) & (mapped <= limit)).all(-1).sum() / len(points))
