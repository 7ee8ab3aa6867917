"""Task 1, verification: do two patches show the same point?"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from .distances import block_rows, floats
from .layout import IMAGES, LEVELS
from .metrics import verification_ap, verification_auc
from .tasks import Tasks
from .workers import DEFAULTS, Resources

KINDS = ("inter", "intra")
BINS = 512  # of the histograms that the bootstrap draws on


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _l2(first, second, pairs, chosen, level, out):
    """float32(sqrt(sum of float32 differences squared in float64)), as SciPy's `euclidean`."""
    for row in chosen:
        t1, t2 = pairs[row, 1], pairs[row, 4]
        a = first[level * IMAGES + t1 if t1 else 0, pairs[row, 2]]
        b = second[level * IMAGES + t2 if t2 else 0, pairs[row, 5]]
        total = 0.0
        for k in range(a.shape[0]):
            difference = np.float64(a[k] - b[k])
            total += difference * difference
        out[level, row] = np.sqrt(total)


def _l1(first, second, pairs, chosen, level, out):
    """Sum in the precision of the descriptors in NumPy's order, as SciPy's `cityblock`."""
    s1, i1, s2, i2 = (pairs[chosen, column] for column in (1, 2, 4, 5))
    a = floats(first[np.where(s1 > 0, level * IMAGES + s1, 0), i1])
    b = floats(second[np.where(s2 > 0, level * IMAGES + s2, 0), i2])
    out[level, chosen] = np.abs(a - b).sum(axis=1)


def pair_distances(
    descriptors: list[np.ndarray],
    pairs: np.ndarray,
    distance: str = "L2",
    resources: Resources = DEFAULTS,
) -> np.ndarray:
    """(3, n) distances of listed pairs at each level, in the descriptors' precision.

    Args:
        descriptors: (16, N, D) of each sequence.
        pairs: (n, 6) rows s1, t1, idx1, s2, t2, idx2.
    """
    out = np.empty((len(LEVELS), len(pairs)), floats(descriptors[0][:0]).dtype)
    if not len(pairs):
        return out
    measure = _l2 if distance == "L2" else _l1

    # Pairs of the same two sequences together: the rows they touch then stay in the cache.
    group = pairs[:, 0].astype(np.int64) * len(descriptors) + pairs[:, 3]
    order = np.argsort(group.astype(np.uint16 if group.max() < 2**16 else np.int64), kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    # L1 gathers both sides of a piece, their differences and sizes, 8 bytes a number at most.
    most = block_rows(8 * descriptors[0].shape[2], resources.share)
    pieces = [
        piece[start : start + most]
        for piece in np.split(order, starts[1:])
        for start in range(0, len(piece), most)
    ]

    def measure_piece(chosen):
        s1, s2 = pairs[chosen[0], 0], pairs[chosen[0], 3]
        for level in range(len(LEVELS)):
            measure(descriptors[s1], descriptors[s2], pairs, chosen, level, out)

    resources.spread(measure_piece, pieces, "verification")
    return out


@dataclass(frozen=True)
class Verification:
    """Results of the task.

    Attributes:
        scores: `scores[level][kind]` is {"auc": balanced ROC AUC, "ap": imbalanced AP}; kind is
            `inter` or `intra`, where the negatives come from. Both are None without negatives.
        distances: (3, n) distances of the `positive`, `inter` and `intra` pairs.
        imbalanced: positives that the imbalanced protocol takes, from the first on.
        histograms: (3 levels, 2 kinds, 2, sequences, bins) counts by distance of the imbalanced
            positives and of the negatives, by sequence of the first patch.
    """

    scores: dict[str, dict[str, dict[str, float]]]
    distances: dict[str, np.ndarray]
    imbalanced: int
    histograms: np.ndarray

    @property
    def value(self) -> float | None:
        """V: mean of the six imbalanced average precisions; None when one is."""
        each = [found["ap"] for kinds in self.scores.values() for found in kinds.values()]
        return None if None in each else float(np.mean(each))

    def resampled(self, weights: np.ndarray) -> np.ndarray:
        """(samples,) V when each sequence counts `weights` (samples, sequences) times."""
        cells = self.histograms.reshape(-1, *self.histograms.shape[2:])
        return np.mean([_histogram_ap(weights @ cell) for cell in cells], axis=0)


def _histogram_ap(counts: np.ndarray) -> np.ndarray:
    """(samples,) average precision from (2, samples, bins) counts of positives and negatives."""
    hits, misses = np.cumsum(counts, axis=-1)
    rows = hits + misses
    precision = np.where(rows > 0, hits / np.maximum(rows, 1), 1)
    before = np.concatenate([precision[:, :1], precision[:, :-1]], axis=1)
    return ((precision + before) / 2 * counts[0]).sum(axis=1) / np.maximum(hits[:, -1], 1)


def verification(
    descriptors: list[np.ndarray],
    tasks: Tasks,
    distance: str = "L2",
    resources: Resources = DEFAULTS,
) -> Verification:
    """Scores how well distances tell matching from other pairs.

    Balanced: ROC AUC over all positives and negatives. Imbalanced: AP over all negatives and the
    first fifth of the positives.
    """
    lists = {kind: getattr(tasks, kind) for kind in ("positive", *KINDS)}
    distances = {
        kind: pair_distances(descriptors, pairs, distance, resources)
        for kind, pairs in lists.items()
    }
    imbalanced = int(0.2 * len(tasks.positive))
    names = {kind: pairs[:, 0] for kind, pairs in lists.items()}

    def score_level(level):
        at_level = {kind: each[level] for kind, each in distances.items()}
        return _score_level(at_level, names, imbalanced, len(descriptors))

    scores, histograms = zip(*resources.spread(score_level, range(len(LEVELS))), strict=True)
    scores = dict(zip(LEVELS, scores, strict=True))
    return Verification(scores, distances, imbalanced, np.array(histograms))


def _score_level(distances, names, imbalanced: int, sequences: int) -> tuple[dict, list]:
    """Scores by kind, and (2 kinds, 2, sequences, bins) counts, from one level's distances."""
    few, few_names = distances["positive"][:imbalanced], names["positive"][:imbalanced]
    positive, first = np.sort(distances["positive"]), np.sort(few)
    scores, histograms = {}, []
    for kind in KINDS:
        negative = np.sort(distances[kind])
        if not len(negative):
            scores[kind] = {"auc": None, "ap": None}
            histograms.append(np.zeros((2, sequences, BINS)))
            continue
        scores[kind] = {
            "auc": verification_auc(positive, negative),
            "ap": verification_ap(first, negative),
        }
        top = max([*first[-1:], negative[-1]])  # fewer than 5 positives leave none
        pairs = ((few, few_names), (distances[kind], names[kind]))
        histograms.append([_histogram(*pair, top, sequences) for pair in pairs])
    return scores, histograms


def _histogram(values: np.ndarray, sequence: np.ndarray, top: float, sequences: int) -> np.ndarray:
    """(sequences, BINS) counts of values 0..top."""
    bins = (values * (np.float64(BINS - 1) / (top or 1))).astype(np.int64)
    counts = np.bincount(sequence * BINS + bins, minlength=sequences * BINS)
    return counts.reshape(sequences, BINS).astype(np.float64)
