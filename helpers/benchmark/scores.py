"""All three tasks on one set of descriptors, and the numbers V, M, R and S."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .distances import DISTANCES
from .errors import BenchmarkError
from .intervals import bootstrap
from .layout import IMAGES, LEVELS, POOLS, STRIPS, TASKS
from .matching import Matching, matching
from .retrieval import Retrieval, retrieval
from .tasks import PAIR_FILES, PATCH_FILES, Tasks
from .verification import Verification, verification
from .workers import DEFAULTS, Resources

TIES_MATTER = 0.001
LARGEST = 1e15  # beyond it squares leave the range of float32


@dataclass(frozen=True)
class Scores:
    """Results of the tasks that were run; the others are None.

    V is the mean of the six imbalanced APs, M the mean matching AP over levels, R the mean
    retrieval AP over levels and the *available* pools (those that the list has enough distractors
    for), S = (V + M + R) / 3. A score that cannot be computed is None.

    Attributes:
        tasks: the task lists.
        distance: `L2` or `L1`.
        points: number of points of all sequences.
        verification, matching, retrieval: results of each task.
        intervals: 95 % bootstrap interval over sequences of V, M, R and S.
    """

    tasks: Tasks
    distance: str
    points: int
    verification: Verification | None
    matching: Matching | None
    retrieval: Retrieval | None
    intervals: dict[str, tuple[float, float] | None]

    @property
    def V(self) -> float | None:
        """Verification score in 0..1."""
        return self.verification.value if self.verification else None

    @property
    def M(self) -> float | None:
        """Matching score in 0..1."""
        return self.matching.value if self.matching else None

    @property
    def R(self) -> float | None:
        """Retrieval score in 0..1."""
        return self.retrieval.value if self.retrieval else None

    @property
    def S(self) -> float | None:
        """Mean of V, M and R."""
        return _mean(self.V, self.M, self.R)

    @property
    def pessimistic(self) -> dict[str, float | None]:
        """V, M, R and S with every tie counted against; verification does so by definition."""
        m = float(self.matching.pessimistic.mean()) if self.matching else None
        r = float(self.retrieval.pessimistic.mean()) if self.R is not None else None
        return {"V": self.V, "M": m, "R": r, "S": _mean(self.V, m, r)}

    @property
    def tie_warning(self) -> str | None:
        """A sentence, when ties decide a score by more than 0.001; else None."""
        unlike = [
            f"{name} {getattr(self, name):.4f} is {worst:.4f}"
            for name, worst in self.pessimistic.items()
            if worst is not None and abs(getattr(self, name) - worst) > TIES_MATTER
        ]
        if not unlike:
            return None
        return f"Many distances are tied: with ties counted against, {', '.join(unlike)}."

    def to_json(self) -> dict[str, Any]:
        """Every number in full precision, as plain values; null where there is none."""
        tasks = self.tasks
        return {
            "verification": self.verification.scores if self.verification else None,
            "matching": self._matching_json(),
            "retrieval": self._retrieval_json(),
            "V": self.V,
            "M": self.M,
            "R": self.R,
            "S": self.S,
            "intervals": {
                key: list(pair) if pair else None for key, pair in self.intervals.items()
            },
            "pessimistic": self.pessimistic,
            "pools": list(self.retrieval.pools) if self.retrieval else None,
            "distance": self.distance,
            "tasks": {
                "split": tasks.split,
                "positives": len(tasks.positive),
                "negatives": len(tasks.inter),
                "queries": len(tasks.queries),
                "distractors": len(tasks.distractors),
                "sequences": list(tasks.sequences),
                "points": self.points,
            },
        }

    def _matching_json(self) -> dict[str, Any] | None:
        if self.matching is None:
            return None
        levels = dict(zip(LEVELS, map(float, self.matching.levels), strict=True))
        sequences = {}
        for s, name in enumerate(self.tasks.sequences):
            ap, success = self.matching.ap[s].ravel(), self.matching.success[s].ravel()
            sequences[name] = {
                strip: {"ap": float(ap[i]), "sr": float(success[i])}
                for i, strip in enumerate(STRIPS[1:])
            }
        return {**levels, "mean": self.M, "sequences": sequences}

    def _retrieval_json(self) -> dict[str, Any] | None:
        if self.retrieval is None:
            return None
        rows = dict(zip(LEVELS, self.retrieval.table, strict=True))
        rows["mean"] = self.retrieval.table.mean(axis=0)
        return {name: self._by_pool(row) for name, row in rows.items()}

    def _by_pool(self, row: np.ndarray) -> dict[str, float | None]:
        values = dict(zip(self.retrieval.pools, map(float, row), strict=True))
        return {str(pool): values.get(pool) for pool in self.retrieval.wanted}


def _mean(*values: float | None) -> float | None:
    return None if None in values else float(np.mean(values))


def evaluate(
    descriptors: Mapping[str, np.ndarray],
    tasks: Tasks,
    distance: str = "L2",
    pools: Sequence[int] = POOLS,
    *,
    run: Sequence[str] = TASKS,
    samples: int = 1000,
    resources: Resources = DEFAULTS,
) -> Scores:
    """Scores descriptors on the HPatches tasks.

    Args:
        descriptors: (16, N, D) of each test sequence, strips in the order of `STRIPS`; float32,
            or float64 as `pca_power_law` returns them. Others are converted to float32.
        tasks: the lists, from `generate_tasks` or `read_tasks`.
        distance: `L2` or `L1`.
        pools: retrieval pool sizes, above 5.
        run: which of `verification`, `matching`, `retrieval`.
        samples: bootstrap samples behind the 95 % intervals.
        resources: how much of the machine may be used, and whether progress is shown.

    Raises:
        BenchmarkError: bad descriptors (missing sequence, ragged, NaN), or a list that points past
            a strip.
    """
    if distance not in DISTANCES:
        raise BenchmarkError(f"There is no distance {distance!r}: choose L2 or L1.")
    if min(pools, default=0) <= IMAGES:
        raise BenchmarkError(f"Pools {list(pools)} must all be above {IMAGES}, the positives.")
    arrays = _checked(descriptors, tasks)
    results = [
        verification(arrays, tasks, distance, resources) if "verification" in run else None,
        matching(arrays, distance, resources) if "matching" in run else None,
        retrieval(arrays, tasks, pools, distance, resources) if "retrieval" in run else None,
    ]
    points = sum(array.shape[1] for array in arrays)
    scores = Scores(tasks, distance, points, *results, bootstrap(*results, len(arrays), samples))
    if scores.tie_warning:
        warnings.warn(scores.tie_warning, stacklevel=2)
    return scores


def _checked(descriptors: Mapping[str, np.ndarray], tasks: Tasks) -> list[np.ndarray]:
    """The arrays of the test sequences in order, once all is known to be sound."""
    arrays = []
    for name in tasks.sequences:
        if name not in descriptors:
            raise BenchmarkError(
                f"Sequence {name} of split {tasks.split} has no descriptors: describe it too, or "
                "choose another split."
            )
        array = np.asarray(descriptors[name])
        numeric = array.dtype.kind in "fiub"
        if not numeric or array.ndim != 3 or len(array) != len(STRIPS) or 0 in array.shape:
            raise BenchmarkError(
                f"Descriptors of {name} have shape {array.shape} and type {array.dtype}: they "
                "should be numbers of shape (16, points, D)."
            )
        if arrays and array.shape[2] != arrays[0].shape[2]:
            raise BenchmarkError(
                f"Descriptors of {name} have {array.shape[2]} numbers but those of "
                f"{tasks.sequences[0]} {arrays[0].shape[2]}: describe both the same way."
            )
        arrays.append(array)
    whitened = all(array.dtype == np.float64 for array in arrays)
    # Contiguous, as views such as a transposed (points, 16, D) would make every task slower.
    with np.errstate(over="ignore"):  # infinities are refused below
        arrays = [np.ascontiguousarray(a, np.float64 if whitened else np.float32) for a in arrays]
    for name, array in zip(tasks.sequences, arrays, strict=True):
        _check_values(name, array)
    _check_rows(tasks, np.array([array.shape[1] for array in arrays]))
    return arrays


def _check_values(name: str, array: np.ndarray) -> None:
    for strip, rows in zip(STRIPS, array, strict=True):
        if rows.min() >= -LARGEST and rows.max() <= LARGEST:  # false for NaN as well
            continue
        row = int(np.argmin((np.abs(rows) <= LARGEST).all(axis=1)))
        raise BenchmarkError(
            f"Sequence {name}, strip {strip}, row {row} has a value that is NaN, infinite or above "
            f"{LARGEST:g}: no score would mean anything; correct the descriptor."
        )


def _check_rows(tasks: Tasks, lengths: np.ndarray) -> None:
    for kind in (*PAIR_FILES, *PATCH_FILES):
        rows = getattr(tasks, kind)
        for first in range(0, rows.shape[1], 3):
            sequence, point = rows[:, first], rows[:, first + (2 if kind in PAIR_FILES else 1)]
            bad = point >= lengths[sequence]
            if bad.any():
                line = int(np.argmax(bad))
                name = tasks.sequences[sequence[line]]
                place = (
                    f"{tasks.files[kind]}, line {line + 2}"
                    if kind in tasks.files
                    else (f"{kind} row {line}")
                )
                raise BenchmarkError(
                    f"{place}: point {point[line]} of {name} is past its "
                    f"{lengths[sequence[line]]} descriptors: use the lists of this dataset."
                )
