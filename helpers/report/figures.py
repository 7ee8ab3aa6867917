"""The figures of the notebooks and of the report, each drawn by one function.

Every `plot_...` function takes arrays, score dictionaries or run folders and returns a Figure
that a notebook shows by itself; `save` writes it for the report. Sizes are the true print sizes.
"""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from helpers.common import paths
from helpers.common.errors import InputError
from helpers.common.files import atomic_path
from helpers.dataset.cutting import extractor

COLUMN_WIDTH = 3.3  # inches: one column of report.tex
TEXT_WIDTH = 6.9  # inches: both columns

# Okabe & Ito's colours, which colour-blind readers can tell apart, and a grey.
BLUE, ORANGE, VERMILLION, GREY = "#0072B2", "#E69F00", "#D55E00", "#ABABAB"
SKY, YELLOW = "#56B4E9", "#F0E442"
APPROACH_COLOURS = {"baseline": GREY, "improved": BLUE}
LEVEL_LOOKS = {  # colour and marker, so that the lines differ in grey print as well
    "easy": {"color": BLUE, "marker": "o"},
    "hard": {"color": ORANGE, "marker": "s"},
    "tough": {"color": VERMILLION, "marker": "^"},
}
LEVEL_LINES = {"easy": "-", "hard": "--", "tough": ":"}
MATCH_LOOKS = {
    "right": {"color": BLUE, "lw": 0.8, "marker": "o", "ms": 1.8},
    "wrong": {"color": VERMILLION, "lw": 0.6, "ls": (0, (4, 3)), "marker": "x", "ms": 2.2},
}

_STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "image.cmap": "gray",
    "pdf.fonttype": 42,  # TrueType: text in the PDF stays text
    "text.usetex": False,
}


class ReportFigure(Figure):
    """A Figure in the report's style that notebooks show when a cell ends with it.

    It is made without pyplot, so there is nothing to close and no window can open.
    """

    def draw(self, renderer: Any) -> None:
        with style():  # ticks that are made only now take the style as well
            super().draw(renderer)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=160)
        return {"image/png": picture.getvalue(), "text/plain": repr(self)}


def style() -> AbstractContextManager[None]:
    """The report's look, as `with style():` or as the decorator `@style()`."""
    return matplotlib.rc_context(_STYLE)


def save(figure: Figure, name: str) -> Path:
    """Writes a figure as PDF (report) and PNG (README) into the figures folder.

    Args:
        figure: what a `plot_...` function returned.
        name: file name without suffix.

    Returns:
        The path of the PDF.
    """
    target = paths.FIGURES / f"{name}.pdf"
    for path in (target.with_suffix(".png"), target):
        # Without a date the same figure gives the same bytes.
        metadata = {"CreationDate": None} if path.suffix == ".pdf" else None
        with style(), atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=300, metadata=metadata)
    return target


# --- the dataset ---------------------------------------------------------------------------------


@style()
def plot_strips(store: Any, point: int) -> Figure:
    """One point in its 16 strips, clean above noisy.

    Args:
        store: PatchStore, or anything with `clean` and `noisy` of shape (points, 16, 32, 32).
        point: row of the store.
    """
    names = ["ref"] + [level + str(image) for level in "eht" for image in range(1, 6)]
    figure = ReportFigure(figsize=(TEXT_WIDTH, 1.0), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.0, hspace=0.02)
    axes = figure.subplots(2, len(names))
    for column, name in enumerate(names):
        _show_patch(axes[0, column], store.clean[point, column], title=name)
        _show_patch(axes[1, column], store.noisy[point, column])
    axes[0, 0].set_ylabel("clean")
    axes[1, 0].set_ylabel("noisy")
    return figure


@style()
def plot_regions(
    images: Sequence[np.ndarray],
    homographies: Sequence[np.ndarray],
    regions: np.ndarray,
    target: int = 3,
    shown: int = 6,
    seed: int = 0,
) -> Figure:
    """Detected regions in image 1, and where the jittered ones fall in another image.

    Args:
        images: six grey images; homographies: five 3x3 matrices from the first to the others;
            regions: (points, 4), all as `dataset.look_at_scene` returns them.
        target: number of the other image, 2..6.
        shown: regions drawn in the other image, one in each level's jitter; the largest of a
            random hundred that lie apart, since small or crowded ones hide what happens to them.
        seed: of the choice and of the jitter that is drawn.
    """
    rng = np.random.default_rng(seed)
    tallest = max(image.shape[0] / image.shape[1] for image in (images[0], images[target - 1]))
    size = TEXT_WIDTH, min(TEXT_WIDTH / 2 * tallest, 3.2) + 0.55
    figure = ReportFigure(figsize=size, layout="constrained")
    left, right = figure.subplots(1, 2)
    for axis, image in ((left, images[0]), (right, images[target - 1])):
        axis.imshow(image, vmin=0, vmax=255)
        axis.set(xticks=[], yticks=[])
        axis.autoscale(False)  # jittered regions may reach beyond the image
        axis.spines[:].set_visible(False)
    _draw_squares(left, extractor.frames(regions), np.eye(3), color=BLUE, lw=0.3)
    chosen = extractor.frames(_large_and_apart(regions[rng.permutation(len(regions))[:100]], shown))
    homography = homographies[target - 2]
    _draw_squares(left, chosen, np.eye(3), color="white", lw=1.4)
    _draw_squares(right, chosen, homography, color="white", lw=1.4, label="ref")
    for level, jitter in extractor.JITTER.items():
        jittered = chosen @ extractor.draw_jitter(jitter, len(chosen), rng)
        look = {"color": LEVEL_LOOKS[level]["color"], "ls": LEVEL_LINES[level]}
        _draw_squares(right, jittered, homography, lw=1.0, label=level, **look)
    left.set_title(f"image 1: {len(regions):,} regions")
    right.set_title(f"image {target}: jittered regions")
    figure.legend(
        loc="outside lower center", ncols=4, facecolor="#DDDDDD", edgecolor="none", frameon=True
    )
    return figure


def _large_and_apart(regions: np.ndarray, count: int) -> np.ndarray:
    """The largest regions (x, y, radius, angle) that keep clear of larger ones, at most `count`."""
    chosen: list[np.ndarray] = []
    for region in regions[np.argsort(-regions[:, 2])]:
        gaps = [np.hypot(*(region - other)[:2]) - region[2] - other[2] for other in chosen]
        if len(chosen) < count and min(gaps, default=0) >= 0:
            chosen.append(region)
    return np.array(chosen)


def _draw_squares(axis: Axes, matrices: np.ndarray, homography: np.ndarray, label="", **look: Any):
    outline = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])
    for number, corners in enumerate(extractor.project(homography @ matrices, outline)):
        axis.plot(*corners.T, label=label if number == 0 else "", **look)


@style()
def plot_noise(measured_std_by_level: dict[str, np.ndarray], profile: np.ndarray) -> Figure:
    """How strong the noise is at each level, and where in the patch.

    Args:
        measured_std_by_level: for each level the standard deviation of noisy - clean of some
            patches, (N,), in grey levels 0..255.
        profile: expected standard deviation of every pixel relative to the sigma of the recipe,
            (32, 32), about 0.5..1.
    """
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 1.75), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.35, 1])
    bins = np.histogram_bin_edges(np.concatenate(list(measured_std_by_level.values())), 40)
    for level, values in measured_std_by_level.items():
        look = {"color": LEVEL_LOOKS[level]["color"], "ls": LEVEL_LINES[level], "lw": 1.2}
        left.hist(values, bins, density=True, histtype="step", label=level, **look)
    left.set(xlabel="noise in a patch [grey levels]", ylabel="share of patches", yticks=[])
    figure.legend(loc="outside upper left", ncols=3, handlelength=1, columnspacing=1)
    picture = right.imshow(profile, cmap="viridis")
    right.set(xticks=[], yticks=[], xlabel="noise / $\\sigma$ by pixel")
    figure.colorbar(picture, ax=right, shrink=0.8)
    return figure


# --- the denoisers -------------------------------------------------------------------------------


@style()
def plot_denoising(
    noisy: np.ndarray,
    denoised_by_approach: dict[str, np.ndarray],
    clean: np.ndarray,
    levels: Sequence[str],
) -> Figure:
    """Noisy, denoised and clean patches side by side, one row a level.

    Args:
        noisy: (rows, 32, 32), grey levels 0..255.
        denoised_by_approach: name of an approach -> (rows, 32, 32).
        clean: (rows, 32, 32).
        levels: label of each row.
    """
    columns = {"noisy": noisy, **denoised_by_approach, "clean": clean}
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 0.93 * len(levels) + 0.15), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.03, hspace=0.02)
    axes = figure.subplots(len(levels), len(columns), squeeze=False)
    for column, (name, patches) in enumerate(columns.items()):
        for row in range(len(levels)):
            _show_patch(axes[row, column], patches[row], title=name if row == 0 else "")
            if name != "clean":
                axes[row, column].set_xlabel(f"{_psnr(patches[row], clean[row]):.1f} dB")
    for row, level in enumerate(levels):
        axes[row, 0].set_ylabel(level)
    return figure


@style()
def plot_spectra(frequencies: np.ndarray, left: dict[str, np.ndarray]) -> Figure:
    """What each denoiser leaves of the noise, by spatial frequency.

    Args:
        frequencies, left: from `spectra.by_ring`.
    """
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 1.9), layout="constrained")
    axis = figure.subplots()
    for (name, share), marker in zip(left.items(), "os", strict=False):
        axis.plot(frequencies, share, marker=marker, label=name, color=APPROACH_COLOURS[name])
    axis.axhline(1, color="black", ls="--", lw=0.8)
    axis.text(frequencies[-1], 1, "as much as the noise ", ha="right", va="bottom", fontsize=7)
    axis.set(yscale="log", xlabel="cycles a pixel", ylabel="power of the error\n/ of the noise")
    axis.yaxis.grid(True, color="#E5E5E5", lw=0.5)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


@style()
def plot_losses(runs: dict[str, Path | str]) -> Figure:
    """Training and validation loss of one network in each approach.

    One panel an approach, since their losses are different functions. The highest 2 % of the
    training losses and the validation loss before the first step may lie above the panel, so that
    the rest can be read.

    Args:
        runs: approach -> run folder with history.csv (epoch, step, loss, validation_loss,
            learning_rate) and, unless it came with the code, steps.csv (step, loss).

    Raises:
        InputError: a file is missing or is no such table.
    """
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 1.35 * len(runs) + 0.3), layout="constrained")
    axes = figure.subplots(len(runs), 1, squeeze=False)[:, 0]
    for axis, (approach, folder) in zip(axes, runs.items(), strict=True):
        steps = _training_losses(Path(folder))
        history = _read_table(Path(folder) / "history.csv", ["epoch", "step", "validation_loss"])
        _draw_losses(axis, steps, history)
        axis.set(title=_losses_title(approach, history), ylabel="loss")
    axes[-1].set_xlabel("training step")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _training_losses(folder: Path) -> pd.DataFrame:
    """The loss of each step; of the networks that come with the code, between two validations."""
    kept = "steps.csv" if (folder / "steps.csv").is_file() else "history.csv"
    return _read_table(folder / kept, ["step", "loss"]).dropna()


def _draw_losses(axis: Axes, steps: pd.DataFrame, history: pd.DataFrame) -> None:
    window = max(1, len(steps) // 60)
    smooth = steps["loss"].rolling(window, center=True, min_periods=1).mean()
    # A raster keeps the PDF small when there are 100,000 steps.
    axis.plot(steps["step"], steps["loss"], color="#BBBBBB", lw=0.4, rasterized=True)
    axis.plot(steps["step"], smooth, color=BLUE, label="training")
    axis.plot(
        history["step"], history["validation_loss"], color=VERMILLION, marker="o", ms=2.5,
        ls="--", label="validation",
    )  # fmt: skip
    low = min(np.nanpercentile(steps["loss"], 0.5), history["validation_loss"].min())
    trained = history["validation_loss"][history["step"] > 0]
    high = max(np.nanpercentile(steps["loss"], 98), trained.max())
    margin = 0.08 * (high - low) or 1.0
    axis.set(ylim=(low - margin, high + margin), xlim=(0, steps["step"].max() * 1.01))
    axis.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
    axis.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))


def _losses_title(approach: str, history: pd.DataFrame) -> str:
    epochs = f"{history['epoch'].max():.3g}"  # a run may stop within an epoch
    return f"{approach}, {epochs} epoch" + ("" if epochs == "1" else "s")


# --- the scores ----------------------------------------------------------------------------------


@style()
def plot_scores(baseline: dict[str, Any], improved: dict[str, Any]) -> Figure:
    """V, M, R and S of both approaches with their 95 % intervals.

    Args:
        baseline: scores dictionary of the baseline (`scores.json`).
        improved: scores dictionary of the improved approach.
    """
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 1.9), layout="constrained")
    axis = figure.subplots()
    keys = ["V", "M", "R", "S"]
    labels = ["verification\nV", "matching\nM", "retrieval\nR", "mean\nS"]
    for offset, (name, scores) in zip((-0.2, 0.2), _pair(baseline, improved), strict=True):
        values = np.array([scores[key] for key in keys], dtype=float)  # None becomes NaN
        bounds = [scores["intervals"][key] or (np.nan, np.nan) for key in keys]
        low, high = np.array(bounds, dtype=float).T
        places = np.arange(len(keys)) + offset
        axis.bar(places, values, 0.38, color=APPROACH_COLOURS[name], label=name)
        # An interval from resampling need not contain the value itself, hence the maximum.
        errors = np.nan_to_num(np.maximum([values - low, high - values], 0))
        axis.errorbar(places, values, errors, fmt="none", ecolor="black", elinewidth=0.8, capsize=2)
        for place, value, error in zip(places, values, errors[1], strict=True):
            label = f"{value:.3f}" if np.isfinite(value) else "–"
            axis.text(place, np.nan_to_num(value) + error + 0.015, label, ha="center", fontsize=7)
    axis.set_xticks(range(len(keys)), labels)
    axis.set(ylim=(0, 1), ylabel="mean average precision")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


@style()
def plot_sequences(baseline: dict[str, Any], improved: dict[str, Any]) -> Figure:
    """Matching AP of every test sequence (mean over its 15 strips), sorted by the improved one.

    Args:
        baseline, improved: scores dictionaries.
    """
    values = pd.DataFrame(
        {name: _matching_by_sequence(scores) for name, scores in _pair(baseline, improved)}
    ).sort_values("improved")
    height = 0.17 * len(values) + 0.75
    figure = ReportFigure(figsize=(COLUMN_WIDTH, height), layout="constrained")
    axis = figure.subplots()
    rows = np.arange(len(values))
    axis.hlines(rows, values["baseline"], values["improved"], color="#DDDDDD", lw=1)
    for name, marker in (("baseline", "s"), ("improved", "o")):
        look = {"color": APPROACH_COLOURS[name], "ms": 4, "clip_on": False}  # 0 is a usual value
        axis.plot(values[name], rows, marker, label=name, **look)
    axis.set_yticks(rows, values.index)
    axis.set(xlabel="matching AP", ylim=(-0.6, len(values) - 0.4))
    axis.set_xlim(left=0)
    axis.xaxis.grid(True, color="#E5E5E5", lw=0.5)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


@style()
def plot_retrieval(baseline: dict[str, Any], improved: dict[str, Any]) -> Figure:
    """Retrieval AP against the size of the pool; pools that the dataset cannot fill are left out.

    Args:
        baseline, improved: scores dictionaries.
    """
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 2.2), layout="constrained")
    axis = figure.subplots()
    for (name, scores), line in zip(_pair(baseline, improved), (":", "-"), strict=True):
        for level, look in LEVEL_LOOKS.items():
            pools = {int(k): ap for k, ap in scores["retrieval"][level].items() if ap is not None}
            axis.plot(
                list(pools), list(pools.values()), ls=line, label=f"{name}, {level}", **look,
                mfc=look["color"] if name == "improved" else "white",
            )  # fmt: skip
    if not pools:
        axis.text(0.5, 0.5, "too few patches for any pool", transform=axis.transAxes, ha="center")
    axis.set(xscale="log", xlabel="patches in the pool", ylabel="retrieval AP")
    axis.xaxis.set_major_locator(ticker.FixedLocator([100, 500, 1000, 5000, 20000]))
    axis.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    axis.xaxis.set_minor_locator(ticker.NullLocator())
    axis.set_ylim(bottom=0)
    axis.yaxis.grid(True, color="#E5E5E5", lw=0.5)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


# --- what is found -------------------------------------------------------------------------------


@style()
def plot_neighbours(
    queries: np.ndarray,
    right: np.ndarray,
    found: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> Figure:
    """Queries, the patch that is to be found, and what each approach finds, nearest first.

    A frame marks the right patch; behind each row stands its rank. Each patch is shown in its own
    grey levels from the darkest to the brightest, as dark scenes would be black otherwise.

    Args:
        queries: (Q, 32, 32), grey levels 0..255.
        right: (Q, 32, 32), the patch of the query's own point among those that are searched.
        found: approach -> its nearest patches (Q, K, 32, 32), whether each is right (Q, K), and the
            rank of the right one, from 1 (Q,).
    """
    counts = [correct.shape[1] for _, correct, _ in found.values()]
    widths = [1, 1, 0.25, *(width for count in counts for width in (*[1] * count, 0.85))]
    side = TEXT_WIDTH / sum(widths)
    figure = ReportFigure(figsize=(TEXT_WIDTH, side * len(queries) + 0.33))
    figure.set_layout_engine("constrained", w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    axes = figure.subplots(len(queries), len(widths), squeeze=False, width_ratios=widths)
    for axis in axes.flat:
        axis.axis("off")
    _show_column(axes[:, 0], queries, "query")
    _show_column(axes[:, 1], right, "right\npatch")
    first = 3
    for (name, (patches, correct, ranks)), count in zip(found.items(), counts, strict=True):
        for k in range(count):
            heading = f"{name}\n{k + 1}" if k == count // 2 else str(k + 1)
            _show_column(axes[:, first + k], patches[:, k], heading)
            for axis in axes[correct[:, k], first + k]:
                _frame(axis)
        for axis, rank in zip(axes[:, first + count], ranks, strict=True):
            axis.text(
                0.08, 0.5, f"rank\n{rank:,}", transform=axis.transAxes, va="center", fontsize=7
            )
        first += count + 1
    return figure


@style()
def plot_matches(
    images: Sequence[np.ndarray],
    lines: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> Figure:
    """Two images of a scene side by side, and lines from points to what they are matched with.

    Args:
        images: the reference image and the other one, grey levels 0..255.
        lines: approach -> points of the first image (P, 2), of the second (P, 2), each (x, y) in
            pixels, and whether the match is right (P,).
    """
    gap = images[0].shape[1] * 1.04
    width, height = gap + images[1].shape[1], max(image.shape[0] for image in images)
    panel = TEXT_WIDTH / len(lines)
    size = TEXT_WIDTH, panel * height / width + 0.5
    figure = ReportFigure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.03)
    for axis, (name, (start, end, right)) in zip(
        figure.subplots(1, len(lines), squeeze=False)[0], lines.items(), strict=True
    ):
        for image, left in zip(images, (0, gap), strict=True):
            place = left - 0.5, left + image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5
            axis.imshow(image, vmin=-300, vmax=255, extent=place)  # pale, so that lines stand out
        for chosen, look in ((~right, MATCH_LOOKS["wrong"]), (right, MATCH_LOOKS["right"])):
            ends = np.stack([start[chosen], end[chosen] + (gap, 0)])
            axis.plot(ends[..., 0], ends[..., 1], **look)
        axis.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
        axis.set_title(f"{name}: {right.sum()} of {len(right)} right", pad=3)
        axis.spines[:].set_visible(False)
    handles = [Line2D([], [], label=name, **look) for name, look in MATCH_LOOKS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, handlelength=4)
    return figure


@style()
def plot_distances(distances: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Histograms of the descriptor distances of matching and of other pairs, one panel an approach.

    The dashed line is the distance below which 95 % of the matching pairs are; beside it stands how
    many of the others are below it as well (the false positive rate at 95 % recall).

    Args:
        distances: approach -> distances of pairs that show the same point (P,), and of pairs that
            do not (N,).
    """
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 1.1 * len(distances) + 0.4), layout="constrained")
    axes = figure.subplots(len(distances), 1, squeeze=False)[:, 0]
    for axis, (name, (same, other)) in zip(axes, distances.items(), strict=True):
        bins = np.linspace(0, np.percentile(np.concatenate([same, other]), 99.9), 50)
        axis.hist(
            other, bins, density=True, histtype="stepfilled", color="#CCCCCC", label="another point"
        )
        axis.hist(same, bins, density=True, histtype="step", color=BLUE, lw=1.4, label="same point")
        axis.margins(y=0.25)
        limit = np.percentile(same, 95)
        axis.axvline(limit, color="black", ls="--", lw=0.8)
        axis.set(title=name, ylabel="share of pairs", yticks=[], xlim=(0, bins[-1]))
        _note_beside(axis, limit, f"{(other <= limit).mean():.0%} of others\nare nearer")
    axes[-1].set_xlabel("Euclidean distance of descriptors")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _note_beside(axis: Axes, x: float, text: str) -> None:
    """Writes on the side of a vertical line that has more room."""
    left = x > np.mean(axis.get_xlim())
    axis.annotate(
        text, (x, 0.95), (-3 if left else 3, 0), xycoords=("data", "axes fraction"), fontsize=7,
        textcoords="offset points", ha="right" if left else "left", va="top",
    )  # fmt: skip


# --- shared pieces -------------------------------------------------------------------------------


def _show_patch(axis: Axes, patch: np.ndarray, title: str = "", stretched: bool = False) -> None:
    """Draws a patch on the whole grey scale, so that patches can be compared by eye.

    Args:
        stretched: from its own darkest to its brightest pixel instead, so that each is seen well.
    """
    axis.imshow(patch, **({} if stretched else {"vmin": 0, "vmax": 255}))
    axis.set(xticks=[], yticks=[])
    axis.set_title(title, pad=2)
    axis.xaxis.labelpad = 1
    axis.spines[:].set_visible(False)


def _show_column(axes: Sequence[Axes], patches: np.ndarray, title: str) -> None:
    for axis, patch in zip(axes, patches, strict=True):
        axis.axis("on")
        _show_patch(axis, patch, title if axis is axes[0] else "", stretched=True)


def _frame(axis: Axes) -> None:
    """A frame that is seen on dark and on pale patches, in colour and in grey."""
    height, width = axis.images[0].get_array().shape
    for colour, line in (("white", 4.0), (BLUE, 2.2)):
        axis.add_patch(Rectangle((-0.5, -0.5), width, height, fill=False, ec=colour, lw=line))


def _psnr(patch: np.ndarray, clean: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(255^2 / mean squared error)."""
    error = np.mean((np.asarray(patch, np.float64) - np.asarray(clean, np.float64)) ** 2)
    return float(10 * np.log10(255**2 / error)) if error > 0 else float("inf")


def _pair(baseline: dict[str, Any], improved: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [("baseline", baseline), ("improved", improved)]


def _matching_by_sequence(scores: dict[str, Any]) -> dict[str, float]:
    sequences = scores["matching"]["sequences"]
    return {name: np.mean([s["ap"] for s in strips.values()]) for name, strips in sequences.items()}


def _read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)[columns]
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: train this network first.") from error
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} has no columns {', '.join(columns)}: train again.") from error
    if table.empty:
        raise InputError(f"{path} has no rows: train this network for at least one step.")
    return table
