"""The figure of scores against costs."""

from typing import Any

from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.report.figures.style import (
    ABOVE,
    BLUE,
    COLUMN_WIDTH,
    GREY,
    ORANGE,
    VERMILLION,
    ReportFigure,
    style,
)

LOOKS = ((BLUE, "o"), (ORANGE, "s"), (GREY, "D"), (VERMILLION, "^"))
COSTS = {"macs": ("multiply-adds [M]", 1e6), "milliseconds": ("ms a patch", 1)}


@style()
def plot_frontier(rows: dict[str, dict[str, Any]]) -> Figure:
    """S against what a patch costs, one point a row of `measured/frontier.json`.

    A colour and marker stands for a kind of descriptor; hollow ones have no denoiser. At each point
    stands the width of its descriptor, with which its name ends. The lowest S would press all
    others together: it stands at the bottom, with its value.
    """
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 2.3))
    axes = figure.subplots(1, len(COSTS), sharey=True)
    looks = dict(zip(sorted({_kind(row) for row in rows.values()}), LOOKS, strict=False))
    _, low, *_, high = sorted(row["S"] for row in rows.values())
    bottom = low - 0.15 * (high - low or 0.1)
    for axis, (cost, (label, unit)) in zip(axes, COSTS.items(), strict=True):
        for row in rows.values():
            place = row[cost] / unit, row["S"]
            _draw_point(axis, place, row, looks[_kind(row)], bottom)
        axis.set(xscale="log", xlabel=label, ylim=(bottom, None))
        axis.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        axis.xaxis.set_minor_locator(ticker.NullLocator())
        axis.grid(axis="y")
    axes[0].set_ylabel("S")
    handles, labels = axes[0].get_legend_handles_labels()
    solid = {label: handle for handle, label in zip(handles, labels, strict=True)}
    figure.legend(solid.values(), solid.keys(), **ABOVE)
    return figure


def _draw_point(
    axis: Axes,
    place: tuple[float, float],
    row: dict[str, Any],
    look: tuple[str, str],
    bottom: float,
) -> None:
    """A mark with its width beside it, or at the bottom with its S if it lies under that."""
    (colour, marker), kind = look, _kind(row)
    face = "white" if row["denoiser"] == "none" else colour
    text, offset = row["descriptor"].removeprefix(kind).strip(), {"xytext": (4, -2)}
    if place[1] < bottom:
        place, text = (place[0], bottom), f"{row['S']:.2f}↓"
        offset = {"xytext": (0, 4), "ha": "center"}
    axis.plot(*place, marker, color=colour, mfc=face, ms=4, clip_on=False, label=kind)
    axis.annotate(text, place, textcoords="offset points", fontsize=6, **offset)


def _kind(row: dict[str, Any]) -> str:
    return row["descriptor"].rstrip(" 0123456789")
