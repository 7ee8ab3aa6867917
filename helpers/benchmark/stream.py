"""NumPy's legacy random stream, drawn from faster where the official recipe needs it most."""

import numpy as np
from numba import njit

WORDS = 2**20  # 32-bit words fetched at a time


def first_two(stream: np.random.RandomState, sizes: np.ndarray) -> np.ndarray:
    """What `stream.permutation(n)[:2]` returns for each n >= 2 of `sizes` in turn: (rows, 2) int64.

    It leaves the stream where these calls, or those of `stream.choice(n, 2, replace=False)`, leave
    it, about ten times faster.
    """
    out = np.empty((len(sizes), 2), np.int64)
    shuffled = np.empty(max(sizes, default=0), np.int64)
    words, done, used = np.empty(0, np.uint32), 0, 0
    while done < len(sizes):
        before = stream.get_state()
        fresh = stream.randint(0, 2**32, WORDS, dtype=np.uint32)
        words = np.concatenate([words[used:], fresh])
        done, used = _shuffle_rows(sizes, done, words, shuffled, out)
    if len(sizes):  # hand back the words that were not needed
        stream.set_state(before)
        stream.randint(0, 2**32, WORDS - (len(words) - used), dtype=np.uint32)
    return out


@njit(cache=True)
def _shuffle_rows(sizes, row, words, shuffled, out):
    """Fills rows until the words run out; returns the next row and the words used up to it."""
    used = 0
    while row < sizes.shape[0]:
        position = used
        for i in range(sizes[row]):
            shuffled[i] = i
        for i in range(sizes[row] - 1, 0, -1):
            # NumPy draws 0..i by masking words and rejecting those above i (Fisher-Yates).
            mask = i
            for shift in (1, 2, 4, 8, 16):
                mask |= mask >> shift
            j = i + 1
            while j > i:
                if position == words.shape[0]:
                    return row, used
                j = np.int64(words[position]) & mask
                position += 1
            shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
        out[row, 0], out[row, 1] = shuffled[0], shuffled[1]
        row, used = row + 1, position
    return row, used
