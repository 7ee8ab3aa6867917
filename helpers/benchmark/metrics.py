"""Area under the ROC curve and average precision, as HPatches defines them.

Distances are sorted in ascending order and ties are never merged, so a curve has one point a
row. Average precision is the trapezoid under precision against recall from (0, 1) on; it differs
from scikit-learn's. Source: hpatches/hpatches-benchmark, python/utils/metrics.py.
"""

import numpy as np

SMALL = 1e-10  # stands for a zero numerator or denominator in the official precision


def average_precision(ranks: np.ndarray, positives: int) -> np.ndarray:
    """Average precision from the ranks of the positives.

    Args:
        ranks: (..., hits) ranks of the retrieved positives, ascending from 1 in the last axis.
        positives: number of positives there are, retrieved or not.

    Returns:
        (...) average precision in 0..1; 0 when nothing is retrieved.
    """
    ranks = np.asarray(ranks, dtype=np.float64)
    hits = np.arange(1, ranks.shape[-1] + 1)
    before = np.maximum(hits - 1, SMALL) / np.maximum(ranks - 1, SMALL)  # 1 at rank 1
    return ((before + hits / ranks) / 2).sum(axis=-1) / max(positives, 1)


def verification_ap(positive: np.ndarray, negative: np.ndarray) -> float:
    """Average precision of two sets of distances; on ties the negatives stand first.

    Args:
        positive: (P,) sorted distances of matching pairs.
        negative: (N,) sorted distances of the other pairs.
    """
    not_farther = np.searchsorted(negative, positive, side="right")
    ranks = not_farther + np.arange(1, len(positive) + 1)
    return float(average_precision(ranks, len(positive)))


def verification_auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Share of (positive, negative) pairs in which the negative is strictly farther.

    Args:
        positive: (P,) sorted distances of matching pairs.
        negative: (N,) sorted distances of the other pairs.
    """
    not_farther = np.searchsorted(negative, positive, side="right").sum(dtype=np.int64)
    return float(1 - not_farther / (len(positive) * len(negative)))


def matching_ap(distances: np.ndarray, correct: np.ndarray, pessimistic: bool = False) -> float:
    """Average precision of matches sorted by distance.

    Recall ends at the share of correct matches, since a wrong match is never a hit.

    Args:
        distances: (N,) distance of each match.
        correct: (N,) whether the match is right.
        pessimistic: put wrong matches first on ties, instead of keeping the row order.
    """
    order = np.lexsort((correct, distances) if pessimistic else (distances,))  # stable
    ranks = np.flatnonzero(correct[order]) + 1
    return float(average_precision(ranks, len(correct)))


def roc_curve(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates after 0, 1, 2, ... rows, from (P,) and (N,) distances.

    Returns:
        (P + N + 1,) false positive rates and as many true positive rates.
    """
    hits = _hits_in_order(positive, negative)
    misses = np.arange(len(hits)) - hits
    return misses / len(negative), hits / len(positive)


def precision_recall_curve(
    positive: np.ndarray, negative: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall after 0, 1, 2, ... rows, as `roc_curve`."""
    hits = _hits_in_order(positive, negative)
    precision = np.maximum(hits, SMALL) / np.maximum(np.arange(len(hits)), SMALL)
    return precision, hits / len(positive)


def _hits_in_order(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Positives among the first 0, 1, 2, ... rows by distance, negatives first on ties."""
    order = np.argsort(np.concatenate([negative, positive]), kind="stable")
    return np.concatenate([[0], np.cumsum(order >= len(negative))])
