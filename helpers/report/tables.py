"""The tables of the report: DataFrames of full precision, rounded only when shown or written.

A column of a comparison is a tuple whose first entry is the approach, so that pandas shows grouped
headings and the better one of each pair can be set in bold. Missing values are None or NaN.
"""

from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from helpers.benchmark.layout import LEVELS, POOLS
from helpers.common import paths
from helpers.common.files import write_text

BASELINE, IMPROVED = "Baseline approach", "Improved approach"

# Tables 1-3 of the coursework's interim report, on genuine N-HPatches, split a; rows are levels.
INTERIM_IMBALANCED = ((0.828, 0.742), (0.761, 0.646), (0.678, 0.551))  # inter, intra
INTERIM_MATCHING = (0.213, 0.079, 0.028)
INTERIM_RETRIEVAL = (
    (0.745, 0.609, 0.552, 0.434, 0.386, 0.361, 0.345),
    (0.675, 0.488, 0.412, 0.264, 0.215, 0.190, 0.175),
    (0.574, 0.355, 0.278, 0.148, 0.111, 0.094, 0.084),
)
INTERIM_SCORES = {  # by the same means as ours
    "V": float(np.mean(INTERIM_IMBALANCED)),
    "M": float(np.mean(INTERIM_MATCHING)),
    "R": float(np.mean(INTERIM_RETRIEVAL)),
}
INTERIM_SCORES["S"] = float(np.mean(list(INTERIM_SCORES.values())))

ERROR = "MAE"  # heading of rows in which the lower number is the better one
# By heading of the column or of the rows; everything else gets three.
DECIMALS = {
    "Parameters [k]": 0, "Multiply-adds [M]": 1, "Epochs": 1, "Minutes": 1, "Patches/s": 0,
    ERROR: 2, "Learning rate": 4,
}  # fmt: skip
COSTS = {  # of a comparison: key -> heading and what one of its units holds
    "parameters": ("Parameters [k]", 1e3),
    "macs": ("Multiply-adds [M]", 1e6),
    "milliseconds": ("ms/patch", 1),
    "minutes": ("Minutes", 1),
}
MISSING = "–"


@dataclass(frozen=True)
class Spread:
    """A cell that says how far repeated trainings lie apart: mean and sample deviation."""

    mean: float
    deviation: float


# --- the tables ----------------------------------------------------------------------------------


def verification_table(baseline: dict[str, Any], improved: dict[str, Any]) -> pd.DataFrame:
    """Table 1: noise level x (balanced AUC, imbalanced AP) x (inter, intra), both approaches.

    Args:
        baseline, improved: scores dictionaries (`scores.json`).
    """

    def columns(scores: dict[str, Any]) -> dict[tuple[str, str], list[float]]:
        cells = scores["verification"]
        return {
            (variant, kind.title()): [cells[level][kind][metric] for level in LEVELS]
            for variant, metric in (("Balanced [AUC]", "auc"), ("Imbalanced [mAP]", "ap"))
            for kind in ("inter", "intra")
        }

    frame = _side_by_side(columns(baseline), columns(improved))
    return _with_rows(frame, [level.title() for level in LEVELS], "Noise")


def retrieval_table(baseline: dict[str, Any], improved: dict[str, Any]) -> pd.DataFrame:
    """Table 2: retrieval AP, noise level x pool size; pools that could not be filled are missing.

    Args:
        baseline, improved: scores dictionaries.
    """
    rows = (*LEVELS, "mean")

    def columns(scores: dict[str, Any]) -> dict[tuple[str], list[float | None]]:
        cells = scores["retrieval"]
        return {(f"{pool:,}",): [cells[row].get(str(pool)) for row in rows] for pool in POOLS}

    frame = _side_by_side(columns(baseline), columns(improved))
    return _with_rows(frame, [row.title() for row in rows], "Noise")


def matching_table(baseline: dict[str, Any], improved: dict[str, Any]) -> pd.DataFrame:
    """Table 3: matching AP of each noise level and their mean.

    Args:
        baseline, improved: scores dictionaries.
    """

    def columns(scores: dict[str, Any]) -> dict[tuple[str], list[float]]:
        return {(row.title(),): [scores["matching"][row]] for row in (*LEVELS, "mean")}

    return _with_rows(_side_by_side(columns(baseline), columns(improved)), ["mAP"], "Metric")


def summary_table(baseline: dict[str, Any], improved: dict[str, Any]) -> pd.DataFrame:
    """V, M, R, S with their 95 % intervals, and what the interim report gives on other data.

    Args:
        baseline, improved: scores dictionaries.
    """
    keys = ("V", "M", "R", "S")

    def columns(scores: dict[str, Any]) -> dict[tuple[str], list[Any]]:
        return {
            ("Score",): [scores[key] for key in keys],
            ("95 % interval",): [_interval(scores["intervals"][key]) for key in keys],
        }

    frame = _side_by_side(columns(baseline), columns(improved))
    frame["Interim report", "on genuine N-HPatches"] = [INTERIM_SCORES[key] for key in keys]
    names = ["Verification V", "Matching M", "Retrieval R", "Mean S"]
    return _with_rows(frame, names, "Task")


def comparison_table(
    rows: dict[str, dict[str, Any]], costs: dict[str, dict[str, float | None]] | None = None
) -> pd.DataFrame:
    """The scores of any number of descriptors on the same test scenes, one a row.

    Args:
        rows: name -> scores dictionary.
        costs: name -> what is known of "parameters", "macs" (both of one pipeline),
            "milliseconds" a patch and "minutes" of training; a cost of no row has no column.
    """
    frame = pd.DataFrame(
        {key: [scores[key] for scores in rows.values()] for key in ("V", "M", "R", "S")}
    )
    frame["95 % interval of S"] = [_interval(scores["intervals"]["S"]) for scores in rows.values()]
    for key, (heading, unit) in COSTS.items():
        values = [(costs or {}).get(name, {}).get(key) for name in rows]
        if any(value is not None for value in values):
            frame[heading] = [None if value is None else value / unit for value in values]
    return _with_rows(frame, list(rows), "Descriptor and patches")


def ablation_table(measured: dict[str, Any]) -> pd.DataFrame:
    """What each change of a descriptor did: first what all are compared with, then the best first.

    Args:
        measured: what `benchmarks/ablation.py` has written; its first row has no change.
    """
    start, *changed = measured["rows"].items()
    rows = [start, *sorted(changed, key=lambda item: -(item[1]["S"] or 0))]
    columns = {key: [row[key] for _, row in rows] for key in ("V", "M", "R", "S")}
    columns["Multiply-adds [M]"] = [_millions(row["macs"]) for _, row in rows]
    return _with_rows(pd.DataFrame(columns), [name for name, _ in rows], "Change")


def search_table(measured: dict[str, Any]) -> pd.DataFrame:
    """The trials of a search over depth that were trained to the end, the best first.

    Args:
        measured: `report/measured/depth.json`, whose `rows` give for each trial `number`, `depth`,
            `width`, `learning_rate`, `macs` and `validation_loss`, None if it was given
            up.
    """
    rows = [row for row in measured["rows"] if row["validation_loss"] is not None]
    rows.sort(key=lambda row: row["validation_loss"])
    columns = {"Depth": "depth", "Filters": "width", "Learning rate": "learning_rate"}
    columns["Validation loss"] = "validation_loss"
    frame = pd.DataFrame({name: [row[key] for row in rows] for name, key in columns.items()})
    frame.insert(2, "Multiply-adds [M]", [_millions(row["macs"]) for row in rows])
    return _with_rows(frame, [str(row["number"]) for row in rows], "Trial")


def seeds_table(measured: dict[str, Any]) -> pd.DataFrame:
    """How far trainings lie apart that differ in nothing but their seed.

    Args:
        measured: `report/measured/seeds.json`, whose `rows` give for each approach a list of
            trainings with their `V`, `M`, `R` and `S`.

    Returns:
        One row an approach: the number of trainings, and mean and sample standard deviation of
        each score; the score alone where there is one training.
    """
    rows = measured["rows"]
    columns: dict[str, list[Any]] = {"Trainings": [len(runs) for runs in rows.values()]}
    for key in ("V", "M", "R", "S"):
        columns[key] = [_spread([run[key] for run in runs]) for runs in rows.values()]
    return _with_rows(pd.DataFrame(columns, dtype=object), list(rows), "Approach")


def levels_table(measured: dict[str, Any]) -> pd.DataFrame:
    """V, M and R of each noise level, mean over trainings; the improved approach last.

    Args:
        measured: `report/measured/seeds.json`, whose trainings hold their `verification`,
            `matching` and `retrieval`.
    """
    rows = sorted(measured["rows"].items(), key=lambda item: item[0] == "improved")
    frame = pd.DataFrame(
        {
            (task, level.title()): [
                _mean([_at_level(run, level)[task] for run in trainings]) for _, trainings in rows
            ]
            for task in "VMR"
            for level in LEVELS
        }
    )
    return _with_rows(frame, [name for name, _ in rows], "Approach")


def _at_level(scores: dict[str, Any], level: str) -> dict[str, float | None]:
    """V, M and R of a level; each is the mean of its three levels, unless a pool is missing."""
    pools = [ap for ap in scores["retrieval"][level].values() if ap is not None]
    return {
        "V": _mean([kind["ap"] for kind in scores["verification"][level].values()]),
        "M": scores["matching"][level],
        "R": _mean(pools),
    }


def inference_table(measured: dict[str, Any]) -> pd.DataFrame:
    """What one patch costs at inference.

    Args:
        measured: `report/measured/inference.json`, whose `rows` give for each network
            `milliseconds` a patch with the `low` and `high` of its repetitions, and for networks
            `macs` and `parameters`; `batch` patches went through at once.
    """
    rows = measured["rows"]
    columns = {
        "Parameters": [row.get("parameters") for row in rows.values()],
        "Multiply-adds [M]": [_millions(row.get("macs")) for row in rows.values()],
        "Milliseconds/patch": [row["milliseconds"] for row in rows.values()],
        "Lowest, highest": [(row["low"], row["high"]) for row in rows.values()],
    }
    name = f"Network, batches of {measured['batch']}"
    return _with_rows(pd.DataFrame(columns, dtype=object), list(rows), name)


def denoising_errors(
    clean: np.ndarray, estimates: dict[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """Mean absolute error of noisy or denoised patches by level, in grey levels.

    Args:
        clean: uint8 (N, 16, 32, 32), strips in the order of the dataset.
        estimates: name -> (N, 16, 32, 32), grey levels 0..255.

    Returns:
        name -> {"ref", "easy", "hard", "tough"} -> error, JSON-able.
    """
    strips = {"ref": [0], "easy": range(1, 6), "hard": range(6, 11), "tough": range(11, 16)}

    def error(patches: np.ndarray, strip: int) -> float:  # strip by strip keeps the memory small
        return float(np.mean(np.abs(patches[:, strip].astype(np.float32) - clean[:, strip])))

    return {
        name: {
            level: float(np.mean([error(patches, strip) for strip in numbers]))
            for level, numbers in strips.items()
        }
        for name, patches in estimates.items()
    }


def denoising_table(errors: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Mean absolute error of the patches by level.

    Args:
        errors: `denoising_errors` of "noisy" and of "baseline", "improved" or both.
    """
    names = {"noisy": "Noisy input", "baseline": BASELINE, "improved": IMPROVED}
    frame = pd.DataFrame({(names[key],): list(rows.values()) for key, rows in errors.items()})
    return _with_rows(frame, [level.title() for level in errors["noisy"]], ERROR)


def networks_table(outcomes: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """What each network costs.

    Args:
        outcomes: label of a network -> its run's outcome.json.
    """
    columns = {
        "Parameters": [run.get("trainable_parameters") for run in outcomes.values()],
        "Multiply-adds [M]": [_millions(run.get("macs")) for run in outcomes.values()],
        "Epochs": [run.get("epochs") for run in outcomes.values()],
        "Minutes": [run.get("minutes") for run in outcomes.values()],
        "Patches/s": [run.get("patches_per_second") for run in outcomes.values()],
    }
    # Objects keep an int an int where another row misses it.
    return _with_rows(pd.DataFrame(columns, dtype=object), list(outcomes), "Network")


def dataset_table(summary: dict[str, Any]) -> pd.DataFrame:
    """Scenes, points and patches of each part, and of all together.

    Args:
        summary: `PatchStore.summary()`, whose `parts` give the three counts of each part.
    """
    counts = ("scenes", "points", "patches")
    frame = pd.DataFrame(
        {name.title(): [part[name] for part in summary["parts"].values()] for name in counts},
        index=pd.Index([part.title() for part in summary["parts"]], name="Part"),
    )
    frame.loc["All"] = frame.sum()
    return frame


def correlation_table(correlations: dict[str, dict[str, float]]) -> pd.DataFrame:
    """How alike corresponding patches are: one row a scene, one column a level.

    Args:
        correlations: `dataset.info.correlations`: scene -> level -> normalised cross-correlation.
    """
    frame = pd.DataFrame(correlations).T.rename(columns=str.title)
    return frame.rename_axis(index="Scene")


def provenance_table(entries: dict[str, Any]) -> pd.DataFrame:
    """Where the numbers come from, one fact a row.

    Args:
        entries: name -> text or number; a dictionary inside gives a row for each of its entries;
            a "fingerprint" is shortened.
    """
    rows: dict[str, str] = {}
    for key, value in entries.items():
        for name, entry in (value if isinstance(value, dict) else {key: value}).items():
            rows[name] = str(entry)[:12] if name == "fingerprint" else str(entry)
    return _with_rows(pd.DataFrame({"Value": list(rows.values())}), list(rows), "Fact")


# --- showing and writing -------------------------------------------------------------------------


def show(frame: pd.DataFrame) -> Styler:
    """A table for a notebook: rounded, the better of each pair in bold.

    Args:
        frame: one of the tables above.
    """
    bold = best_cells(frame).map(lambda best: "font-weight: bold" if best else "")
    cells = format_cells(frame)
    if isinstance(frame.columns[0], tuple) and len(frame.columns[0]) == 1:
        cells.columns = bold.columns = [column[0] for column in frame.columns]
    return cells.style.apply(lambda _: bold, axis=None)


def write_table(frame: pd.DataFrame, name: str) -> Path:
    """Writes a table as a booktabs tabular into the folder of generated report parts.

    Args:
        frame: one of the tables above.
        name: file name without suffix.

    Returns:
        The path of the .tex file.
    """
    path = paths.GENERATED / f"{name}.tex"
    write_text(path, to_tabular(frame))
    return path


def to_tabular(frame: pd.DataFrame) -> str:
    """LaTeX tabular of a table; every heading and cell is escaped."""
    cells, best = format_cells(frame).map(escape), best_cells(frame)
    cells = cells.where(~best, "\\textbf{" + cells + "}")
    rows = [
        " & ".join([escape(str(label)), *row]) + r" \\"
        for label, row in zip(cells.index, cells.to_numpy(), strict=True)
    ]
    lines = [
        "% Written by helpers/tables.py: change the code, not this file.",
        rf"\begin{{tabular}}{{@{{}}l{'r' * frame.shape[1]}@{{}}}}",
        r"\toprule",
        *_headings(frame),
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _headings(frame: pd.DataFrame) -> list[str]:
    """Heading lines: groups as centred multicolumns over a short rule, then the single columns."""
    levels = [
        [escape(str(label)) for label in frame.columns.get_level_values(number)]
        for number in range(frame.columns.nlevels)
    ]
    lines = []
    for number in range(len(levels) - 1):
        starts = _group_starts(list(zip(*levels[: number + 1], strict=True)))
        spans = list(zip(starts, [*starts[1:], frame.shape[1]], strict=True))
        cells = [rf"\multicolumn{{{b - a}}}{{c}}{{{levels[number][a]}}}" for a, b in spans]
        rules = [rf"\cmidrule(lr){{{a + 2}-{b + 1}}}" for a, b in spans]
        lines += [" & " + " & ".join(cells) + r" \\", "".join(rules)]
    name = escape(str(frame.index.name or ""))
    return [*lines, " & ".join([name, *levels[-1]]) + r" \\"]


def _group_starts(labels: list[Any]) -> list[int]:
    return [i for i, label in enumerate(labels) if i == 0 or label != labels[i - 1]]


def best_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """True for the better number of each baseline/improved pair, unrounded; both on a tie."""
    sign = -1 if frame.index.name == ERROR else 1
    best = pd.DataFrame(False, index=frame.index, columns=frame.columns)
    for column in frame.columns:
        if not isinstance(column, tuple) or column[0] != BASELINE:
            continue
        partner = (IMPROVED, *column[1:])
        if partner not in frame.columns:
            continue
        for row in frame.index:
            ours, theirs = frame.at[row, partner], frame.at[row, column]
            if not isinstance(ours, tuple) and pd.notna(ours) and pd.notna(theirs):
                best.at[row, partner], best.at[row, column] = (
                    sign * ours >= sign * theirs,
                    sign * theirs >= sign * ours,
                )
    return best


def format_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """The table as text: the one place where tables are rounded."""
    columns = [
        [format_number(value, _decimals(frame, column)) for value in frame[column]]
        for column in frame.columns
    ]
    return pd.DataFrame(list(zip(*columns, strict=True)), frame.index, frame.columns)


def format_number(value: Any, decimals: int = 3) -> str:
    """One value as text: counts with thousands separators, intervals in brackets, None as a dash.

    Args:
        value: int, float, None or NaN, text, a `Spread`, or a sequence of these (an interval).
        decimals: of floats.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Spread):
        return f"{value.mean:,.{decimals}f} ± {value.deviation:,.{decimals}f}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(format_number(entry, decimals) for entry in value) + "]"
    if value is None or pd.isna(value):
        return MISSING
    return f"{value:,}" if isinstance(value, Integral) else f"{value:,.{decimals}f}"


def escape(text: str) -> str:
    """Makes LaTeX print a text as it is."""
    special = {
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        **{character: "\\" + character for character in "&%$#_{}"},
        MISSING: "--", "±": r"$\pm$", "\n": " ",
    }  # fmt: skip
    return "".join(special.get(character, character) for character in text)


def _decimals(frame: pd.DataFrame, column: Any) -> int:
    heading = column[-1] if isinstance(column, tuple) else column
    return DECIMALS.get(heading, DECIMALS.get(frame.index.name, 3))


def _interval(bounds: list[float] | None) -> tuple[float, ...] | None:
    return None if bounds is None else tuple(bounds)


def _mean(values: list[float | None]) -> float | None:
    """None where there is nothing to take the mean of, or a value is missing."""
    return None if not values or None in values else float(np.mean(values))


def _spread(values: list[float | None]) -> Spread | float | None:
    """The score of one training, mean and deviation of several; None where one has no score."""
    if None in values:
        return None
    if len(values) == 1:
        return values[0]
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)))


def _millions(count: int | None) -> float | None:
    return None if count is None else count / 1e6


def _side_by_side(baseline: dict, improved: dict) -> pd.DataFrame:
    pairs = ((BASELINE, baseline), (IMPROVED, improved))
    return pd.DataFrame(
        {(name, *key): values for name, columns in pairs for key, values in columns.items()}
    )


def _with_rows(frame: pd.DataFrame, labels: list[str], name: str) -> pd.DataFrame:
    return frame.set_axis(pd.Index(labels, name=name), axis=0)
