"""Losses as pure functions in named steps, called with (y_true, y_pred) as Keras calls them.

Denoising losses give one value a patch, (B,); Keras takes the mean, weighted if the batches come
with a weight for each patch (a third array), for example one that depends on its level of noise.

Descriptor losses give one value. They take `views` of shape (B, K, D): K views of each of B points,
and `point` of shape (B,): the number of the point, so that one point drawn twice is never its own
negative. What those that mine negatives have in common:

* `views_per_level`: the first view is `ref`; then come so many of each level. Pairs are formed as
  the benchmark draws them: `ref` with each view, and the views of one level with each other.
* `level_weights`: the weight of each level, in the order of the views; None: all alike.

Further arguments are set with `functools.partial`.
"""

import itertools

import numpy as np
from keras import ops

from helpers.common.errors import InputError

TINY = 1e-6  # keeps the gradient of a square root finite at zero (HardNet's own constant)
NEAR_DUPLICATE = 0.008  # HardNet: two points this close are the same structure seen twice
NO_NEGATIVE = 10.0  # farther than unit vectors can be


def mean_absolute_error(clean, denoised):
    """Mean |clean - denoised| in grey levels. Both (B, 32, 32, 1); one value a patch."""
    return ops.mean(ops.abs(clean - denoised), axis=(1, 2, 3))


def charbonnier(clean, denoised, epsilon: float = 1.0):
    """Mean sqrt(error^2 + epsilon^2): absolute error, smooth below `epsilon` grey levels.

    Reference: Charbonnier et al., ICIP 1994; used for image restoration by Lai et al., CVPR 2017.
    """
    return ops.mean(ops.sqrt(ops.square(clean - denoised) + epsilon**2), axis=(1, 2, 3))


def dssim(clean, denoised):
    """Structural dissimilarity (1 - SSIM) / 2 of grey levels 0..255, 0 for equal patches.

    SSIM compares means, variances and the covariance under a Gaussian window of 11 x 11 pixels,
    sigma 1.5; the mean is over the windows that lie inside the patch.

    Reference: Wang et al., Image quality assessment, IEEE TIP 2004, with its constants.
    """
    # Variances are differences of large squares: without the mean those are small enough for the
    # short mantissas that GPUs multiply with.
    clean, denoised = ops.convert_to_tensor(clean), ops.convert_to_tensor(denoised)
    centre = ops.mean(clean, axis=(1, 2), keepdims=True)
    x, y = (ops.squeeze(patches - centre, axis=-1) for patches in (clean, denoised))
    mean_x, mean_y = _window_means(x), _window_means(y)
    var_x = _window_means(x * x) - mean_x**2
    var_y = _window_means(y * y) - mean_y**2
    covariance = _window_means(x * y) - mean_x * mean_y
    light_x, light_y = mean_x + centre[..., 0], mean_y + centre[..., 0]
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    light = (2 * light_x * light_y + c1) / (light_x**2 + light_y**2 + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return ops.mean((1 - light * structure) / 2, axis=(1, 2))


def charbonnier_dssim(clean, denoised, share: float = 0.2, epsilon: float = 1.0):
    """(1 - share) * charbonnier + share * 255 * dssim, in grey levels.

    Reference: Zhao et al., Loss functions for image restoration, IEEE TCI 2017 (arXiv 1511.08861),
    for mixing the two so that both count.
    """
    smooth, structural = charbonnier(clean, denoised, epsilon), 255 * dssim(clean, denoised)
    return (1 - share) * smooth + share * structural


def _window_means(patches):
    """Gaussian means of (B, 32, 32) patches over all windows inside: (B, 22, 22)."""
    rows = ops.convert_to_tensor(_window_rows(patches.shape[1]))
    return ops.matmul(ops.matmul(rows, patches), ops.transpose(rows))


def _window_rows(side: int, window: int = 11, sigma: float = 1.5) -> np.ndarray:
    """The Gaussian window at each place along one axis, as rows of a matrix."""
    weights = np.exp(-((np.arange(window) - window // 2) ** 2) / (2 * sigma**2))
    rows = np.zeros((side - window + 1, side), np.float32)
    for first, row in enumerate(rows):
        row[first : first + window] = weights / weights.sum()
    return rows


def triplet(point, views, margin: float = 1.0):
    """max(0, mean((a-p)^2) - mean((a-n)^2) + margin), the coursework's triplet loss.

    Args:
        point: not used; here so that all descriptor losses are called alike.
        views: (B, 3, D): anchor, positive, negative.

    Reference: Balntas et al., TFeat, BMVC 2016; squared distances are means over D as in the
    coursework's baseline.
    """
    anchor, positive, negative = views[:, 0], views[:, 1], views[:, 2]
    near = ops.mean(ops.square(anchor - positive), axis=-1)
    far = ops.mean(ops.square(anchor - negative), axis=-1)
    return ops.mean(ops.maximum(near - far + margin, 0.0))


def hardest_in_batch(
    point, views, margin: float = 1.0, within: bool = False, views_per_level=1, level_weights=None
):
    """Triplet margin loss whose negative is the hardest of the batch.

    For unit descriptors u, v the distance is d = sqrt(2 - 2 u.v + 1e-6). For each pair of views the
    distances between the points of the batch form a matrix D with the positives on its diagonal;
    the loss is max(0, margin + D_ii - min(hardest in row i, hardest in column i)).

    Args:
        point: (B,) number of the point of each row; equal numbers are no negatives.
        views: (B, K, D) unit descriptors, K >= 2.
        within: look for negatives also among the same views of the other points, as SOSNet does.
        views_per_level, level_weights: see the top of this file.

    Reference: Mishchuk et al., HardNet, NIPS 2017, equations 1-2.
    """

    def of_pair(u, v):
        positive, negative = _positive_and_hardest(point, u, v, within)
        return ops.mean(ops.maximum(margin + positive - negative, 0.0))

    return _mean_over_pairs(of_pair, views, views_per_level, level_weights)


def next_in_batch(point, views, margin: float = 1.0, views_per_level: int = 1, level_weights=None):
    """Triplet margin loss whose negative is the next point of the batch, in effect a random one.

    All else is as in `hardest_in_batch`, to show what looking for the hardest negative brings.

    Args:
        point, views, views_per_level, level_weights: as in `hardest_in_batch`.
    """

    def of_pair(u, v):
        distance = pairwise_distance(u, v)
        negative = ops.diagonal(ops.roll(distance, 1, axis=1))
        other = ops.not_equal(point, ops.roll(point, 1))
        hinge = ops.maximum(margin + ops.diagonal(distance) - negative, 0.0)
        return ops.mean(ops.where(other, hinge, 0.0))

    return _mean_over_pairs(of_pair, views, views_per_level, level_weights)


def second_order(
    point,
    views,
    margin: float = 1.0,
    neighbours: int = 8,
    regularisation: float = 1.0,
    views_per_level: int = 1,
    level_weights=None,
):
    """SOSNet's loss: squared hinge, and near points keep their distances from view to view.

    mean max(0, margin + d(u_i, v_i) - hardest)^2 with negatives from both views, plus
    `regularisation` times the mean over i of sqrt(sum over j of (d(u_i, u_j) - d(v_i, v_j))^2),
    j being among the `neighbours` nearest of i in one view or the other.

    Args:
        point, views, views_per_level, level_weights: as in `hardest_in_batch`.

    Reference: Tian et al., SOSNet, CVPR 2019 (arXiv 1904.05019).
    """

    def of_pair(u, v):
        positive, negative = _positive_and_hardest(point, u, v, within=True)
        hinge = ops.mean(ops.square(ops.maximum(margin + positive - negative, 0.0)))
        return hinge + regularisation * _structure_change(point, u, v, neighbours)

    return _mean_over_pairs(of_pair, views, views_per_level, level_weights)


def _structure_change(point, u, v, neighbours: int):
    """How much the distances between near points differ between two views (SOSNet)."""
    near = ops.logical_or(_nearest(point, u, neighbours), _nearest(point, v, neighbours))
    change = ops.square(pairwise_distance(u, u) - pairwise_distance(v, v))
    return ops.mean(ops.sqrt(ops.sum(ops.where(near, change, 0.0), axis=1) + TINY))


def _nearest(point, u, count: int):
    """Which descriptors are among the `count` nearest of each, (B, B) booleans."""
    distance = _negatives(point, u, u)
    farthest = ops.sort(distance, axis=1)[:, :count][:, -1:]  # a batch may hold fewer than count
    return ops.logical_and(distance <= farthest, distance < NO_NEGATIVE)


def hybrid(
    point,
    vectors,
    margin: float = 1.2,
    alpha: float = 2.0,
    regularisation: float = 0.1,
    views_per_level: int = 1,
    level_weights=None,
):
    """HyNet's loss: a hybrid of distance and inner product, and lengths alike in both views.

    With r, q the raw vectors and u, v the same at unit length: s = d(u, v) + alpha (1 - u.v). The
    loss is mean max(0, margin + s_positive - s_hardest), negatives from both views, plus
    `regularisation` times mean (|r_i| - |q_i|)^2.

    Args:
        vectors: (B, K, D) raw vectors, see `networks.pipeline.raw_vectors`. Unit vectors do as
            well; then the second term is zero.
        point, views_per_level, level_weights: as in `hardest_in_batch`.

    Reference: Tian et al., HyNet, NeurIPS 2020 (arXiv 2006.10202).
    """

    def similarity(distance):
        return distance + alpha * ops.square(distance) / 2  # 1 - u.v = d^2 / 2

    def of_pair(r, q):
        length_r, length_q = _length(r), _length(q)
        positive, negative = _positive_and_hardest(point, r / length_r, q / length_q, within=True)
        hinge = ops.maximum(margin + similarity(positive) - similarity(negative), 0.0)
        return ops.mean(hinge) + regularisation * ops.mean(ops.square(length_r - length_q))

    return _mean_over_pairs(of_pair, vectors, views_per_level, level_weights)


def _length(vectors):
    return ops.sqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True) + TINY)


def info_nce(point, views, temperature: float = 0.07, views_per_level=1, level_weights=None):
    """Cross-entropy of finding each point's other view among all of the batch, in both directions.

    Args:
        temperature: of the softmax over u.v; the lower, the more the hardest negatives count.
        point, views, views_per_level, level_weights: as in `hardest_in_batch`.

    Reference: van den Oord et al., 2018 (arXiv 1807.03748); both directions as in Radford et al.,
    CLIP, ICML 2021.
    """

    def of_pair(u, v):
        logits = ops.matmul(u, ops.transpose(v)) / temperature
        positive = ops.diagonal(logits)
        # The point's other rows count neither as found nor as missed.
        others = ops.where(_same(point), -1e9, logits)
        logits = ops.where(ops.eye(ops.shape(point)[0], dtype="bool"), logits, others)
        columns, rows = (ops.logsumexp(logits, axis=axis) for axis in (0, 1))
        return ops.mean((columns + rows) / 2 - positive)

    return _mean_over_pairs(of_pair, views, views_per_level, level_weights)


def distillation(teacher, views):
    """Mean squared distance to the descriptors of a teacher, who has seen the clean patches.

    Args:
        teacher: (B, K, D), or (B, D) if all views of a point shall have the same descriptor.
        views: (B, K, D) descriptors of the student.

    Reference: Hinton et al., 2015 (arXiv 1503.02531), for the idea of a teacher.
    """
    teacher, views = ops.convert_to_tensor(teacher), ops.convert_to_tensor(views)
    if len(teacher.shape) == 2:
        teacher = ops.expand_dims(teacher, axis=1)
    return ops.mean(ops.sum(ops.square(views - teacher), axis=-1))


def pairwise_distance(u, v):
    """Distances between unit vectors: (B, D), (C, D) -> (B, C)."""
    return ops.sqrt(ops.maximum(2.0 - 2.0 * ops.matmul(u, ops.transpose(v)), 0.0) + TINY)


def view_pairs(count: int, views_per_level: int = 1) -> list[tuple[int, int, int]]:
    """The pairs of views that the benchmark compares: (first, second, level), each from 0.

    Args:
        count: views of a point: `ref` and `views_per_level` of each level.

    Raises:
        InputError: so many views cannot be `ref` and equally many of each level.
    """
    if count < 2 or (count - 1) % views_per_level:
        raise InputError(
            f"{count} views of a point are not ref and {views_per_level} of each level: "
            "choose other batches or other views_per_level."
        )
    pairs = []
    for level, first in enumerate(range(1, count, views_per_level)):
        group = (0, *range(first, first + views_per_level))
        pairs += [(i, j, level) for i, j in itertools.combinations(group, 2)]
    return pairs


def _mean_over_pairs(of_pair, views, views_per_level: int, level_weights):
    """Mean of `of_pair(u, v)` over the pairs of views, each with the weight of its level."""
    views = ops.convert_to_tensor(views)
    pairs = view_pairs(views.shape[1], views_per_level)
    levels = pairs[-1][-1] + 1
    weights = [1.0] * levels if level_weights is None else level_weights
    if len(weights) != levels:
        raise InputError(f"level_weights {list(weights)} should be {levels}, one for each level.")
    total = sum(weights[level] * of_pair(views[:, i], views[:, j]) for i, j, level in pairs)
    return total / sum(weights[level] for *_, level in pairs)


def _positive_and_hardest(point, u, v, within: bool):
    """Distance of each row's positive and of its hardest negative, both (B,)."""
    between = _negatives(point, u, v)
    hardest = ops.minimum(ops.min(between, axis=1), ops.min(between, axis=0))
    if within:
        for view in (u, v):
            hardest = ops.minimum(hardest, ops.min(_negatives(point, view, view), axis=1))
    # A row without any negative counts as if one were right on it: descriptors that have all
    # become equal would else have no loss.
    hardest = ops.where(hardest < NO_NEGATIVE, hardest, 0.0)
    return ops.diagonal(pairwise_distance(u, v)), hardest


def _negatives(point, u, v):
    """Distances, with NO_NEGATIVE for rows of the same point and for near duplicates."""
    distance = pairwise_distance(u, v)
    no_negative = ops.logical_or(_same(point), distance < NEAR_DUPLICATE)
    return ops.where(no_negative, NO_NEGATIVE, distance)


def _same(point):
    return ops.equal(ops.reshape(point, (-1, 1)), ops.reshape(point, (1, -1)))


LOSSES = {
    "mean_absolute_error": mean_absolute_error,
    "charbonnier": charbonnier,
    "dssim": dssim,
    "charbonnier_dssim": charbonnier_dssim,
    "triplet": triplet,
    "hardest_in_batch": hardest_in_batch,
    "next_in_batch": next_in_batch,
    "second_order": second_order,
    "hybrid": hybrid,
    "info_nce": info_nce,
    "distillation": distillation,
}
