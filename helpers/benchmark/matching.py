"""Task 2, matching: is the nearest patch of the other image the right one?"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from .distances import block_rows, exact, fast_block, floats, left_side, margin, right_side
from .layout import IMAGES, LEVELS, STRIPS
from .metrics import matching_ap
from .workers import DEFAULTS, MEMORY, Resources

LANES = 128  # columns j, j + LANES, ... share one running minimum


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _lane_minima(row, out):
    """Fills the minimum of each lane and returns that of the row."""
    out[:] = np.inf
    for start in range(0, row.shape[0], LANES):
        chunk = row[start : start + LANES]
        for lane in range(chunk.shape[0]):
            out[lane] = min(out[lane], chunk[lane])
    least = out[0]
    for value in out:
        least = min(least, value)
    return least


@njit(nogil=True, cache=True)
def _nearest(values, margins, left, right, squared):
    """For each row of fast values: the exact nearest, its distance, whether another is as near.

    On ties the nearest is the first one. Only columns that may be the nearest are compared exactly.
    """
    rows, columns = values.shape
    match, far, tied = np.empty(rows, np.int64), np.full(rows, np.inf), np.zeros(rows, np.bool_)
    minima = np.empty(LANES, np.float32)
    for i in range(rows):
        limit = _lane_minima(values[i], minima) + 2 * margins[i]
        for lane in range(LANES):
            if minima[lane] > limit:
                continue
            for j in range(lane, columns, LANES):
                if values[i, j] > limit:
                    continue
                value = exact(left[i], right[j], squared)
                if value < far[i]:
                    match[i], far[i], tied[i] = j, value, False
                elif value == far[i]:
                    match[i], tied[i] = min(match[i], j), True
    return match, far, tied


def nearest(
    left: np.ndarray, right: np.ndarray, distance: str = "L2", memory: int = MEMORY
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finds the nearest of `right` (N, D) to each of `left` (n, D), in the official arithmetic.

    `memory` is what one block of fast distances takes, in bytes.

    Returns:
        (n,) index into `right`, the first one on ties; (n,) float64 distance; (n,) whether another
        row is at exactly the same distance.
    """
    centre = left.mean(axis=0, dtype=np.float64)
    b = right_side(right, centre, distance)
    a = left_side(left, b)
    margins = margin(a, b)
    step = block_rows(len(right), memory)
    buffer = np.empty((min(step, len(left)), len(right)), np.float32)
    blocks = []
    for start in range(0, len(left), step):
        rows = slice(start, start + step)
        values = fast_block(a, b, rows, buffer)
        blocks.append(_nearest(values, margins[rows], left[rows], right, b.squared))
    return tuple(map(np.concatenate, zip(*blocks, strict=True)))


@dataclass(frozen=True)
class Matching:
    """Results of the task, each (sequences, 3 levels, 5 images)."""

    ap: np.ndarray  # average precision
    success: np.ndarray  # share of right matches
    pessimistic: np.ndarray  # average precision with ties counted against

    @property
    def levels(self) -> np.ndarray:
        """(3,) mean average precision at easy, hard, tough."""
        return self.ap.mean(axis=(0, 2))

    @property
    def value(self) -> float:
        """M: mean over the levels."""
        return float(self.levels.mean())

    def resampled(self, weights: np.ndarray) -> np.ndarray:
        """(samples,) M when each sequence counts `weights` (samples, sequences) times."""
        return weights @ self.ap.mean(axis=(1, 2)) / len(self.ap)


def matching(
    descriptors: list[np.ndarray], distance: str = "L2", resources: Resources = DEFAULTS
) -> Matching:
    """Matches every reference patch with all patches of each target image of its sequence."""

    def match_strip(item):
        sequence, strip = item
        reference, target = (floats(descriptors[sequence][side]) for side in (0, strip))
        match, far, tied = nearest(reference, target, distance, resources.share)
        correct = match == np.arange(len(match))
        return (
            matching_ap(far, correct),
            correct.mean(),
            matching_ap(far, correct & ~tied, pessimistic=True),
        )

    items = [(s, t) for s in range(len(descriptors)) for t in range(1, len(STRIPS))]
    results = np.array(resources.spread(match_strip, items, "matching"))
    shape = (len(descriptors), len(LEVELS), IMAGES)
    return Matching(*(column.reshape(shape) for column in results.T))
