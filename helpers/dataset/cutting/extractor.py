"""From images and homographies to 65 px patches, the way HPatches was cut.

Balntas et al., "HPatches", CVPR 2017 (arXiv 1704.05939), sections 3-4; where the paper gives no
number, one that reproduces what is known of the published patches: detect points in image 1 only,
give each one orientation, keep one of each group of overlapping regions, jitter the region, map it
by the homography and sample it.

Coordinates are (x, y) in pixels with pixel centres at whole numbers. A *region* is one row
(x, y, radius, angle): the square that is sampled has a side of 2 * radius.
"""

from dataclasses import asdict, dataclass

import numba
import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from helpers.benchmark.layout import LEVELS
from helpers.dataset.cutting.detection import THRESHOLDS, detect
from helpers.dataset.layout import SOURCE_SIDE

RADIUS_OF_SCALE = 5.0  # region radius in detected scales
OVERLAP = 0.5  # regions of larger intersection over union count as one
MOST_POINTS = 2000  # of a scene: no length known of HPatches' is larger, and many are close to it


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
RECIPE = {  # what decides which patches come out, for the fingerprint of a store
    "thresholds": THRESHOLDS,
    "radius_of_scale": RADIUS_OF_SCALE,
    "overlap": OVERLAP,
    "most_points": MOST_POINTS,
    "jitter": {level: asdict(jitter) for level, jitter in JITTER.items()},
}


def cut(
    images: list[np.ndarray],
    homographies: list[np.ndarray],
    regions: np.ndarray,
    rng: np.random.Generator,
    side: int = SOURCE_SIDE,
) -> np.ndarray:
    """Samples the 16 patches of every region.

    Args:
        images: six grey images, uint8; the first is the reference.
        homographies: five 3x3 matrices from image 1 to images 2..6, in pixels, scaled so that
            w > 0 at the centre of image 1.
        regions: float (points, 4), see `find_regions`.
        rng: source of the jitter.
        side: patch side in pixels.

    Returns:
        uint8 (points, 16, side, side), strips in the order of layout.STRIPS.
    """
    patches = np.empty((len(regions), 16, side, side), np.uint8)
    squares = frames(regions)
    patches[:, 0] = sample(images[0], squares, np.eye(3), side)
    for k, homography in enumerate(homographies, 1):
        jittered = [squares @ draw_jitter(JITTER[level], len(squares), rng) for level in LEVELS]
        sampled = sample(images[k], np.concatenate(jittered), homography, side)
        # rows: all easy ones, all hard ones, all tough ones; columns: e_k, h_k, t_k
        patches[:, [k, k + 5, k + 10]] = sampled.reshape(3, -1, side, side).swapaxes(0, 1)
    return patches


def find_regions(
    images: list[np.ndarray],
    homographies: list[np.ndarray],
    rng: np.random.Generator,
    limit: int | None = None,
    sensitivity: float = 1.0,
) -> np.ndarray:
    """Finds the regions of image 1 that all images show, without near-duplicates.

    Args:
        images: six grey images, uint8.
        homographies: five 3x3 matrices from image 1 to images 2..6.
        rng: decides which region of an overlapping group stays, and which stay under `limit`.
        limit: largest number of regions; MOST_POINTS where None.
        sensitivity: factor on the detection thresholds; below 1 for more points.

    Returns:
        float64 (points, 4): x, y, radius (pixels), angle (radians), in random order.
    """
    points = detect(images[0], sensitivity)
    regions = np.column_stack([points[:, :2], RADIUS_OF_SCALE * points[:, 2], 0 * points[:, 2]])
    regions[:, 3] = dominant_angles(images[0], regions)
    for image, homography in zip(images, [np.eye(3), *homographies], strict=True):
        regions = regions[inside(frames(regions), homography, image.shape)]
    return thin_out(regions, rng)[: MOST_POINTS if limit is None else limit]


# Regions as matrices ------------------------------------------------------------------------------


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
    matrices = np.zeros((count, 3, 3))
    matrices[:, 0, 0] = np.cos(theta) * scale / root_aspect
    matrices[:, 1, 0] = np.sin(theta) * scale / root_aspect
    matrices[:, 0, 1] = -np.sin(theta) * scale * root_aspect
    matrices[:, 1, 1] = np.cos(theta) * scale * root_aspect
    matrices[:, 0, 2] = distance * np.cos(direction)
    matrices[:, 1, 2] = distance * np.sin(direction)
    matrices[:, 2, 2] = 1
    return matrices


def project(matrices: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Applies (..., 3, 3) matrices to (n, 2) points: (..., n, 2)."""
    mapped = points @ np.swapaxes(matrices[..., :2], -1, -2) + matrices[..., None, :, 2]
    return mapped[..., :2] / mapped[..., 2:]


def inside(matrices: np.ndarray, homography: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Whether the whole squares, mapped by the homography, lie in an image of `shape`."""
    square = np.array([[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]])
    corners = np.einsum("nij,kj->nki", homography @ matrices, square)
    in_front = (corners[..., 2] > 0).all(-1)  # as H is scaled to w > 0 at image 1's centre
    with np.errstate(divide="ignore", invalid="ignore"):
        corners = corners[..., :2] / corners[..., 2:]
    limit = np.array(shape[::-1]) - 1
    return in_front & ((corners >= 0) & (corners <= limit)).all((-1, -2))


def thin_out(regions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keeps a random one of each cluster of regions, in random order.

    Discs that overlap by more than OVERLAP belong to one cluster, and so do those that a chain of
    such overlaps joins. A crowded place thus gives few regions, which is what brings the numbers
    of busy and of plain scenes close to those of HPatches.
    """
    regions = regions[rng.permutation(len(regions))]
    first, second = overlapping_pairs(regions).T
    links = coo_array((np.ones(len(first)), (first, second)), shape=2 * regions.shape[:1])
    _, clusters = connected_components(links, directed=False)
    _, kept = np.unique(clusters, return_index=True)
    return regions[rng.permutation(kept)]


def overlapping_pairs(regions: np.ndarray) -> np.ndarray:
    """Index pairs (m, 2) of discs whose intersection over union exceeds OVERLAP."""
    pairs = []
    order = np.argsort(regions[:, 2])
    radii = regions[order, 2]
    # Discs this different in size cannot overlap enough, so the search goes by bands of size.
    edges = np.arange(0, np.log2(radii.max() / radii.min()) + 1) if len(radii) else []
    for edge in edges:
        low, high = radii[0] * 2.0**edge, radii[0] * 2.0 ** (edge + 2)
        band = order[(radii >= low) & (radii < high)]
        if len(band) > 1:
            found = cKDTree(regions[band, :2]).query_pairs(high / 2, output_type="ndarray")
            pairs.append(band[found])
    pairs = np.unique(np.sort(np.concatenate(pairs), 1), axis=0) if pairs else np.empty((0, 2), int)
    first, second = regions[pairs[:, 0]], regions[pairs[:, 1]]
    distance = np.hypot(*(first[:, :2] - second[:, :2]).T)
    return pairs[disc_overlap(first[:, 2], second[:, 2], distance) > OVERLAP]


def disc_overlap(radius1: np.ndarray, radius2: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Intersection over union of two discs, elementwise."""
    small, large = np.minimum(radius1, radius2), np.maximum(radius1, radius2)
    d = np.clip(distance, np.maximum(large - small, 1e-9), large + small)
    angle1 = 2 * np.arccos(np.clip((d**2 + small**2 - large**2) / (2 * d * small), -1, 1))
    angle2 = 2 * np.arccos(np.clip((d**2 + large**2 - small**2) / (2 * d * large), -1, 1))
    shared = small**2 * (angle1 - np.sin(angle1)) / 2 + large**2 * (angle2 - np.sin(angle2)) / 2
    return shared / (np.pi * (small**2 + large**2) - shared)


def dominant_angles(image: np.ndarray, regions: np.ndarray, side: int = 24) -> np.ndarray:
    """Direction of the strongest gradients of each region, in radians (Lowe, IJCV 2004).

    A histogram of 36 directions, weighted by gradient length and a Gaussian of 1.5 detected scales,
    smoothed; the top bin is refined by a parabola.
    """
    grid = np.stack(np.meshgrid(*[(np.arange(side) + 0.5) * 2 / side - 1] * 2), -1)
    patches = sample(image, frames(regions), np.eye(3), side).astype(np.float32)
    patches = ndimage.gaussian_filter(patches, (0, 1.5, 1.5))
    dy, dx = np.gradient(patches, axis=(1, 2))
    spread = 1.5 / RADIUS_OF_SCALE  # in region radii
    weights = np.hypot(dx, dy) * np.exp(-(grid**2).sum(-1) / (2 * spread**2))
    bins = np.floor(np.arctan2(dy, dx) / (2 * np.pi) * 36).astype(int) % 36
    flat = (np.arange(len(regions))[:, None, None] * 36 + bins).ravel()
    histogram = np.bincount(flat, weights.ravel(), 36 * len(regions)).reshape(-1, 36)
    histogram = ndimage.gaussian_filter1d(histogram, 1.0, axis=1, mode="wrap")
    top = histogram.argmax(1)
    low, here, high = (histogram[np.arange(len(top)), (top + k) % 36] for k in (-1, 0, 1))
    offset = (low - high) / (2 * np.minimum(low + high - 2 * here, -1e-9))
    return (top + 0.5 + np.clip(offset, -0.5, 0.5)) * 2 * np.pi / 36


# Sampling -----------------------------------------------------------------------------------------


def sample(
    image: np.ndarray, matrices: np.ndarray, homography: np.ndarray, side: int = SOURCE_SIDE
) -> np.ndarray:
    """Samples square patches through a homography, bilinearly and with anti-aliasing.

    Args:
        image: the target image, grey uint8.
        matrices: (points, 3, 3), from [-1, 1]^2 into image 1.
        homography: from image 1 to the target image; followed fully, not only to first order.
        side: patch side in pixels.

    Returns:
        uint8 (points, side, side); beyond the image its edge is repeated.
    """
    axis = (np.arange(side) + 0.5) * 2 / side - 1
    matrices = homography @ matrices
    # Sampling steps of 1, sqrt 2, 2, 2 sqrt 2, ... pixels each have a blurred copy of the image.
    levels = np.maximum(np.rint(2 * np.log2(sampling_steps(matrices, side))), 0)
    patches = np.empty((len(matrices), side, side), np.uint8)
    for level in np.unique(levels):
        rows = levels == level
        patches[rows] = bilinear(blur_for(2 ** (level / 2), image), matrices[rows], axis, axis)
    return patches


def blur_for(step: float, image: np.ndarray) -> np.ndarray:
    """Blurs an image, float32, so that it can be read every `step` >= 1 pixels.

    An image is taken to be blurred by half a pixel already; a step of s asks for s / 2.
    """
    return ndimage.gaussian_filter(np.float32(image), 0.5 * np.sqrt(step**2 - 1))


@numba.njit(nogil=True, cache=True)
def bilinear(image: np.ndarray, matrices: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Reads an image at matrix * (x, y, 1) for every matrix and grid point, bilinearly.

    Args:
        image: float32 (height, width); beyond it, its edge is repeated.
        matrices: float64 (n, 3, 3).
        x, y: float64, columns and rows of the grid.

    Returns:
        uint8 (n, rows, columns), rounded.
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
