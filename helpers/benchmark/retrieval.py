"""Task 3, retrieval: are the five views of a point nearer than patches of other points?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from .distances import block_rows, exact, fast_block, floats, left_side, margin, right_side
from .layout import IMAGES, LEVELS, POOLS
from .metrics import average_precision
from .tasks import Tasks
from .workers import DEFAULTS, Resources

CHUNK = 512  # columns that are counted together


@njit(nogil=True, cache=True)
def _positive_distances(queries, views, squared):
    """(queries, 15) exact distance of a query to its view in strips 1..15."""
    out = np.empty((queries.shape[0], views.shape[0] - 1))
    for q in range(queries.shape[0]):
        for strip in range(out.shape[1]):
            out[q, strip] = exact(queries[q], views[strip + 1, q], squared)
    return out


@njit(nogil=True, cache=True)
def _count(row, low, high):
    """Values below `low` and values below `high`; int32 counters, for wider vector operations."""
    below_low, below_high = np.int32(0), np.int32(0)
    for j in range(row.shape[0]):
        below_low = np.int32(below_low + np.int32(row[j] < low))
        below_high = np.int32(below_high + np.int32(row[j] < high))
    return below_low, below_high


@njit(nogil=True, cache=True)
def _count_closer(values, bounds, ends, queries, pool, positive, squared):
    """Distractors strictly closer, and no farther, than each positive, among the first ends[e].

    Returns (2, queries, pools, positives) int64. Fast values below bounds[0] are closer for sure,
    those from bounds[1] on farther; the others are compared exactly.
    """
    low, high = bounds[0], bounds[1]
    counts = np.zeros((2, len(queries), len(ends), positive.shape[1]), np.int64)
    closer, near = counts[0], counts[1]
    value = np.empty(CHUNK)
    begin = 0
    for e in range(ends.shape[0]):
        for start in range(begin, ends[e], CHUNK):
            stop = min(start + CHUNK, ends[e])
            for q in range(values.shape[0]):
                row = values[q, start:stop]
                value[:] = np.nan  # exact distances, computed when first needed
                for p in range(positive.shape[1]):
                    below, reach = _count(row, low[q, p], high[q, p])
                    closer[q, e, p] += below
                    near[q, e, p] += below
                    if below == reach:
                        continue
                    for j in range(row.shape[0]):
                        if low[q, p] <= row[j] < high[q, p]:
                            if np.isnan(value[j]):
                                value[j] = exact(queries[q], pool[start + j], squared)
                            closer[q, e, p] += value[j] < positive[q, p]
                            near[q, e, p] += value[j] <= positive[q, p]
        begin = ends[e]
        if e + 1 < len(ends):  # a larger pool starts from the counts of the one before
            counts[:, :, e + 1] = counts[:, :, e]
    return counts


@dataclass(frozen=True)
class Retrieval:
    """Results of the task."""

    pools: tuple[int, ...]  # sizes that there are enough distractors for, ascending
    wanted: tuple[int, ...]  # sizes asked for, ascending
    ap: np.ndarray  # (queries, 3 levels, pools) average precision
    pessimistic: np.ndarray  # the same with ties counted against
    sequence: np.ndarray  # (queries,) index of each query's sequence

    @property
    def table(self) -> np.ndarray:
        """(3 levels, pools) mean average precision over the queries."""
        return self.ap.mean(axis=0)

    @property
    def value(self) -> float | None:
        """R: mean over levels and available pools; None when no pool is available."""
        return float(self.table.mean()) if self.pools else None

    def resampled(self, weights: np.ndarray) -> np.ndarray:
        """(samples,) R when each sequence counts `weights` (samples, sequences) times."""
        sequences = weights.shape[1]
        sums = np.bincount(self.sequence, self.ap.mean(axis=(1, 2)), sequences)
        drawn = weights @ np.bincount(self.sequence, minlength=sequences)
        with np.errstate(invalid="ignore"):  # NaN for a draw of scenes without any query
            return np.where(drawn > 0, weights @ sums / drawn, np.nan)


def retrieval(
    descriptors: list[np.ndarray],
    tasks: Tasks,
    pools: Sequence[int] = POOLS,
    distance: str = "L2",
    resources: Resources = DEFAULTS,
) -> Retrieval:
    """Ranks each query's five views at each level among distractors.

    A pool of k holds the five views and the first k - 5 distractors of other sequences, in list
    order (all that are left, when they are fewer, as officially). A pool is available when the list
    has at least k distractors; others are left out, never invented. A single sequence has no
    others: there its own patches are the distractors.

    Args:
        descriptors: (16, N, D) of each sequence, in the order of `tasks.sequences`.
    """
    wanted = tuple(sorted(set(pools)))
    available = tuple(k for k in wanted if k <= len(tasks.distractors))
    sequence, points = tasks.queries.T
    ap = np.empty((2, len(sequence), len(LEVELS), len(available)))  # as it is, and pessimistic
    distractors = _reference(descriptors, tasks.distractors)
    right = right_side(distractors, distractors.mean(axis=0, dtype=np.float64), distance)
    step = block_rows(len(distractors), resources.share)

    def rank_sequence(s):
        chosen = np.flatnonzero(sequence == s)
        own = (tasks.distractors[:, 0] == s) & (len(descriptors) > 1)
        ends = _ends(own, available)
        buffer = np.empty((min(step, len(chosen)), len(distractors)), np.float32)
        for start in range(0, len(chosen), step):
            rows = chosen[start : start + step]
            views = floats(descriptors[s][:, points[rows]])
            ap[:, rows] = _scores(_rank(views, right, own, ends, buffer))

    if available:
        resources.spread(rank_sequence, np.unique(sequence), "retrieval")
    return Retrieval(available, wanted, *ap, sequence)


def _ends(own: np.ndarray, pools: tuple[int, ...]) -> np.ndarray:
    """How far down the list each pool reaches, when it skips the sequence's own distractors."""
    wanted = np.array(pools) - IMAGES
    others = np.flatnonzero(~own)
    return np.append(others, len(own))[np.minimum(wanted, len(others))]


def _reference(descriptors: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """(n, D) float32 reference descriptors of listed patches, contiguous."""
    out = np.empty((len(rows), descriptors[0].shape[-1]), np.float32)
    for s in np.unique(rows[:, 0]):
        chosen = rows[:, 0] == s
        out[chosen] = descriptors[s][0, rows[chosen, 1]]
    return out


def _rank(views, right, own, ends, buffer):
    """(2, queries, pools, 15) distractors strictly closer, and no farther, than each positive."""
    queries = views[0].astype(np.float32)
    positive = _positive_distances(queries, views, right.squared)
    left = left_side(queries, right)
    values = fast_block(left, right, slice(None), buffer)
    values[:, own] = np.inf  # never closer
    # The fast value of a positive: its distance, less the part that is the same for the query.
    limit = positive
    if right.squared:
        limit = (positive**2 - left.norms[:, None] ** 2) / 2
    rounding = np.abs(limit).max(axis=1, keepdims=True) * 2.0**-22  # of the limits to float32
    slack = margin(left, right)[:, None] + rounding
    bounds = np.stack([limit - slack, limit + slack]).astype(np.float32)
    return _count_closer(values, bounds, ends, queries, right.exact, positive, right.squared)


def _scores(counts: np.ndarray) -> np.ndarray:
    """(2, queries, 3, pools) average precision from the counts of closer distractors."""
    by_level = counts.reshape(*counts.shape[:3], len(LEVELS), IMAGES)
    ranks = np.sort(by_level, axis=-1) + np.arange(1, IMAGES + 1)
    return average_precision(ranks, IMAGES).swapaxes(2, 3)
