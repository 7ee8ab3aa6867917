"""Losses as pure functions in named steps: (y_true, y_pred) -> scalar.

Descriptor losses take `y_pred` of shape (B, K, D): K views of each of B points, and `y_true` of
shape (B,): the number of the point, so that one point drawn twice is never its own negative.
"""

from keras import ops

TINY = 1e-6  # keeps the gradient of a square root finite at zero (HardNet's own constant)
NEAR_DUPLICATE = 0.008  # HardNet: two points this close are the same structure seen twice


def mean_absolute_error(clean, denoised):
    """Mean |clean - denoised| in grey levels. Both (B, 32, 32, 1)."""
    return ops.mean(ops.abs(clean - denoised))


def charbonnier(clean, denoised, epsilon: float = 1.0):
    """Mean sqrt(error^2 + epsilon^2): absolute error, smooth below `epsilon` grey levels.

    Reference: Charbonnier et al., ICIP 1994; used for image restoration by Lai et al., CVPR 2017.
    """
    return ops.mean(ops.sqrt(ops.square(clean - denoised) + epsilon**2))


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


def hardest_in_batch(point, views, margin: float = 1.0):
    """Triplet margin loss whose negative is the hardest of the batch.

    For unit descriptors u, v the distance is d = sqrt(2 - 2 u.v + 1e-6). For each further view of a
    point, the pairs (first view, further view) of the batch form a matrix D with the positives on
    its diagonal; the loss is max(0, margin + D_ii - min(hardest in row i, hardest in column i)).

    Args:
        point: (B,) number of the point of each row; equal numbers are no negatives.
        views: (B, K, D) unit descriptors, K >= 2; the first view is the anchor of all others.

    Reference: Mishchuk et al., HardNet, NIPS 2017, equations 1-2.
    """
    further = ops.unstack(views, axis=1)
    anchor = further.pop(0)
    losses = [_hardest_pair_loss(point, anchor, positive, margin) for positive in further]
    return ops.mean(ops.stack(losses))


def _hardest_pair_loss(point, anchor, positive, margin):
    distance = pairwise_distance(anchor, positive)
    row, column = ops.reshape(point, (-1, 1)), ops.reshape(point, (1, -1))
    no_negative = ops.logical_or(ops.equal(row, column), distance < NEAR_DUPLICATE)
    others = ops.where(no_negative, 10.0, distance)  # 10 is farther than unit vectors can be
    hardest = ops.minimum(ops.min(others, axis=1), ops.min(others, axis=0))
    return ops.mean(ops.maximum(margin + ops.diagonal(distance) - hardest, 0.0))


def pairwise_distance(u, v):
    """Distances between unit vectors: (B, D), (C, D) -> (B, C)."""
    return ops.sqrt(ops.maximum(2.0 - 2.0 * ops.matmul(u, ops.transpose(v)), 0.0) + TINY)


LOSSES = {
    "mean_absolute_error": mean_absolute_error,
    "charbonnier": charbonnier,
    "triplet": triplet,
    "hardest_in_batch": hardest_in_batch,
}
