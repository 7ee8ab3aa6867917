"""The tables of the report: DataFrames of full precision, which `show` or `write_table` round.

A column of a comparison begins with the approach, so that headings are grouped and the best one can
be set in bold (`attrs["approaches"]`). An approach whose scores have warnings is marked, and these
are the table's notes (`attrs["notes"]`). Missing values are None or NaN. Rows of measured files and
of scores are dictionaries by id; where one has a "title", the table shows that.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from helpers.benchmark.layout import LEVELS, POOLS, strip_columns
from helpers.report.rounding import BASELINE, ERROR, IMPROVED, Spread
from helpers.report.rounding import show as show  # these are passed on to callers
from helpers.report.rounding import write_table as write_table

MARK = "*"  # behind the name of what has scores with warnings
TITLES = {"baseline": BASELINE, "improved": IMPROVED}  # others have none but their names
TASKS = {"V": "Verification V", "M": "Matching M", "R": "Retrieval R", "S": "Mean S"}
SCORES = {key: key for key in TASKS}  # heading -> name, as all columns of `_listed`
MACS = {"Multiply-adds [M]": "macs"}
COSTS = {"Parameters [k]": "parameters", **MACS, "ms/patch": "milliseconds", "Minutes": "minutes"}
UNITS = {"[k]": 1e3, "[M]": 1e6}  # at the end of a heading: what one of its units holds

# Tables 1-3 of the coursework's interim report, on genuine N-HPatches, split a; rows are levels.
INTERIM_IMBALANCED = ((0.828, 0.742), (0.761, 0.646), (0.678, 0.551))  # inter, intra
INTERIM_MATCHING = (0.213, 0.079, 0.028)
INTERIM_RETRIEVAL = (
    (0.745, 0.609, 0.552, 0.434, 0.386, 0.361, 0.345),
    (0.675, 0.488, 0.412, 0.264, 0.215, 0.190, 0.175),
    (0.574, 0.355, 0.278, 0.148, 0.111, 0.094, 0.084),
)
_INTERIM_TASKS = (INTERIM_IMBALANCED, INTERIM_MATCHING, INTERIM_RETRIEVAL)
INTERIM_SCORES = {key: float(np.mean(ap)) for key, ap in zip("VMR", _INTERIM_TASKS, strict=True)}
INTERIM_SCORES["S"] = float(np.mean(list(INTERIM_SCORES.values())))


# --- all approaches beside one another, from their scores dictionaries (`scores.json`) -----------

Scores = dict[str, Any]


def verification_table(**scores: Scores) -> pd.DataFrame:
    """Table 1: noise level x (balanced AUC, imbalanced AP) x (inter, intra)."""

    def columns(scores: Scores) -> pd.DataFrame:
        cells = {
            (level.title(), kind.title()): metrics
            for level in LEVELS
            for kind, metrics in scores["verification"][level].items()
        }
        frame = pd.DataFrame(cells).T[["auc", "ap"]].unstack()
        return frame.rename(columns={"auc": "Balanced [AUC]", "ap": "Imbalanced [mAP]"})

    return _by_approach(columns, "Noise", scores)


def retrieval_table(**scores: Scores) -> pd.DataFrame:
    """Table 2: retrieval AP, noise level x pool size; a pool that cannot be filled is missing."""

    def columns(scores: Scores) -> pd.DataFrame:
        cells = pd.DataFrame(scores["retrieval"]).reindex([str(pool) for pool in POOLS])
        cells = cells[[*LEVELS, "mean"]].T.rename(columns=lambda pool: f"{int(pool):,}")
        return cells.rename(index=str.title)

    return _by_approach(columns, "Noise", scores)


def matching_table(**scores: Scores) -> pd.DataFrame:
    """Table 3: matching AP of each noise level and their mean."""

    def columns(scores: Scores) -> pd.DataFrame:
        cells = {row.title(): scores["matching"][row] for row in (*LEVELS, "mean")}
        return pd.DataFrame(cells, ["mAP"])

    return _by_approach(columns, "Metric", scores)


def summary_table(**scores: Scores) -> pd.DataFrame:
    """V, M, R, S with their 95 % intervals, and what the interim report gives on other data."""

    def columns(scores: Scores) -> pd.DataFrame:
        cells = [(scores[key], _interval(scores, key)) for key in TASKS]
        return pd.DataFrame(cells, TASKS.values(), ["Score", "95 % interval"])

    frame = _by_approach(columns, "Task", scores)
    heading = "Interim report" if len(scores) > 2 else ("Interim report", "on genuine N-HPatches")
    frame[heading] = [INTERIM_SCORES[key] for key in TASKS] * (len(frame) // len(TASKS))
    return frame


def denoising_table(errors: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Mean absolute error by level, from `denoising_errors` of "noisy" and of approaches."""
    names = {"noisy": "Noisy input", **(TITLES if len(errors) <= 3 else {})}
    frame = pd.DataFrame(errors).rename(index=str.title, columns=names).rename_axis(index=ERROR)
    frame.attrs["approaches"] = [name for name in frame.columns if name != "Noisy input"]
    return frame


def denoising_errors(
    clean: np.ndarray, estimates: dict[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """Mean absolute error in grey levels: name -> "ref", "easy", "hard" or "tough" -> error.

    `clean` and all `estimates` (by their names) are patches (N, 16, 32, 32), 0..255.
    """

    def by_level(patches: np.ndarray) -> dict[str, float]:
        columns = zip(patches.swapaxes(0, 1), clean.swapaxes(0, 1), strict=True)  # saves memory
        errors = [float(np.mean(np.abs(ours.astype(np.float32) - true))) for ours, true in columns]
        means = {level: float(np.mean(errors[strip_columns(level)])) for level in LEVELS}
        return {"ref": errors[0], **means}

    return {name: by_level(patches) for name, patches in estimates.items()}


# --- one row an id -------------------------------------------------------------------------------


def comparison_table(
    rows: dict[str, dict[str, Any]], costs: dict[str, dict[str, float | None]] | None = None
) -> pd.DataFrame:
    """The scores of any number of descriptors on the same test scenes, one a row.

    Args:
        rows: id -> scores dictionary.
        costs: id -> what is known of COSTS; a cost of no row has no column.
    """
    notes = warnings_of(rows)
    rows = {
        key: {"interval": _interval(scores, "S"), **scores, **(costs or {}).get(key, {})}
        | {"title": _marked(scores.get("title", key), scores, rows)}
        for key, scores in rows.items()
    }
    columns = SCORES | {"95 % interval of S": "interval"} | COSTS
    frame = _listed(rows, columns, "Descriptor and patches")
    frame = frame.drop(columns=[heading for heading in COSTS if frame[heading].isna().all()])
    frame.attrs["notes"] = notes
    return frame


def ablation_table(measured: dict[str, Any]) -> pd.DataFrame:
    """`measured/ablation.json`: first what all are compared with, then the best change first."""
    start, *changed = measured["rows"].items()
    rows = [start, *sorted(changed, key=lambda item: -(item[1]["S"] or 0))]
    return _listed(dict(rows), SCORES | MACS, "Change")


def frontier_table(measured: dict[str, Any]) -> pd.DataFrame:
    """`measured/frontier.json`, the cheapest first; "gap": to the row that others start from."""
    rows = {
        key: row
        | {"title": row["descriptor"]}
        | ({} if row["gap_error"] is None else {"gap": Spread(row["gap"], row["gap_error"])})
        for key, row in sorted(measured["rows"].items(), key=lambda item: item[1]["macs"])
    }
    columns = {"Denoiser": "denoiser", **SCORES, "Gap": "gap", **MACS}
    return _listed(rows, columns | {"ms/patch": "milliseconds"}, "Descriptor")


def search_table(measured: dict[str, Any]) -> pd.DataFrame:
    """The trials of `measured/depth.json` that were trained to the end, the best first."""
    rows = [row for row in measured["rows"] if row["validation_loss"] is not None]
    rows.sort(key=lambda row: row["validation_loss"])
    columns = {"Depth": "depth", "Filters": "width", **MACS}
    columns |= {"Learning rate": "learning_rate", "Validation loss": "validation_loss"}
    return _listed({str(row["number"]): row for row in rows}, columns, "Trial")


def seeds_table(measured: dict[str, Any]) -> pd.DataFrame:
    """How far the trainings of `measured/seeds.json` lie apart that differ in their seed alone.

    One row an approach: the number of trainings, and mean and sample standard deviation of each
    score; the score alone where there is one training.
    """
    rows = {}
    for key, row in measured["rows"].items():
        scores = pd.DataFrame(row["trainings"])[[*SCORES]].astype(float)
        rows[key] = row | scores.apply(_spread).to_dict() | {"count": len(scores)}
    return _listed(rows, {"Trainings": "count"} | SCORES, "Approach")


def levels_table(measured: dict[str, Any]) -> pd.DataFrame:
    """V, M and R of each level, means over trainings of `measured/seeds.json`; improved last."""
    rows = {
        key: row | pd.DataFrame(map(_by_level, row["trainings"])).mean(skipna=False).to_dict()
        for key, row in sorted(measured["rows"].items(), key=lambda item: item[0] == "improved")
    }
    columns = {(task, level.title()): (task, level) for task in "VMR" for level in LEVELS}
    return _listed(rows, columns, "Approach")


def inference_table(measured: dict[str, Any]) -> pd.DataFrame:
    """What one patch costs at inference, from `measured/inference.json`."""
    rows = {key: row | {"span": (row["low"], row["high"])} for key, row in measured["rows"].items()}
    columns = {"Parameters": "parameters", **MACS, "Milliseconds/patch": "milliseconds"}
    columns["Lowest, highest"] = "span"
    return _listed(rows, columns, f"Network, batches of {measured['batch']}")


def networks_table(outcomes: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """What each network costs: `outcomes` has its run's outcome.json by its name."""
    columns = {"Parameters": "trainable_parameters", **MACS, "Epochs": "epochs"}
    columns |= {"Minutes": "minutes", "Patches/s": "patches_per_second"}
    return _listed(outcomes, columns, "Network")


def dataset_table(summary: dict[str, Any]) -> pd.DataFrame:
    """Scenes, points and patches of each part, and of all together: `PatchStore.summary()`."""
    frame = pd.DataFrame(summary["parts"]).T[["scenes", "points", "patches"]]
    frame.loc["all"] = frame.sum()
    return frame.rename(index=str.title, columns=str.title).rename_axis(index="Part")


def correlation_table(correlations: dict[str, dict[str, float]]) -> pd.DataFrame:
    """How alike corresponding patches are by scene and level: `dataset.info.correlations`."""
    return pd.DataFrame(correlations).T.rename(columns=str.title).rename_axis(index="Scene")


def provenance_table(entries: dict[str, Any]) -> pd.DataFrame:
    """Where the numbers come from, one fact a row; a "fingerprint" is shortened."""
    facts = pd.Series(entries).astype(str)
    facts["fingerprint"] = facts["fingerprint"][:12]
    return facts.to_frame("Value").rename_axis(index="Fact")


# --- shared pieces -------------------------------------------------------------------------------


def warnings_of(rows: dict[str, Scores]) -> list[str]:
    """What has to be known before scores are believed: "improved*: ties made it."

    What holds for all of them is said of "all".
    """
    shared = _shared(rows)
    own = [
        f"{row.get('title', key)}{MARK}: {sentence}"
        for key, row in rows.items()
        for sentence in row.get("warnings", ())
        if sentence not in shared
    ]
    return [f"all: {sentence}" for sentence in shared] + own


def _shared(rows: dict[str, Scores]) -> list[str]:
    first, *others = [row.get("warnings", []) for row in rows.values()]
    return [sentence for sentence in first if all(sentence in other for other in others)]


def _marked(title: str, scores: Scores, rows: dict[str, Scores]) -> str:
    """The title, and a mark if there are warnings of these scores alone."""
    return title + MARK * bool({*scores.get("warnings", ())} - {*_shared(rows)})


def _by_approach(columns: Callable, name: str, scores: dict[str, Scores]) -> pd.DataFrame:
    """Two approaches side by side, more of them below one another, as pages are not that wide."""
    titles = TITLES if len(scores) == 2 else {}
    frames = {
        _marked(titles.get(key, key), one, scores): columns(one) for key, one in scores.items()
    }
    if titles:
        frame = pd.concat(frames, axis=1)
    else:
        frame = pd.concat(frames)
        frame.index = [f"{title}, {row}" for title, row in frame.index]
    frame.attrs |= {"approaches": list(frames), "notes": warnings_of(scores)}
    return frame.rename_axis(index=name)


def _listed(rows: dict[str, dict[str, Any]], columns: dict[Any, Any], name: str) -> pd.DataFrame:
    """One row each, under its title if it has one; what a row lacks is missing.

    `columns`: heading -> name of its values, which are divided by the heading's unit.
    """

    def value(row: dict[str, Any], heading: Any) -> Any:
        found, unit = row.get(columns[heading]), UNITS.get(str(heading).split()[-1])
        return found if unit is None or found is None else found / unit

    # Objects keep an int an int where another row misses it.
    cells = {heading: [value(row, heading) for row in rows.values()] for heading in columns}
    titles = [row.get("title", key) for key, row in rows.items()]
    return pd.DataFrame(cells, titles, dtype=object).rename_axis(index=name)


def _interval(scores: dict[str, Any], key: str) -> tuple[float, ...] | None:
    bounds = scores["intervals"][key]
    return None if bounds is None else tuple(bounds)


def _by_level(scores: dict[str, Any]) -> dict[tuple[str, str], float]:
    """V, M and R of each level, NaN where missing; R is the mean of the pools that there are."""
    found = {}
    for level in LEVELS:
        kinds = pd.DataFrame(scores["verification"][level], dtype=float)
        found["V", level] = kinds.loc["ap"].mean(skipna=False)
        found["M", level] = np.float64(scores["matching"][level])
        found["R", level] = pd.Series(scores["retrieval"][level], dtype=float).mean()
    return found


def _spread(values: pd.Series) -> Spread | float:
    """The score of one training, mean and deviation of several; NaN where one has no score."""
    mean = values.mean(skipna=False)
    return mean if len(values) == 1 or np.isnan(mean) else Spread(mean, values.std())
