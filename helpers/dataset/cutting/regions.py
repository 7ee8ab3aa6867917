"""Which regions of an image patches are cut from: found, given an angle, and thinned out."""

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from helpers.dataset.cutting.detection import detect
from helpers.dataset.cutting.extractor import frames
from helpers.dataset.cutting.sampling import sample

RADIUS_OF_SCALE = 5.0  # region radius in detected scales
OVERLAP = 0.5  # regions of larger intersection over union count as one
MOST_POINTS = 2000  # of a scene: no length known of HPatches' is larger, and many are close to it


def find_regions(
    images: list[np.ndarray],
    homographies: list[np.ndarray],
    rng: np.random.Generator,
    limit: int | None = None,
    sensitivity: float = 1.0,
) -> np.ndarray:
    """Finds the regions of image 1 that all images show, without near-duplicates.

    Args:
        images, homographies: see `extractor.cut`.
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
    """Index pairs (m, 2) of discs whose intersection over union exceeds OVERLAP.

    Each pair is there twice or once, and so is every disc with itself.
    """
    if not len(regions):
        return np.empty((0, 2), int)
    # Discs that overlap by half have centres nearer to each other than the larger one's radius.
    centres, radii = regions[:, :2], regions[:, 2]
    near = cKDTree(centres).query_ball_point(centres, radii)
    first = np.repeat(np.arange(len(regions)), [len(others) for others in near])
    second = np.concatenate(near).astype(int)
    distance = np.hypot(*(centres[first] - centres[second]).T)
    close = disc_overlap(radii[first], radii[second], distance) > OVERLAP
    return np.column_stack([first, second])[close]


def disc_overlap(radius1: np.ndarray, radius2: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Intersection over union of two discs, elementwise."""
    small, large = np.minimum(radius1, radius2), np.maximum(radius1, radius2)
    d = np.clip(distance, np.maximum(large - small, 1e-9), large + small)
    angle1 = 2 * np.arccos(np.clip((d**2 + small**2 - large**2) / (2 * d * small), -1, 1))
    angle2 = 2 * np.arccos(np.clip((d**2 + large**2 - small**2) / (2 * d * large), -1, 1))
    shared = small**2 * (angle1 - np.sin(angle1)) / 2 + large**2 * (angle2 - np.sin(angle2)) / 2
    return shared / (np.pi * (small**2 + large**2) - shared)
