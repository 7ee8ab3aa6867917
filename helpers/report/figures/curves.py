"""Figures of numbers: noise, losses, scores, distances."""

from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.common.errors import InputError
from helpers.report.figures.style import (
    ABOVE,
    BLUE,
    COLUMN_WIDTH,
    LEVEL_COLOURS,
    LEVEL_LINES,
    LEVEL_MARKERS,
    VERMILLION,
    ReportFigure,
    colours_of,
    style,
)

THOUSANDS = ticker.StrMethodFormatter("{x:,.0f}")


@style()
def plot_noise(measured_std_by_level: dict[str, np.ndarray], profile: np.ndarray) -> Figure:
    """How strong the noise is at each level, and where in the patch.

    Args:
        measured_std_by_level: level -> (N,) standard deviations of noisy - clean, in grey levels.
        profile: (32, 32) expected deviation of every pixel as a share of the recipe's sigma.
    """
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 1.75))
    left, right = figure.subplots(1, 2, width_ratios=[1.35, 1])
    bins = np.histogram_bin_edges(np.concatenate(list(measured_std_by_level.values())), 40)
    for level, values in measured_std_by_level.items():
        look = {"color": LEVEL_COLOURS[level], "ls": LEVEL_LINES[level], "lw": 1.2}
        left.hist(values, bins, density=True, histtype="step", label=level, **look)
    left.set(xlabel="noise in a patch [grey levels]", ylabel="share of patches", yticks=[])
    figure.legend(loc="outside upper left", ncols=3, handlelength=1, columnspacing=1)
    picture = right.imshow(profile, cmap="viridis")
    right.set(xticks=[], yticks=[], xlabel="noise / $\\sigma$ by pixel")
    figure.colorbar(picture, ax=right, shrink=0.8)
    return figure


@style()
def plot_spectra(frequencies: np.ndarray, left: dict[str, np.ndarray]) -> Figure:
    """What each denoiser leaves of the noise, by spatial frequency, from `spectra.by_ring`."""
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 1.9))
    axis = figure.subplots()
    for (name, colour), marker in zip(colours_of(left).items(), cycle("os^Dv")):
        axis.plot(frequencies, left[name], marker=marker, label=name, color=colour)
    axis.axhline(1, color="black", ls="--", lw=0.8)
    axis.text(frequencies[-1], 1, "as much as the noise ", ha="right", va="bottom", fontsize=7)
    axis.set(yscale="log", xlabel="cycles a pixel", ylabel="power of the error\n/ of the noise")
    axis.grid(axis="y")
    figure.legend(**ABOVE)
    return figure


# --- losses --------------------------------------------------------------------------------------


@style()
def plot_losses(runs: dict[str, Path | str]) -> Figure:
    """Training and validation loss of one network in each approach: approach -> run folder.

    One panel an approach, since their losses are different functions. The highest 2 % of the
    training losses and the validation loss before the first step may lie above the panel, so that
    the rest can be read. Raises InputError if a file is missing or is no such table.
    """
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 1.35 * len(runs) + 0.3))
    axes = figure.subplots(len(runs), 1, squeeze=False)[:, 0]
    for axis, (approach, folder) in zip(axes, runs.items(), strict=True):
        kept = Path(folder) / "steps.csv"  # the networks that come with the code have none
        steps = kept if kept.is_file() else Path(folder) / "history.csv"
        steps = _read_table(steps, ["step", "loss"]).dropna()
        history = _read_table(Path(folder) / "history.csv", ["epoch", "step", "validation_loss"])
        _draw_losses(axis, steps, history)
        epochs = f"{history['epoch'].max():.3g}"  # a run may stop within an epoch
        plural = "" if epochs == "1" else "s"
        axis.set(title=f"{approach}, {epochs} epoch{plural}", ylabel="loss")
    axes[-1].set_xlabel("training step")
    figure.legend(*axes[0].get_legend_handles_labels(), **ABOVE)
    return figure


def _read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        return pd.read_csv(path)[columns]
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: train this network first.") from error
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} has no columns {', '.join(columns)}: train again.") from error


def _draw_losses(axis: Axes, steps: pd.DataFrame, history: pd.DataFrame) -> None:
    smooth = steps["loss"].rolling(max(1, len(steps) // 60), center=True, min_periods=1).mean()
    # A raster keeps the PDF small when there are 100,000 steps.
    axis.plot(steps["step"], steps["loss"], color="#BBBBBB", lw=0.4, rasterized=True)
    axis.plot(steps["step"], smooth, color=BLUE, label="training")
    look = {"color": VERMILLION, "marker": "o", "ms": 2.5, "ls": "--", "label": "validation"}
    axis.plot(history["step"], history["validation_loss"], **look)
    trained = history["validation_loss"][history["step"] > 0]
    low = min(np.nanpercentile(steps["loss"], 0.5), history["validation_loss"].min())
    high = max(np.nanpercentile(steps["loss"], 98), trained.max())
    margin = 0.08 * (high - low) or 1.0
    axis.set(ylim=(low - margin, high + margin), xlim=(0, steps["step"].max() * 1.01))
    axis.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
    axis.xaxis.set_major_formatter(THOUSANDS)


# --- scores: each takes the dictionaries (`scores.json`) of all approaches -----------------------

Scores = dict[str, Any]


@style()
def plot_scores(**approaches: Scores) -> Figure:
    """V, M, R and S of all approaches with their 95 % intervals."""
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 1.9))
    axis, keys = figure.subplots(), ["V", "M", "R", "S"]
    colours, width = colours_of(approaches), 0.8 / len(approaches)
    for number, (name, scores) in enumerate(approaches.items()):
        values = np.array([scores[key] for key in keys], dtype=float)  # None becomes NaN
        bounds = [scores["intervals"][key] or (np.nan, np.nan) for key in keys]
        low, high = np.array(bounds, dtype=float).T
        # An interval from resampling need not contain the value itself, hence the maximum.
        errors = np.nan_to_num(np.maximum([values - low, high - values], 0))
        look = {"color": colours[name], "error_kw": {"elinewidth": 0.8, "capsize": 2}}
        places = np.arange(len(keys)) + width * (number - (len(approaches) - 1) / 2)
        bars = axis.bar(
            places, np.nan_to_num(values), 0.95 * width, yerr=errors, label=name, **look
        )
        labels = [f"{value:.3f}" if np.isfinite(value) else "–" for value in values]
        axis.bar_label(bars, labels, padding=1, fontsize=min(7, 17 * width))
    axis.set_xticks(range(4), ["verification\nV", "matching\nM", "retrieval\nR", "mean\nS"])
    axis.set(ylim=(0, 1), ylabel="mean average precision")
    figure.legend(**ABOVE)
    return figure


@style()
def plot_sequences(**approaches: Scores) -> Figure:
    """Matching AP of every test scene (mean over its 15 strips), sorted by the improved one."""
    by_scene = {
        name: {
            scene: pd.DataFrame(strips).loc["ap"].mean()  # strip -> scores
            for scene, strips in scores["matching"]["sequences"].items()
        }
        for name, scores in approaches.items()
    }
    values = pd.DataFrame(by_scene).sort_values("improved")
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 0.17 * len(values) + 0.75))
    axis, rows = figure.subplots(), np.arange(len(values))
    axis.hlines(rows, values.min(axis=1), values.max(axis=1), color="#DDDDDD", lw=1)
    for (name, colour), marker in zip(colours_of(approaches).items(), cycle("so^Dv")):
        look = {"color": colour, "ms": 4, "clip_on": False}  # 0 is a usual value
        axis.plot(values[name], rows, marker, label=name, **look)
    axis.set_yticks(rows, values.index, parse_math=False)  # $ in a name is no formula
    axis.set(xlabel="matching AP", ylim=(-0.6, len(values) - 0.4), xlim=(0, None))
    axis.grid(axis="x")
    figure.legend(**ABOVE)
    return figure


@style()
def plot_retrieval(**approaches: Scores) -> Figure:
    """Retrieval AP against the size of the pool; a pool that cannot be filled is left out."""
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 2.2))
    axis = figure.subplots()
    for (name, scores), line in zip(approaches.items(), cycle((":", "-", "--", "-."))):
        for level, colour in LEVEL_COLOURS.items():
            pools = {int(k): ap for k, ap in scores["retrieval"][level].items() if ap is not None}
            look = {"color": colour, "ls": line, "marker": LEVEL_MARKERS[level]}
            look["mfc"] = "white" if name == "baseline" else colour
            axis.plot(list(pools), list(pools.values()), label=f"{name}, {level}", **look)
    if not pools:
        axis.text(0.5, 0.5, "too few patches for any pool", transform=axis.transAxes, ha="center")
    axis.set(xscale="log", xlabel="patches in the pool", ylabel="retrieval AP", ylim=(0, None))
    axis.xaxis.set_major_locator(ticker.FixedLocator([100, 500, 1000, 5000, 20000]))
    axis.xaxis.set_major_formatter(THOUSANDS)
    axis.xaxis.set_minor_locator(ticker.NullLocator())
    axis.grid(axis="y")
    figure.legend(**ABOVE)
    return figure


@style()
def plot_distances(distances: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Histograms of the descriptor distances of matching and of other pairs, one panel an approach.

    The dashed line is the distance below which 95 % of the matching pairs are; above it stands how
    many of the others are below it as well (the false positive rate at 95 % recall).
    `distances`: approach -> those of pairs that show the same point, and of pairs that do not.
    """
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 1.1 * len(distances) + 0.4))
    axes = figure.subplots(len(distances), 1, squeeze=False)[:, 0]
    for axis, (name, (same, other)) in zip(axes, distances.items(), strict=True):
        bins = np.linspace(0, np.percentile(np.concatenate([same, other]), 99.9), 50)
        axis.hist(other, bins, density=True, color="#CCCCCC", label="another point")
        axis.hist(same, bins, density=True, histtype="step", color=BLUE, lw=1.4, label="same point")
        limit = np.percentile(same, 95)
        axis.axvline(limit, color="black", ls="--", lw=0.8)
        nearer = (other <= limit).mean()
        axis.set_title(f"{name}: {nearer:.0%} of others are nearer than the line")
        axis.set(ylabel="share of pairs", yticks=[], xlim=(0, bins[-1]))
    axes[-1].set_xlabel("Euclidean distance of descriptors")
    figure.legend(*axes[0].get_legend_handles_labels(), **ABOVE)
    return figure
