"""Area under the ROC curve and average precision, as HPatches defines them.

Distances are sorted in ascending order and ties are never merged, so a curve has one point a
row. Average precision is the trapezoid under precision against recall from (0, 1) on; it differs
from scikit-learn's. Source: hpatches/hpatches-benchmark, python/utils/metrics.py.
"""

import numpy as np

SMALL = 1e-10  # stands for a zero numerator or denominator in the official precision


def average_precision(ranks: np.ndarray, positives: int) -> np.ndarray:
    """Average precision (...) in 0..1 from the ranks of the positives; 0 when none is retrieved.

    Args:
        ranks: (..., hits) ranks of the retrieved positives, ascending from 1 in the last axis.
        positives: number of positives there are, retrieved or not.
    """
    ranks = np.asarray(ranks, dtype=np.float64)
    hits = np.arange(1, ranks.shape[-1] + 1)
    before = np.maximum(hits - 1, SMALL) / np.maximum(ranks - 1, SMALL)  # 1 at rank 1
    return ((before + hits / ranks) / 2).sum(axis=-1) / max(positives, 1)


def verification_ap(positive: np.ndarray, negative: np.ndarray) -> float:
    """Average precision of matching and other pairs' sorted distances; ties count against."""
    not_farther = np.searchsorted(negative, positive, side="right")
    ranks = not_farther + np.arange(1, len(positive) + 1)
    return float(average_precision(ranks, len(positive)))


def verification_auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Share of pairs of a positive and a negative distance, sorted, whose negative is farther."""
    not_farther = np.searchsorted(negative, positive, side="right").sum(dtype=np.int64)
    return float(1 - not_farther / (len(positive) * len(negative)))


def matching_ap(distances: np.ndarray, correct: np.ndarray, pessimistic: bool = False) -> float:
    """Average precision of matches by their distances (N,) and whether each is `correct` (N,).

    Recall ends at the share of correct matches, since a wrong match is never a hit.

    Args:
        pessimistic: put wrong matches first on ties, instead of keeping the row order.
    """
    order = np.lexsort((correct, distances) if pessimistic else (distances,))  # stable
    ranks = np.flatnonzero(correct[order]) + 1
    return float(average_precision(ranks, len(correct)))


def precision_recall_curve(
    positive: np.ndarray, negative: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall after 0, 1, 2, ... pairs by distance, negatives first on ties."""
    order = np.argsort(np.concatenate([negative, positive]), kind="stable")
    hits = np.concatenate([[0], np.cumsum(order >= len(negative))])
    precision = np.maximum(hits, SMALL) / np.maximum(np.arange(len(hits)), SMALL)
    return precision, hits / len(positive)
