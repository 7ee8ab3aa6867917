"""Distances in the official arithmetic, and fast ones with a bound on how far they are off.

A block of all distances costs one matrix product in float32, too coarse to order two neighbours
at nearly the same distance. So every fast distance comes with a margin that its error cannot
exceed, and whatever lies within the margin of a decision is compared again in the arithmetic of
the official evaluator (`exact`, bit for bit what `scipy.spatial.distance.cdist` returns).

Compiled code is cached by the date of its own file only: after a change of `exact`, delete
`__pycache__` here, since `matching` and `retrieval` have it built in.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

DISTANCES = ("L2", "L1")
UNIT = 2.0**-24  # half the spacing of float32 numbers around 1
UNDERFLOW = 1e-40  # what sums of numbers too small for float32 may lose


@njit(nogil=True, cache=True)
def exact(a, b, squared):
    """Distance of two vectors, summed one by one in float64: L2 if `squared`, else L1."""
    total = 0.0
    for k in range(a.shape[0]):
        difference = np.float64(a[k]) - np.float64(b[k])
        total += difference * difference if squared else abs(difference)
    return math.sqrt(total) if squared else total


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _l1_block(left, columns, out):
    """out[i, j] = sum_k |left[i, k] - columns[k, j]|, vectorised over j."""
    for i in range(left.shape[0]):
        row = out[i]
        row[:] = 0
        for k in range(left.shape[1]):
            value = left[i, k]
            column = columns[k]
            for j in range(row.shape[0]):
                row[j] += abs(value - column[j])


def floats(descriptors: np.ndarray) -> np.ndarray:
    """Descriptors as numbers to calculate with: whole ones become float32, others stay."""
    return descriptors if descriptors.dtype.kind == "f" else descriptors.astype(np.float32)


@dataclass(frozen=True)
class Side:
    """Descriptors made ready for `fast_block`, as its left or right side."""

    exact: np.ndarray  # (N, D) as given
    factor: np.ndarray  # float32, centred, (N, D) on the left, (D, N) on the right; D + 1 for L2
    norms: np.ndarray  # (N,) float64 of the centred descriptors, L1 or L2
    centre: np.ndarray  # (D,) float32 that was subtracted
    squared: bool  # whether the distance is L2


def right_side(descriptors: np.ndarray, centre: np.ndarray, distance: str) -> Side:
    """(N, D) descriptors b, centred; for L2 as columns (-b, |b|^2 / 2)."""
    squared, size = distance == "L2", len(centre)
    # Any centre will do, so that rounding it is no error; it only must be the same on both sides.
    centre = centre.astype(np.float32)
    factor = np.empty((size + squared, len(descriptors)), np.float32)
    pair = (centre.astype(descriptors.dtype)[:, None], descriptors.T)
    first, second = pair if squared else reversed(pair)
    np.subtract(first, second, out=factor[:size], casting="same_kind")
    norms = _norms(factor[:size], squared)
    factor[size:] = norms**2 / 2
    return Side(descriptors, factor, norms, centre, squared)


def left_side(descriptors: np.ndarray, right: Side) -> Side:
    """(N, D) descriptors a, with the centre and the distance of `right`; for L2 as rows (a, 1)."""
    centre, squared = right.centre, right.squared
    factor = np.ones((len(descriptors), len(centre) + squared), np.float32)
    rows = factor[:, : len(centre)]
    np.subtract(descriptors, centre.astype(descriptors.dtype), out=rows, casting="same_kind")
    return Side(descriptors, factor, _norms(rows.T, squared), centre, squared)


def _norms(columns: np.ndarray, squared: bool) -> np.ndarray:
    if not squared:
        return np.abs(columns).sum(axis=0, dtype=np.float64)
    return np.sqrt(np.einsum("dn,dn->n", columns, columns).astype(np.float64))


def fast_block(left: Side, right: Side, rows: slice, out: np.ndarray) -> np.ndarray:
    """Fast values between some rows of the left side and the whole right side: (n, N) float32.

    The fast value of (a, b) is |a - b|_1 for L1 and |b|^2 / 2 - a.b for L2; for a given a, both
    grow with the distance. They fill the first rows of the buffer `out`, of N columns.
    """
    block = left.factor[rows]
    values = out[: len(block)]
    if left.squared:
        return np.matmul(block, right.factor, out=values)
    _l1_block(block, right.factor, values)
    return values


def margin(left: Side, right: Side) -> np.ndarray:
    """(n,) largest possible error of a fast value, for each row of the left side.

    Rounding the D products and sums, the centred inputs and the half square contributes at most
    half a unit in the last place each, of numbers that |a| and the largest |b| bound (Higham,
    Accuracy and Stability of Numerical Algorithms, section 3.1).
    """
    roundings = left.factor.shape[1] + 8
    size = left.norms + right.norms.max(initial=0)
    return roundings * UNIT * (size * size if left.squared else size) + UNDERFLOW


def block_rows(columns: int, memory: int) -> int:
    """Rows of a float32 block of so many columns that fit into `memory` bytes, at least one."""
    return max(1, int(memory) // (4 * max(columns, 1)))
