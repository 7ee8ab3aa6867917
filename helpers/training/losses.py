"""Losses as pure functions in named steps, called with (y_true, y_pred) as Keras calls them.

Denoising losses give one value a patch, (B,), of which Keras takes the mean.

Descriptor losses give one value. They take `views` of shape (B, K, D): unit descriptors of K views
of each of B points, and `point` of shape (B,): the number of the point, so that one point drawn
twice is never its own negative. Those that mine negatives share two arguments, and raise an
InputError if these do not fit the views:

* `views_per_level`: the first view is `ref`; then come so many of each level. Pairs are formed as
  the benchmark draws them: `ref` with each view, and the views of one level with each other.
* `level_weights`: the weight of each level, in the order of the views; None: all alike.

Further arguments are set with `functools.partial`.
"""

import itertools

from keras import ops

from helpers.common.errors import InputError
from helpers.common.values import Margin, PerLevel, Weights

TINY = 1e-6  # keeps the gradient of a square root finite at zero (HardNet's own constant)
NEAR_DUPLICATE = 0.008  # HardNet: two points this close are the same structure seen twice
NO_NEGATIVE = 10.0  # farther than unit vectors can be


def mean_absolute_error(clean, denoised):
    """Mean |clean - denoised| in grey levels. Both (B, 32, 32, 1); one value a patch."""
    return ops.mean(ops.abs(clean - denoised), axis=(1, 2, 3))


def charbonnier(clean, denoised, epsilon: Margin = 1.0):
    """Mean sqrt(error^2 + epsilon^2): absolute error, smooth below `epsilon` grey levels.

    Reference: Charbonnier et al., ICIP 1994; used for image restoration by Lai et al., CVPR 2017.
    """
    return ops.mean(ops.sqrt(ops.square(clean - denoised) + epsilon**2), axis=(1, 2, 3))


def triplet(point, views, margin: Margin = 1.0):
    """max(0, mean((a-p)^2) - mean((a-n)^2) + margin), the coursework's triplet loss.

    `views` (B, 3, D) are anchor, positive and negative; `point` is not used. Reference: Balntas et
    al., TFeat, BMVC 2016; squared distances are means over D as in the coursework's baseline.
    """
    anchor, positive, negative = views[:, 0], views[:, 1], views[:, 2]
    near = ops.mean(ops.square(anchor - positive), axis=-1)
    far = ops.mean(ops.square(anchor - negative), axis=-1)
    return ops.mean(ops.maximum(near - far + margin, 0.0))


def hardest_in_batch(
    point,
    views,
    margin: Margin = 1.0,
    views_per_level: PerLevel = 1,
    level_weights: Weights | None = None,
):
    """Triplet margin loss whose negative is the hardest of the batch.

    For unit descriptors u, v the distance is d = sqrt(2 - 2 u.v + 1e-6). For each pair of views the
    distances between the points of the batch form a matrix D with the positives on its diagonal;
    the loss is max(0, margin + D_ii - min(hardest in row i, hardest in column i)).

    Reference: Mishchuk et al., HardNet, NIPS 2017, equations 1-2.
    """

    def of_pair(u, v):
        distance = negative_distances(point, u, v)
        hardest = zero_if_none(ops.minimum(ops.min(distance, axis=1), ops.min(distance, axis=0)))
        positive = ops.diagonal(pairwise_distance(u, v))
        return ops.mean(ops.maximum(margin + positive - hardest, 0.0))

    return mean_over_pairs(of_pair, views, views_per_level, level_weights)


def pairwise_distance(u, v):
    """Distances between unit vectors: (B, D), (C, D) -> (B, C)."""
    return ops.sqrt(ops.maximum(2.0 - 2.0 * ops.matmul(u, ops.transpose(v)), 0.0) + TINY)


def view_pairs(count: int, views_per_level: int = 1) -> list[tuple[int, int, int]]:
    """The pairs of views that the benchmark compares: (first, second, level), each from 0.

    Raises:
        InputError: `count` views cannot be `ref` and `views_per_level` of each level.
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


def mean_over_pairs(of_pair, views, views_per_level: int, level_weights):
    """Mean of `of_pair(u, v)` over the pairs of views, each with the weight of its level."""
    views = ops.convert_to_tensor(views)
    pairs = view_pairs(views.shape[1], views_per_level)
    levels = pairs[-1][-1] + 1
    weights = [1.0] * levels if level_weights is None else level_weights
    if len(weights) != levels:
        raise InputError(f"level_weights {list(weights)} should be {levels}, one for each level.")
    total = sum(weights[level] * of_pair(views[:, i], views[:, j]) for i, j, level in pairs)
    return total / sum(weights[level] for *_, level in pairs)


def negative_distances(point, u, v):
    """Distances (B, B), with NO_NEGATIVE for rows of the same point and for near duplicates."""
    distance = pairwise_distance(u, v)
    no_negative = ops.logical_or(same_point(point), distance < NEAR_DUPLICATE)
    return ops.where(no_negative, NO_NEGATIVE, distance)


def zero_if_none(hardest):
    """(B,) distances of hardest negatives, with 0 for rows that have none at all.

    Descriptors that have all become equal would else have no loss.
    """
    return ops.where(hardest < NO_NEGATIVE, hardest, 0.0)


def same_point(point):
    """(B,) numbers of points -> (B, B): whether two rows are of one point."""
    return ops.equal(ops.reshape(point, (-1, 1)), ops.reshape(point, (1, -1)))


LOSSES = {
    "mean_absolute_error": mean_absolute_error,
    "charbonnier": charbonnier,
    "triplet": triplet,
    "hardest_in_batch": hardest_in_batch,
}
