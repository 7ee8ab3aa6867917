"""How sure the scores are: 95 % intervals by bootstrap over sequences."""

import numpy as np

from .matching import Matching
from .retrieval import Retrieval
from .verification import Verification

SEED = 0


def bootstrap(
    verification: Verification | None,
    matching: Matching | None,
    retrieval: Retrieval | None,
    sequences: int,
    samples: int,
) -> dict[str, tuple[float, float] | None]:
    """Draws the test sequences anew with replacement and scores each draw.

    Sequences are what differs from dataset to dataset; patches of one sequence are not
    independent, so drawing pairs or queries would give intervals that are far too narrow. A pair
    counts as often as the sequence of its first patch was drawn, a query as often as its own.
    Verification is re-scored from histograms of the distances, which is off by about 0.002 with a
    hundred positives and 0.00002 with a million.

    Args:
        verification, matching, retrieval: the results, None for tasks that were not run.
        sequences: number of test sequences; fewer than two give no intervals.
        samples: number of draws.

    Returns:
        (2.5 %, 97.5 %) quantiles of V, M, R and S, None where there is none.
    """
    rng = np.random.default_rng(SEED)
    weights = rng.multinomial(sequences, np.full(sequences, 1 / sequences), samples).astype(float)
    draws = {"V": None, "M": None, "R": None, "S": None}
    if verification:
        draws["V"] = verification.resampled(weights)
    if matching:
        draws["M"] = weights @ matching.ap.mean(axis=(1, 2)) / sequences
    if retrieval and retrieval.pools:
        draws["R"] = _retrieval(retrieval, weights)
    if all(draws[name] is not None for name in "VMR"):
        draws["S"] = (draws["V"] + draws["M"] + draws["R"]) / 3
    enough = sequences > 1 and samples > 0
    return {name: _interval(values) if enough else None for name, values in draws.items()}


def _retrieval(retrieval: Retrieval, weights: np.ndarray) -> np.ndarray:
    sequences = weights.shape[1]
    each = retrieval.ap.mean(axis=(1, 2))
    sums = np.bincount(retrieval.sequence, each, sequences)
    counts = np.bincount(retrieval.sequence, minlength=sequences)
    drawn = weights @ counts
    with np.errstate(invalid="ignore"):  # NaN for a draw of scenes without any query
        return np.where(drawn > 0, weights @ sums / drawn, np.nan)


def _interval(values: np.ndarray | None) -> tuple[float, float] | None:
    if values is None:
        return None
    low, high = np.nanquantile(values, (0.025, 0.975))
    return float(low), float(high)
