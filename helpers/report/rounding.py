"""How results become text, in sentences and in tables: the one place where they are rounded.

Settings of a search are not results; they are shown by `search.space.short`.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from helpers.common import paths
from helpers.common.files import write_text

BASELINE, IMPROVED = "Baseline approach", "Improved approach"  # first headings of a comparison
ERROR = "MAE"  # heading of rows in which the lower number is the better one
MISSING = "–"
SCORE_DECIMALS = 3
# By a part of a result's dotted name, or by a heading of a table; everything else gets three.
DECIMALS = {
    "minutes": 1, "Minutes": 1, "seconds": 1, "epochs": 1, "Epochs": 1, "patches_per_second": 0,
    "Patches/s": 0, "cost": 1, "Multiply-adds [M]": 1, "Parameters [k]": 0, "Learning rate": 4,
    "baseline_by_improved": 1, "denoising": 2, "MAE": 2, "spectrum": 1, "noise": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Spread:
    """How far repeated trainings lie apart: mean and sample deviation of a score."""

    mean: float
    deviation: float


def decimals_of(name: str) -> int:
    """Decimals of a float, by the last part of its dotted name that is listed in `DECIMALS`.

    In tables the parts are the headings of rows and column: `Network.Minutes`.
    """
    parts = reversed(name.split("."))
    return next((DECIMALS[part] for part in parts if part in DECIMALS), SCORE_DECIMALS)


def format_number(value: Any, decimals: int = SCORE_DECIMALS) -> str:
    """One value as text: floats with so many decimals, counts with thousands separators, sequences
    (intervals) in brackets, None and NaN as a dash; text as it is."""
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


# --- tables --------------------------------------------------------------------------------------


def show(frame: pd.DataFrame) -> Styler:
    """A table for a notebook: rounded, the best in bold, notes below; names are no HTML."""
    table = _render(frame, "font-weight: bold", html.escape)
    if notes := frame.attrs.get("notes"):
        table.set_caption(html.escape(" ".join(notes)))
        below = [("caption-side", "bottom"), ("text-align", "left")]
        table.set_table_styles([{"selector": "caption", "props": below}])
    return table.set_properties(subset=[table.columns[0]], **{"text-align": "left"})


def write_table(frame: pd.DataFrame, name: str) -> Path:
    """Writes a table as `<name>.tex` into the folder of generated report parts; gives its path."""
    path = paths.GENERATED / f"{name}.tex"
    write_text(path, to_tabular(frame))
    return path


def to_tabular(frame: pd.DataFrame) -> str:
    """LaTeX tabular of a table; every heading and cell is escaped."""
    styler = _render(frame, "textbf: --rwrap", escape)
    columns = f"@{{}}l{'r' * frame.shape[1]}@{{}}"
    text = styler.to_latex(hrules=True, multicol_align="c", column_format=columns)
    note = "% Written from helpers/report/tables.py: change the code, not this file.\n"
    return note + re.sub(r"^.*\\multicolumn.*$", _with_rules, text, flags=re.MULTILINE)


def _with_rules(line: re.Match) -> str:
    """A line of grouped headings, and below it a short rule under each group."""
    _, *cells = re.split(r"(?<!\\)&", line[0])
    widths = [int(found[1]) if (found := re.search(r"multicolumn{(\d+)}", c)) else 1 for c in cells]
    spans = pairwise(np.cumsum([2, *widths]))
    return line[0] + "\n" + "".join(rf"\cmidrule(lr){{{a}-{b - 1}}}" for a, b in spans)


def _render(frame: pd.DataFrame, bold: str, escaped: Callable[[str], str]) -> Styler:
    """Headings of rows as a first column, rounded numbers, the best ones in the look `bold`."""
    looks = best_cells(frame).map(lambda best: bold if best else "")
    cells, looks = (table.reset_index(col_level=-1) for table in (format_cells(frame), looks))
    looks.iloc[:, 0] = ""
    styler = cells.style.hide(axis="index").apply(lambda _: looks, axis=None)
    return styler.format(escaped).format_index(escaped, axis=1)


def best_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """True for the best number among the approaches, unrounded; all of them on a tie."""
    sign = -1 if frame.index.name == ERROR else 1
    values = frame.map(lambda value: sign * value if isinstance(value, Real) else np.nan)
    best, groups = pd.DataFrame(False, frame.index, frame.columns), {}
    for column in frame.columns:
        approach, *rest = column if isinstance(column, tuple) else (column,)
        if approach in frame.attrs.get("approaches", ()):
            groups.setdefault(tuple(rest), []).append(column)
    for columns in (columns for columns in groups.values() if len(columns) > 1):
        highest = values[columns].max(axis=1, skipna=False)  # a missing value: none is best
        best[columns] = values[columns].eq(highest, axis=0)
    return best


def format_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """The table as text, each column with the decimals of its heading or of the rows'."""
    columns = []
    for heading in frame.columns:
        last = heading[-1] if isinstance(heading, tuple) else heading
        decimals = decimals_of(f"{frame.index.name}.{last}")
        columns.append([format_number(value, decimals) for value in frame[heading]])
    return pd.DataFrame(list(zip(*columns, strict=True)), frame.index, frame.columns)
