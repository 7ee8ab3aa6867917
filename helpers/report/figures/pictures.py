"""Figures of patches and images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from helpers.benchmark.layout import STRIPS
from helpers.dataset.cutting import extractor
from helpers.report.figures.style import (
    BLUE,
    COLUMN_WIDTH,
    LEVEL_COLOURS,
    LEVEL_LINES,
    TEXT_WIDTH,
    VERMILLION,
    ReportFigure,
    style,
)

MATCH_LOOKS = {
    "right": {"color": BLUE, "lw": 0.8, "marker": "o", "ms": 1.8},
    "wrong": {"color": VERMILLION, "lw": 0.6, "ls": (0, (4, 3)), "marker": "x", "ms": 2.2},
}
GAP = 0.06  # between patches, in their sides


# --- patches -------------------------------------------------------------------------------------


@style()
def plot_strips(store: Any, point: int) -> Figure:
    """One point (a row of the store) in its 16 strips, clean above noisy."""
    figure = ReportFigure(figsize=(TEXT_WIDTH, 1.05))
    patches = np.stack([store.clean[point], store.noisy[point]])
    _show_patches(figure.subplots(), patches, STRIPS, ("clean", "noisy"))
    return figure


@style()
def plot_denoising(
    noisy: np.ndarray,
    denoised_by_approach: dict[str, np.ndarray],
    clean: np.ndarray,
    levels: Sequence[str],
) -> Figure:
    """Noisy, denoised and clean patches side by side, one row a level.

    Below each patch stands its peak signal-to-noise ratio, 10 log10(255^2 / mean squared error).
    All patches are (rows, 32, 32), grey levels 0..255; `levels` are the labels of the rows.
    """
    columns = {"noisy": noisy, **denoised_by_approach, "clean": clean}
    patches = np.stack(list(columns.values()), axis=1)
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 0.93 * len(levels) + 0.2))
    axis = figure.subplots()
    _show_patches(axis, patches, columns, levels, below=0.24)
    errors = np.mean((patches[:, :-1].astype(float) - patches[:, -1:]) ** 2, axis=(2, 3))
    with np.errstate(divide="ignore"):  # nothing is wrong: infinite
        ratios = 10 * np.log10(255**2 / errors)
    for (row, column), ratio in np.ndenumerate(ratios):
        place = column * (1 + GAP) + 0.5, row * 1.24 + 1.02
        axis.text(*place, f"{ratio:.1f} dB", ha="center", va="top")
    return figure


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
    counts = [2, *(correct.shape[1] for _, correct, _ in found.values())]
    side = (TEXT_WIDTH - 0.5 * len(found)) / (sum(counts) * (1 + GAP))
    size = TEXT_WIDTH, side * (1 + GAP) * len(queries) + 0.4
    figure = ReportFigure(figsize=size)
    first, *others = figure.subplots(1, len(counts), squeeze=False, width_ratios=counts)[0]
    pairs = np.stack([queries, right], axis=1)
    _show_patches(first, pairs, ("query", "right"), stretched=True)
    for axis, (name, (patches, correct, ranks)) in zip(others, found.items(), strict=True):
        places = [f"rank\n{rank:,}" for rank in ranks]
        _show_patches(axis, patches, range(1, patches.shape[1] + 1), places, stretched=True)
        axis.set_title(name)
        axis.yaxis.tick_right()
        axis.tick_params(axis="y", rotation=0)
        for row, column in np.argwhere(correct):
            corner = column * (1 + GAP), row * (1 + GAP)
            for colour, line in (("white", 3.5), (BLUE, 2)):  # seen on dark and on pale patches
                axis.add_patch(
                    Rectangle(corner, 1, 1, fill=False, ec=colour, lw=line, clip_on=False)
                )
    return figure


def _show_patches(
    axis: Axes, patches: np.ndarray, columns: Any, rows: Any = (), below=GAP, stretched=False
) -> None:
    """Patches (R, C, 32, 32) in rows and columns, each of side 1, from (0, 0) downwards.

    Shown on the whole grey scale 0..255, so that they can be compared, or `stretched` each from its
    own darkest to its brightest pixel, so that all are seen. `below`: space under each row.
    """
    scale = {} if stretched else {"vmin": 0, "vmax": 255}
    for row, column in np.ndindex(patches.shape[:2]):
        x, y = column * (1 + GAP), row * (1 + below)
        axis.imshow(patches[row, column], extent=(x, x + 1, y + 1, y), **scale)
    axis.set(xlim=(0, x + 1), ylim=(y + 1 + below - GAP, 0))
    axis.set_xticks(0.5 + np.arange(len(columns)) * (1 + GAP), columns)
    axis.set_yticks(0.5 + np.arange(len(rows)) * (1 + below), rows, rotation=90, va="center")
    axis.xaxis.tick_top()
    axis.tick_params(length=0, pad=2)
    axis.spines[:].set_visible(False)


# --- whole images --------------------------------------------------------------------------------


@style()
def plot_regions(
    images: Sequence[np.ndarray],
    homographies: Sequence[np.ndarray],
    regions: np.ndarray,
    shown: int = 6,
) -> Figure:
    """Detected regions in image 1, and where the jittered ones fall in image 3.

    Args:
        images: six grey images; homographies: five 3x3 matrices from the first to the others;
            regions: (points, 4), all as `look` of a source returns them.
        shown: regions drawn in the other image, one in each level's jitter; the largest of a
            random hundred that lie apart, since small or crowded ones hide what happens to them.
    """
    rng = np.random.default_rng(0)
    tallest = max(image.shape[0] / image.shape[1] for image in (images[0], images[2]))
    size = TEXT_WIDTH, min(TEXT_WIDTH / 2 * tallest, 3.2) + 0.55
    figure = ReportFigure(figsize=size)
    left, right = figure.subplots(1, 2)
    for axis, image in ((left, images[0]), (right, images[2])):
        axis.imshow(image, vmin=0, vmax=255)
        axis.axis("off")
    _draw_squares(left, extractor.frames(regions), BLUE, lw=0.3)
    chosen = extractor.frames(_large_and_apart(regions[rng.permutation(len(regions))[:100]], shown))
    there = homographies[1]
    _draw_squares(left, chosen, "white", lw=1.4)
    _draw_squares(right, there @ chosen, "white", lw=1.4, label="ref")
    for level, jitter in extractor.JITTER.items():
        jittered = there @ chosen @ extractor.draw_jitter(jitter, len(chosen), rng)
        _draw_squares(right, jittered, LEVEL_COLOURS[level], ls=LEVEL_LINES[level], label=level)
    left.set_title(f"image 1: {len(regions):,} regions")
    right.set_title("image 3: jittered regions")
    look = {"facecolor": "#DDDDDD", "edgecolor": "none", "frameon": True}
    figure.legend(loc="outside lower center", ncols=4, **look)
    return figure


def _large_and_apart(regions: np.ndarray, count: int) -> np.ndarray:
    """The largest regions (x, y, radius, angle) that keep clear of larger ones, at most `count`."""
    chosen: list[np.ndarray] = []
    for region in regions[np.argsort(-regions[:, 2])]:
        gaps = [np.hypot(*(region - other)[:2]) - region[2] - other[2] for other in chosen]
        if len(chosen) < count and min(gaps, default=0) >= 0:
            chosen.append(region)
    return np.array(chosen)


def _draw_squares(axis: Axes, matrices: np.ndarray, colour: str, **look: Any) -> None:
    """Outlines of regions; those that reach beyond the image leave its limits as they are."""
    corners = extractor.project(matrices, np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]))
    squares = PolyCollection(corners, facecolor="none", edgecolor=colour, **look)
    axis.add_collection(squares, autolim=False)


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
    (high, wide), (height, width) = images[0].shape, images[1].shape
    beside = round(1.04 * wide)  # where the second image begins
    both = np.full((max(high, height), beside + width), 255.0)
    both[:high, :wide], both[:height, beside:] = images
    size = TEXT_WIDTH, TEXT_WIDTH / len(lines) * both.shape[0] / both.shape[1] + 0.5
    figure = ReportFigure(figsize=size)
    axes = figure.subplots(1, len(lines), squeeze=False)[0]
    for axis, (name, (start, end, right)) in zip(axes, lines.items(), strict=True):
        axis.imshow(both, vmin=-300, vmax=255)  # pale, so that lines stand out
        for chosen, look in ((~right, MATCH_LOOKS["wrong"]), (right, MATCH_LOOKS["right"])):
            ends = np.stack([start[chosen], end[chosen] + (beside, 0)])
            axis.plot(ends[..., 0], ends[..., 1], **look)
        axis.set_title(f"{name}: {right.sum()} of {len(right)} right", pad=3)
        axis.axis("off")
    handles = [Line2D([], [], label=name, **look) for name, look in MATCH_LOOKS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, handlelength=4)
    return figure
