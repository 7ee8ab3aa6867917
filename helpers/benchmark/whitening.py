"""The official post-processing of descriptors: ZCA whitening, signed square root, unit norm."""

from collections.abc import Mapping, Sequence

import numpy as np

from .errors import BenchmarkError

KEPT = 0.6  # eigenvalues are floored at the one of this rank


def pca_power_law(
    descriptors: Mapping[str, np.ndarray], train: Sequence[str], test: Sequence[str]
) -> dict[str, np.ndarray]:
    """Whitens test descriptors with the covariance of training reference patches.

    Each test strip is centred by its own mean, in float32 and column by column, as the official
    evaluator does; everything after that is float64.

    Args:
        descriptors: (16, N, D) of each sequence; of training sequences only strip 0 is used.

    Returns:
        (16, N, D) float64 of each test sequence.

    Raises:
        BenchmarkError: the split has no training sequences, one has no descriptors, or they vary
            too little.
    """
    missing = [name for name in (*train, *test) if name not in descriptors]
    if not train or missing:
        raise BenchmarkError(
            "PCA needs descriptors of the split's training sequences, but "
            + (f"{missing[0]} has none: describe it too." if missing else "the split has none.")
        )
    whiten = _whitening(np.concatenate([descriptors[name][0] for name in train]))
    return {
        name: np.stack([_transform(strip, whiten) for strip in descriptors[name]]) for name in test
    }


def _whitening(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    rows -= rows.mean(axis=0)
    covariance = rows.T @ rows
    values, vectors = np.linalg.eigh((covariance + covariance.T) / (2 * len(rows)))
    floor = np.sort(values)[int(KEPT * len(values))]
    if not floor > 0:  # NaN as well
        raise BenchmarkError(
            f"PCA needs training descriptors that vary in more than {1 - KEPT:.0%} of their "
            f"{len(values)} directions: give more training points, or leave --pca-power-law out."
        )
    values = np.maximum(values, floor)
    return vectors @ np.diag(1 / np.sqrt(values)) @ vectors.T


def _transform(strip: np.ndarray, whiten: np.ndarray) -> np.ndarray:
    columns = np.asfortranarray(strip)  # the order of summation decides the mean's last bit
    projected = (columns - columns.mean(axis=0)) @ whiten
    powered = np.sign(projected) * np.sqrt(np.abs(projected))
    norms = np.linalg.norm(powered, axis=1, keepdims=True)
    return np.divide(powered, norms, out=np.zeros_like(powered), where=norms > 0)
