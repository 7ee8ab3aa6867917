"""Task 2, matching: is the nearest patch of the other image the right one?"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from . import distances
from .layout import IMAGES, LEVELS, STRIPS
from .metrics import matching_ap
from .workers import spread

exact = distances.exact

CHUNK = 64  # columns that are skipped together when none of them is near


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _chunk_minima(row, out):
    for c in range(out.shape[0]):
        least = np.float32(np.inf)
        for j in range(c * CHUNK, min((c + 1) * CHUNK, row.shape[0])):
            least = min(least, row[j])
        out[c] = least


@njit(nogil=True, cache=True)
def _nearest(values, margins, left, right, squared, match, far, tied):
    """For each row of fast values: the exact nearest, the first one on ties."""
    minima = np.empty((values.shape[1] + CHUNK - 1) // CHUNK, np.float32)
    for i in range(values.shape[0]):
        row = values[i]
        _chunk_minima(row, minima)
        limit = minima.min() + 2 * margins[i]
        match[i], far[i], tied[i] = -1, np.inf, False
        for c in range(minima.shape[0]):
            if minima[c] > limit or (tied[i] and far[i] == 0):
                continue
            for j in range(c * CHUNK, min((c + 1) * CHUNK, row.shape[0])):
                if row[j] <= limit:
                    value = exact(left[i], right[j], squared)
                    if value < far[i]:
                        match[i], far[i], tied[i] = j, value, False
                    elif value == far[i]:
                        tied[i] = True


def nearest(
    left: np.ndarray, right: np.ndarray, distance: str = "L2", memory: int = 2**21
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finds each row's nearest row of another set, in the official arithmetic.

    Args:
        left: (n, D) descriptors.
        right: (N, D) descriptors.
        distance: `L2` or `L1`.
        memory: bytes of one block of fast distances; larger ones leave the cache.

    Returns:
        (n,) index into `right`, the first one on ties; (n,) float64 distance; (n,) whether another
        row is at exactly the same distance.
    """
    centre = left.mean(axis=0, dtype=np.float64)
    a = distances.left_side(left, centre, distance)
    b = distances.right_side(right, centre, distance)
    margins = distances.margin(a, b)
    match = np.empty(len(left), np.int64)
    far = np.empty(len(left))
    tied = np.empty(len(left), np.bool_)
    step = distances.block_rows(len(right), memory)
    buffer = np.empty((min(step, len(left)), len(right)), np.float32)
    for start in range(0, len(left), step):
        rows = slice(start, start + step)
        values = distances.fast_block(a, b, rows, buffer)
        parts = (match[rows], far[rows], tied[rows])
        _nearest(values, margins[rows], left[rows], right, b.squared, *parts)
    return match, far, tied


@dataclass(frozen=True)
class Matching:
    """Results of the task.

    Attributes:
        ap: (sequences, 3 levels, 5 images) average precision.
        success: (sequences, 3, 5) share of right matches.
        pessimistic: (sequences, 3, 5) average precision with ties counted against.
    """

    ap: np.ndarray
    success: np.ndarray
    pessimistic: np.ndarray

    @property
    def levels(self) -> np.ndarray:
        """(3,) mean average precision at easy, hard, tough."""
        return self.ap.mean(axis=(0, 2))

    @property
    def value(self) -> float:
        """M: mean over the levels."""
        return float(self.levels.mean())


def matching(
    descriptors: list[np.ndarray],
    distance: str = "L2",
    threads: int | None = None,
    memory: int = 2**21,
    progress: str | None = None,
) -> Matching:
    """Matches every reference patch with all patches of each target image of its sequence.

    Args:
        descriptors: (16, N, D) of each sequence.
        distance: `L2` or `L1`.
        threads: None for all cores.
        memory: bytes of one block of distances in each thread.
        progress: title of a progress bar, or None for none.
    """

    def match_strip(item):
        sequence, strip = item
        reference, target = descriptors[sequence][0], descriptors[sequence][strip]
        match, far, tied = nearest(reference, target, distance, memory)
        correct = match == np.arange(len(match))
        return (
            matching_ap(far, correct),
            correct.mean(),
            matching_ap(far, correct & ~tied, pessimistic=True),
        )

    items = [(s, t) for s in range(len(descriptors)) for t in range(1, len(STRIPS))]
    results = np.array(spread(match_strip, items, threads, progress))
    shape = (len(descriptors), len(LEVELS), IMAGES)
    return Matching(*(column.reshape(shape) for column in results.T))
