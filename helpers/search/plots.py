"""Pictures of a search: how it went, which settings mattered, and which values were good.

All but one take the table of `trials_table`; lower losses are better. Trial 0, which has the
settings that the search began with, has a square around it; the best trial is a star.
"""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.report.figures import (
    BLUE,
    COLUMN_WIDTH,
    GREY,
    ORANGE,
    TEXT_WIDTH,
    VERMILLION,
    ReportFigure,
    style,
)
from helpers.search.scales import Scale, whole_numbers
from helpers.search.space import Space

TOO_FEW = "too few trials"
BASE_LABEL = "own settings"
OTHER = {"marker": "o", "color": BLUE, "ms": 3.5, "ls": "none"}
BASE = {"marker": "s", "mfc": "none", "mec": ORANGE, "ms": 9, "mew": 1.6, "ls": "none"}
BEST = {"marker": "*", "color": VERMILLION, "ms": 8, "mec": "black", "mew": 0.5, "ls": "none"}
GIVEN_UP = {"marker": "x", "color": "black", "ms": 4, "mew": 0.8, "ls": "none"}


@style()
def plot_progress(table: pd.DataFrame, measure: str = "validation_loss") -> Figure:
    """The loss of each trial in their order, and the best so far.

    Args:
        table: of `trials_table`.
        measure: what the loss is, for the label of its axis.
    """
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 2.3), layout="constrained")
    axis = figure.subplots()
    axis.set(xlabel="trial", ylabel=_label(measure))
    complete = _complete(table)
    if complete.empty:
        return _without(figure, axis)
    whole_numbers(axis, 0, table["trial"].max())
    axis.step(complete["trial"], complete["loss"].cummin(), where="post", color=GREY, zorder=1)
    axis.plot([], [], color=GREY, label="best so far")
    _draw_trials(axis, complete["trial"], complete)
    _draw_given_up(axis, _pruned(table)["trial"])
    _legend(figure, axis, columns=3)
    return figure


@style()
def plot_importances(importances: dict[str, float]) -> Figure:
    """How much of the variance of the loss each setting explains by itself.

    Args:
        importances: of `results.importances`: setting -> share; empty with too few trials.
    """
    height = 0.22 * max(len(importances), 3) + 0.5
    figure = ReportFigure(figsize=(COLUMN_WIDTH, height), layout="constrained")
    axis = figure.subplots()
    axis.set_xlabel("share of the explained variance")
    if not importances:
        return _without(figure, axis)
    rows = np.arange(len(importances))[::-1]
    axis.barh(rows, list(importances.values()), 0.65, color=BLUE)
    for row, share in zip(rows, importances.values(), strict=True):
        axis.text(share + 0.01, row, f"{share:.2f}", va="center", fontsize=7)
    axis.set_yticks(rows, [_label(name) for name in importances])
    axis.set_xlim(0, 1.1)
    axis.set_xticks([0, 0.25, 0.5, 0.75, 1])
    return figure


@style()
def plot_slices(table: pd.DataFrame, space: Space, measure: str = "validation_loss") -> Figure:
    """The loss against each setting by itself, one panel a setting.

    Among the trials of one choice, later ones stand further to the right.

    Args:
        table: of `trials_table`.
        space: that was searched.
        measure: what the loss is, for the label of its axis.
    """
    rows = math.ceil(len(space) / 3)
    columns = math.ceil(len(space) / rows)
    width = TEXT_WIDTH if columns > 1 else COLUMN_WIDTH
    figure = ReportFigure(figsize=(width, 1.75 * rows + 0.25), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axis, (name, choice) in zip(axes.flat, space.items(), strict=False):
        _draw_slice(axis, table, name, choice)
    for axis in axes.flat[len(space) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel(_label(measure))
    _legend(figure, axes.flat[0])
    return figure


def _draw_slice(axis: Axes, table: pd.DataFrame, name: str, choice: tuple) -> None:
    axis.set_xlabel(_label(name))
    complete, pruned = _complete(table), _pruned(table)
    if complete.empty:
        _say_too_few(axis)
        return
    scale = Scale(*choice)
    last = max(table["trial"].max(), 1)
    _draw_trials(axis, scale.spread(complete[name], complete["trial"] / last), complete)
    _draw_given_up(axis, scale.spread(pruned[name], pruned["trial"] / last))
    scale.set_ticks(axis)


@style()
def plot_parallel(table: pd.DataFrame, space: Space, measure: str = "validation_loss") -> Figure:
    """One line a trial through all its settings to its loss, from the best (below) to the worst.

    Args:
        table: of `trials_table`.
        space: that was searched.
        measure: what the loss is, for the label of its axis.
    """
    figure = ReportFigure(figsize=(TEXT_WIDTH, 2.6), layout="constrained")
    axis = figure.subplots()
    complete, pruned = _complete(table), _pruned(table)
    if len(complete) < 2:  # a loss has no scale of its own then
        return _without(figure, axis)
    scales = {name: Scale(*choice) for name, choice in space.items()}
    low, high = complete["loss"].min(), complete["loss"].max()
    scales["loss"] = Scale("uniform", low, high if high > low else low + 1)
    _draw_lines(axis, _heights(complete, scales), complete)
    for heights in _heights(pruned, {name: scales[name] for name in space}):
        axis.plot(heights, color=GREY, ls=":", lw=0.8, zorder=1)
    if len(pruned):
        axis.plot([], [], color=GREY, ls=":", label="given up")
    for place, scale in enumerate(scales.values()):
        scale.draw_ruler(axis, place)
    axis.set_xticks(range(len(scales)), [*map(_label, space), _label(measure)])
    axis.set(yticks=[], ylim=(-0.06, 1.06), xlim=(-0.2, len(scales) - 0.6))
    axis.tick_params(axis="x", length=0)
    axis.spines[:].set_visible(False)
    _legend(figure, axis)
    return figure


def _heights(trials: pd.DataFrame, scales: dict[str, Scale]) -> np.ndarray:
    """Where each trial crosses each ruler, (trials, rulers) in 0..1."""
    return np.array([scale.height(trials[name]) for name, scale in scales.items()]).T


def _draw_lines(axis: Axes, heights: np.ndarray, complete: pd.DataFrame) -> None:
    """Lines of the trials: the better third dark, the best and trial 0 apart."""
    ranks = complete["loss"].rank(method="first").to_numpy()
    for line, rank, trial in zip(heights, ranks, complete["trial"], strict=True):
        look = {"color": GREY, "lw": 0.8, "label": "others"}
        if rank <= len(ranks) / 3:
            look = {"color": BLUE, "lw": 1.0, "label": "best third", "zorder": 3}
        if trial == 0:
            look = {"color": ORANGE, "lw": 1.6, "ls": "--", "label": BASE_LABEL, "zorder": 4}
        if rank == 1:
            look = {"color": VERMILLION, "lw": 2.2, "label": f"best (trial {trial})", "zorder": 5}
            axis.plot(len(line) - 1, line[-1], **BEST, zorder=6)
        if trial == 0:
            axis.plot(len(line) - 1, line[-1], **BASE, zorder=7)
        axis.plot(line, **look)


# --- shared pieces -------------------------------------------------------------------------------


def _complete(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["state"] == "complete"].sort_values("trial")


def _pruned(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["state"] == "pruned"]


def _label(name: str) -> str:
    return name.rpartition(".")[2].replace("_", " ")


def _draw_trials(axis: Axes, places: Any, complete: pd.DataFrame) -> None:
    places, losses = np.asarray(places, float), complete["loss"].to_numpy()
    axis.plot(places, losses, **OTHER, label="trial", zorder=2)
    first = complete["trial"].to_numpy() == 0
    axis.plot(places[first], losses[first], **BASE, label=BASE_LABEL, zorder=3)
    best = losses.argmin()
    number = complete["trial"].iloc[best]
    axis.plot(places[best], losses[best], **BEST, label=f"best (trial {number})", zorder=4)


def _draw_given_up(axis: Axes, places: Any) -> None:
    """Crosses on the upper edge: trials that were given up have no loss to compare."""
    if len(places):
        axis.plot(
            places, np.full(len(places), 0.98), **GIVEN_UP, label="given up",
            transform=axis.get_xaxis_transform(), clip_on=False,
        )  # fmt: skip


def _legend(figure: Figure, axis: Axes, columns: int = 5) -> None:
    found = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    if found:
        figure.legend(
            found.values(),
            found,
            loc="outside upper center",
            ncols=columns,
            handlelength=1.3,
            columnspacing=1.2,
        )


def _without(figure: Figure, axis: Axes) -> Figure:
    _say_too_few(axis)
    axis.set(xticks=[], yticks=[])
    return figure


def _say_too_few(axis: Axes) -> None:
    axis.text(0.5, 0.5, TOO_FEW, transform=axis.transAxes, ha="center", va="center")
