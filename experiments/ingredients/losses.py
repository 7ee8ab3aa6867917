"""Losses that were compared with those in `helpers.training.losses`, whose terms they share."""

import numpy as np
from keras import ops

from helpers.training.losses import (
    LOSSES,
    NO_NEGATIVE,
    TINY,
    charbonnier,
    mean_over_pairs,
    negative_distances,
    pairwise_distance,
    same_point,
    zero_if_none,
)


def charbonnier_dssim(clean, denoised, share: float = 0.2):
    """(1 - share) * charbonnier + share * 255 * dssim (Zhao et al., arXiv 1511.08861)."""
    return (1 - share) * charbonnier(clean, denoised) + share * (255 * dssim(clean, denoised))


def dssim(clean, denoised):
    """(1 - SSIM) / 2 of grey levels, a value a patch; windows of 11 x 11 inside it, sigma 1.5.

    Reference: Wang et al., Image quality assessment, IEEE TIP 2004, with its constants.
    """
    # Variances are differences of large squares: without the mean those are small enough for the
    # short mantissas that GPUs multiply with.
    clean, denoised = ops.convert_to_tensor(clean), ops.convert_to_tensor(denoised)
    centre = ops.mean(clean, axis=(1, 2), keepdims=True)
    x, y = (ops.squeeze(patches - centre, axis=-1) for patches in (clean, denoised))
    mean_x, mean_y, xx, yy, xy = (_window_means(some) for some in (x, y, x * x, y * y, x * y))
    light_x, light_y = mean_x + centre[..., 0], mean_y + centre[..., 0]
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    light = (2 * light_x * light_y + c1) / (light_x**2 + light_y**2 + c1)
    variances = xx - mean_x**2 + (yy - mean_y**2)
    structure = (2 * (xy - mean_x * mean_y) + c2) / (variances + c2)
    return ops.mean((1 - light * structure) / 2, axis=(1, 2))


def _window_means(patches):
    """Gaussian means of (B, 32, 32) patches over all windows inside: (B, 22, 22)."""
    weights = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    rows = [np.pad(weights / weights.sum(), (first, 21 - first)) for first in range(22)]
    rows = ops.convert_to_tensor(np.stack(rows), "float32")
    return ops.matmul(ops.matmul(rows, patches), ops.transpose(rows))


def next_in_batch(point, views, margin: float = 1.0, views_per_level: int = 1, level_weights=None):
    """As `hardest_in_batch`, but the negative is the next point, in effect a random one."""

    def of_pair(u, v):
        distance = pairwise_distance(u, v)
        negative = ops.diagonal(ops.roll(distance, 1, axis=1))
        other = ops.not_equal(point, ops.roll(point, 1))
        hinge = ops.maximum(margin + ops.diagonal(distance) - negative, 0.0)
        return ops.mean(ops.where(other, hinge, 0.0))

    return mean_over_pairs(of_pair, views, views_per_level, level_weights)


def second_order(point, views, neighbours: int = 8, views_per_level: int = 1, level_weights=None):
    """SOSNet's loss: squared hinge, and near points keep their distances from view to view.

    To the hinge comes the mean over i of sqrt(sum over j of (d(u_i, u_j) - d(v_i, v_j))^2), j being
    among the `neighbours` nearest of i in one view or the other (Tian et al., arXiv 1904.05019).
    """

    def of_pair(u, v):
        positive, negative = _positive_and_hardest(point, u, v)
        hinge = ops.mean(ops.square(ops.maximum(1 + positive - negative, 0.0)))
        near = ops.logical_or(_nearest(point, u, neighbours), _nearest(point, v, neighbours))
        change = ops.square(pairwise_distance(u, u) - pairwise_distance(v, v))
        return hinge + ops.mean(ops.sqrt(ops.sum(ops.where(near, change, 0.0), axis=1) + TINY))

    return mean_over_pairs(of_pair, views, views_per_level, level_weights)


def _nearest(point, u, count: int):
    """Which descriptors are among the `count` nearest of each, (B, B) booleans."""
    distance = negative_distances(point, u, u)
    farthest = ops.sort(distance, axis=1)[:, :count][:, -1:]  # a batch may hold fewer than count
    return ops.logical_and(distance <= farthest, distance < NO_NEGATIVE)


def hybrid(point, vectors, margin: float = 1.2, views_per_level: int = 1, level_weights=None):
    """HyNet's loss of raw vectors (see `ingredients.assemblies`): the hinge of s = d + 2 (1 - u.v).

    u, v are the vectors at unit length. To the hinge comes 0.1 * mean (|r| - |q|)^2, so that
    lengths are alike in both views (Tian et al., arXiv 2006.10202).
    """

    def similarity(distance):
        return distance + ops.square(distance)  # 1 - u.v = d^2 / 2

    def length(raw):
        return ops.sqrt(ops.sum(ops.square(raw), axis=-1, keepdims=True) + TINY)

    def of_pair(r, q):
        positive, negative = _positive_and_hardest(point, r / length(r), q / length(q))
        hinge = ops.maximum(margin + similarity(positive) - similarity(negative), 0.0)
        return ops.mean(hinge) + 0.1 * ops.mean(ops.square(length(r) - length(q)))

    return mean_over_pairs(of_pair, vectors, views_per_level, level_weights)


def _positive_and_hardest(point, u, v):
    """Distances (B,) of each row's positive, and of its hardest negative in both views."""
    between, *within = (negative_distances(point, a, b) for a, b in ((u, v), (u, u), (v, v)))
    nearest = [ops.min(distance, axis=1) for distance in (between, *within)]
    hardest = ops.min(ops.stack([ops.min(between, axis=0), *nearest]), axis=0)
    return ops.diagonal(pairwise_distance(u, v)), zero_if_none(hardest)


def info_nce(point, views, temperature: float = 0.07, views_per_level=1, level_weights=None):
    """Cross-entropy of finding each point's other view among the batch, in both directions.

    References: van den Oord et al., arXiv 1807.03748; Radford et al., CLIP, ICML 2021.
    """

    def of_pair(u, v):
        logits = ops.matmul(u, ops.transpose(v)) / temperature
        # The point's other rows count neither as found nor as missed.
        others = ops.where(same_point(point), -1e9, logits)
        found = ops.where(ops.eye(ops.shape(point)[0], dtype="bool"), logits, others)
        columns, rows = (ops.logsumexp(found, axis=axis) for axis in (0, 1))
        return ops.mean((columns + rows) / 2 - ops.diagonal(logits))

    return mean_over_pairs(of_pair, views, views_per_level, level_weights)


ADDED = (charbonnier_dssim, next_in_batch, second_order, hybrid, info_nce)
LOSSES |= {loss.__name__: loss for loss in ADDED}
