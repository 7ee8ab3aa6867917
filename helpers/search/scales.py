"""Axes of settings: where their values lie in a picture, and what is written beside them."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes

from helpers.search.space import short

LONGEST = 14  # characters of a choice; longer ones are cut
SIDE_BY_SIDE = 30  # characters of all choices that fit side by side
TEXT = {"fontsize": 7, "va": "center", "zorder": 8}
BOX = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6}


class Scale:
    """Places of one setting's values, by size or side by side, as its space gives the choices.

    Args:
        kind, limits: as in `space`: "log", low, high for example.
    """

    def __init__(self, kind: str, *limits: Any):
        self.kind = kind
        self.choices = list(limits[0]) if kind == "choice" else None
        self.limits = limits

    def height(self, values: pd.Series) -> np.ndarray:
        """Places of the values in 0..1."""
        low, high = (0, len(self.choices) - 1) if self.choices else self.limits
        places = self._places(values)
        if self.kind == "log":
            low, high, places = np.log(low), np.log(high), np.log(places)
        return (places - low) / (high - low) if high > low else np.full(len(places), 0.5)

    def spread(self, values: pd.Series, order: pd.Series) -> np.ndarray:
        """Places on an axis of their own; equal choices side by side by `order`, in 0..1."""
        places = self._places(values)
        return places + 0.4 * (np.asarray(order, float) - 0.5) if self.choices else places

    def _places(self, values: pd.Series) -> np.ndarray:
        if not self.choices:
            return values.to_numpy(float)
        return np.array([_position(value, self.choices) for value in values], float)

    def set_ticks(self, axis: Axes) -> None:
        """Readable ticks for a panel whose x axis this is."""
        if self.choices:
            labels = [_cut(choice) for choice in self.choices]
            slant = {"rotation": 20, "ha": "right"} if len("".join(labels)) > SIDE_BY_SIDE else {}
            axis.set_xticks(range(len(labels)), labels, **slant)
            axis.set_xlim(-0.5, len(labels) - 0.5)
        elif self.kind == "log":
            low, high = self.limits
            axis.set(xscale="log", xlim=(low / 1.15, high * 1.15))
            steps = (1, 3) if high / low > 10 else (1, 2, 5)
            axis.xaxis.set_major_locator(ticker.LogLocator(subs=steps))
            axis.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
            axis.xaxis.set_minor_locator(ticker.NullLocator())
        elif self.kind == "integer":
            whole_numbers(axis, *self.limits)
        else:
            axis.xaxis.set_major_locator(ticker.MaxNLocator(5))

    def draw_ruler(self, axis: Axes, place: int) -> None:
        """A vertical line at `place` with the values that its ends, or its choices, stand for."""
        axis.plot([place, place], [0, 1], color="black", lw=0.6, zorder=2)
        values = self.choices or self.limits
        heights = np.linspace(0, 1, len(values)) if len(values) > 1 else [0.5]
        for value, height in zip(values, heights, strict=True):
            axis.text(place + 0.07, height, _cut(value), bbox=BOX, **TEXT)


def whole_numbers(axis: Axes, low: int, high: int) -> None:
    """Makes an x axis of the whole numbers from `low` to `high`."""
    axis.set_xlim(low - 0.5, high + 0.5)
    axis.xaxis.set_major_locator(ticker.MaxNLocator(6, integer=True, min_n_ticks=1))


def _position(value: Any, choices: list) -> int:
    """Of a value among choices, as far as a table leaves it as it was: None becomes NaN."""
    return choices.index(None if pd.isna(value) else value)


def _cut(value: Any) -> str:
    text = short(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
