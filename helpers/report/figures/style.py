"""The look of all figures, at their true print sizes, and how they are saved."""

import io
from collections.abc import Iterable
from contextlib import AbstractContextManager
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from helpers.common import paths
from helpers.common.files import atomic_path

COLUMN_WIDTH = 3.3  # inches: one column of report.tex
TEXT_WIDTH = 6.9  # inches: both columns
ABOVE = {"loc": "outside upper center", "ncols": 2}  # where legends stand

# Okabe & Ito's colours, which colour-blind readers can tell apart, and a grey.
BLUE, ORANGE, VERMILLION, GREY = "#0072B2", "#E69F00", "#D55E00", "#ABABAB"
SKY, YELLOW = "#56B4E9", "#F0E442"
APPROACH_COLOURS = {"baseline": GREY, "improved": BLUE}
OTHER_COLOURS = (ORANGE, VERMILLION, SKY, YELLOW)  # of further approaches, in turn
LEVEL_COLOURS = {"easy": BLUE, "hard": ORANGE, "tough": VERMILLION}
# Lines and markers differ, too, so that levels can be told apart in grey print.
LEVEL_LINES = {"easy": "-", "hard": "--", "tough": ":"}
LEVEL_MARKERS = {"easy": "o", "hard": "s", "tough": "^"}

_STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#E5E5E5",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "image.cmap": "gray",
    "figure.constrained_layout.use": True,
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


def colours_of(approaches: Iterable[str]) -> dict[str, str]:
    """Approach -> its colour."""
    rest = cycle(OTHER_COLOURS)
    return {name: APPROACH_COLOURS.get(name) or next(rest) for name in approaches}


def style() -> AbstractContextManager[None]:
    """The report's look, as `with style():` or as the decorator `@style()`."""
    return matplotlib.rc_context(_STYLE)


def save(figure: Figure, name: str) -> Path:
    """Writes a figure as `name`.pdf (report) and .png (README) into the figures folder."""
    target = paths.FIGURES / f"{name}.pdf"
    for path in (target.with_suffix(".png"), target):
        # Without a date the same figure gives the same bytes.
        metadata = {"CreationDate": None} if path.suffix == ".pdf" else None
        # Saving would give the style's layout to a figure that has none, and move its parts.
        own_layout = matplotlib.rc_context(_STYLE | {"figure.constrained_layout.use": False})
        with own_layout, atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=300, metadata=metadata)
    return target
