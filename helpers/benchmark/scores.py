"""All three tasks on one set of descriptors, and the numbers V, M, R and S."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .distances import DISTANCES
from .errors import BenchmarkError
from .files import check_shape
from .intervals import bootstrap
from .layout import IMAGES, LEVELS, POOLS, STRIPS, TASKS
from .matching import Matching, matching
from .retrieval import Retrieval, retrieval
from .tasks import COLUMNS, PAIRS, STEMS, Tasks
from .verification import Verification, verification
from .workers import DEFAULTS, Resources

TIES_MATTER = 0.001
LEAST_REACH = 0.5  # of a list: drawn for all points, even a short one names some of the last
# Unsigned whole numbers would wrap around.
AS_THEY_ARE = {np.dtype(kind) for kind in (np.float64, np.int16, np.int8)}
LARGEST = 1e15  # beyond it squares leave the range of float32


@dataclass(frozen=True)
class Scores:
    """Results of the tasks that were run; the others are None.

    Attributes:
        points: number of points of all sequences.
        V: mean of the six imbalanced APs, in 0..1 as are all scores.
        M: mean matching AP over levels.
        R: mean retrieval AP over levels and the pools that the list has enough distractors for.
        S: (V + M + R) / 3. A score that cannot be computed is None.
        intervals: 95 % bootstrap interval over sequences of V, M, R and S.
        constant: names of the sequences whose reference descriptors are all the same.
        reach: the last point that the lists name, as a share of the points, over all sequences.
    """

    tasks: Tasks
    distance: str
    points: int
    verification: Verification | None
    matching: Matching | None
    retrieval: Retrieval | None
    V: float | None
    M: float | None
    R: float | None
    S: float | None
    intervals: dict[str, tuple[float, float] | None]
    constant: tuple[str, ...]
    reach: float

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
        said = f"Many distances are tied: with ties counted against, {', '.join(unlike)}."
        return said if unlike else None

    @property
    def warnings(self) -> list[str]:
        """Sentences on what the scores must not be taken for; none where all is in order."""
        said = [self.tie_warning] if self.tie_warning else []
        if self.constant:
            said.append(
                f"All points of {', '.join(self.constant)} have the same descriptor: it has "
                "collapsed there, whatever the scores are."
            )
        if self.reach < LEAST_REACH:
            said.append(
                f"The lists name points of the first {self.reach:.0%} only: they may have been "
                "drawn for fewer points than are described."
            )
        if len(self.tasks.sequences) == 1:
            said.append(
                "There is one sequence only: V and S, which need pairs of two, are missing, and "
                "the distractors of R are patches of the same sequence, which is not the benchmark."
            )
        found = self.retrieval
        if found and (missing := sorted({*found.wanted} - {*found.pools})):
            said.append(
                f"Retrieval has no pools of {', '.join(map(str, missing))}, as there are only "
                f"{len(self.tasks.distractors)} distractors: R is "
                + ("the mean of the others." if found.pools else "missing.")
            )
        return said

    def to_json(self) -> dict[str, Any]:
        """Every number in full precision, as plain values; null where there is none."""
        tasks = self.tasks
        return {
            "verification": self.verification.scores if self.verification else None,
            "matching": self._matching_json(),
            "retrieval": self._retrieval_json(),
            **{name: getattr(self, name) for name in "VMRS"},
            "intervals": {key: pair and list(pair) for key, pair in self.intervals.items()},
            "pessimistic": self.pessimistic,
            "pools": list(self.retrieval.pools) if self.retrieval else None,
            "distance": self.distance,
            "warnings": self.warnings,
            "tasks": {
                "split": tasks.split,
                "lists": tasks.origin,
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
        levels = dict(zip(LEVELS, self.matching.levels.tolist(), strict=True))
        found = np.stack([self.matching.ap, self.matching.success], axis=-1)
        rows = found.reshape(len(found), -1, 2).tolist()
        sequences = {
            name: {s: {"ap": ap, "sr": sr} for s, (ap, sr) in zip(STRIPS[1:], row, strict=True)}
            for name, row in zip(self.tasks.sequences, rows, strict=True)
        }
        return {**levels, "mean": self.M, "sequences": sequences}

    def _retrieval_json(self) -> dict[str, Any] | None:
        if self.retrieval is None:
            return None
        found = {}
        rows = [*self.retrieval.table, self.retrieval.table.mean(axis=0)]
        for name, row in zip((*LEVELS, "mean"), rows, strict=True):
            values = dict(zip(self.retrieval.pools, row.tolist(), strict=True))
            found[name] = {str(pool): values.get(pool) for pool in self.retrieval.wanted}
        return found


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
            or float64 as `pca_power_law` returns them. Others are taken as float32; int8 and int16
            keep their size in memory.
        tasks: the lists, from `generate_tasks` or `read_tasks`.
        distance: `L2` or `L1`.
        pools: retrieval pool sizes, above 5.
        run: which of `verification`, `matching`, `retrieval`.
        samples: bootstrap samples behind the 95 % intervals.
        resources: how much of the machine may be used, and whether progress is shown.

    Raises:
        BenchmarkError: descriptors are missing, ragged or NaN, or a list points past a strip.
    """
    if distance not in DISTANCES or min(pools, default=0) <= IMAGES:
        raise BenchmarkError(
            f"Distance {distance!r} and pools {list(pools)} cannot be: choose L2 or L1, and pools "
            f"above {IMAGES}, the positives."
        )
    arrays = _checked(descriptors, tasks)
    works = {
        "verification": lambda: verification(arrays, tasks, distance, resources),
        "matching": lambda: matching(arrays, distance, resources),
        "retrieval": lambda: retrieval(arrays, tasks, pools, distance, resources),
    }
    results = [work() if name in run else None for name, work in works.items()]
    values = [result and result.value for result in results]
    intervals = bootstrap(dict(zip("VMR", results, strict=True)), len(arrays), samples)
    points = sum(array.shape[1] for array in arrays)
    constant = tuple(
        name
        for name, array in zip(tasks.sequences, arrays, strict=True)
        if array.shape[1] > 1 and (array[0] == array[0, 0]).all()
    )
    scores = Scores(
        *(tasks, distance, points, *results, *values, _mean(*values), intervals, constant),
        reach=_reach(tasks, np.array([array.shape[1] for array in arrays])),
    )
    if scores.tie_warning:
        warnings.warn(scores.tie_warning, stacklevel=2)
    return scores


def _reach(tasks: Tasks, lengths: np.ndarray) -> float:
    last = np.zeros(len(lengths), int)
    for sequences, points in (tasks.positive[:, [0, 2]].T, tasks.queries.T):
        np.maximum.at(last, sequences, points + 1)
    return float(last.sum() / lengths[last > 0].sum())


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
        check_shape(f"Descriptors of {name}", array)
        if arrays and array.shape[2] != arrays[0].shape[2]:
            raise BenchmarkError(
                f"Descriptors of {name} have {array.shape[2]} numbers but those of "
                f"{tasks.sequences[0]} {arrays[0].shape[2]}: describe both the same way."
            )
        arrays.append(array)
    kinds = {array.dtype for array in arrays}
    kept = kinds.pop() if len(kinds) == 1 and kinds <= AS_THEY_ARE else np.float32
    # Contiguous, as views such as a transposed (points, 16, D) would make every task slower.
    with np.errstate(over="ignore"):  # infinities are refused below
        arrays = [np.ascontiguousarray(array, kept) for array in arrays]
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
    for kind, columns in COLUMNS.items():
        rows = dict(zip(columns, getattr(tasks, kind).T, strict=True))
        for end in ("1", "2") if kind in PAIRS else ("",):
            sequence, point = rows[f"s{end}"], rows[f"idx{end}"]
            bad = point >= lengths[sequence]
            if bad.any():
                row = int(np.argmax(bad))
                raise BenchmarkError(
                    f"{STEMS[kind]}, line {row + 2}: point {point[row]} of "
                    f"{tasks.sequences[sequence[row]]} is past its {lengths[sequence[row]]} "
                    "descriptors: use the lists of this dataset."
                )
