"""Pictures of the scores: precision and recall, bars by sequence, AP against pool size."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .files import atomic_path
from .layout import LEVELS
from .metrics import precision_recall_curve
from .scores import Scores
from .verification import KINDS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 500  # of a drawn curve, since a million of them make a huge PDF


def plot_all(scores: Mapping[str, Scores], folder: Path | str) -> None:
    """Draws every picture that the scores allow, as PDF and PNG."""
    from matplotlib import rc_context  # takes a second to import

    some = next(iter(scores.values()))
    there = (some.verification, some.matching, some.R is not None)
    for plot, is_there in zip((precision_recall, sequences, pools), there, strict=True):
        if not is_there:
            continue
        figure = plot(scores)
        for kind in ("pdf", "png"):
            drawn = io.BytesIO()  # on a full disk matplotlib would leave its own file open
            with rc_context({"pdf.fonttype": 42}):  # embeds TrueType
                figure.savefig(drawn, format=kind, dpi=200)
            with atomic_path(Path(folder) / f"{plot.__name__}.{kind}") as temporary:
                temporary.write_bytes(drawn.getvalue())


def precision_recall(scores: Mapping[str, Scores]) -> "Figure":
    """Precision against recall of the imbalanced verification, one panel a level and kind."""
    figure = _figure((7, 4.8))
    axes = figure.subplots(len(KINDS), len(LEVELS), sharex=True, sharey=True)
    for kind, row in zip(KINDS, axes, strict=True):
        for index, (level, axis) in enumerate(zip(LEVELS, row, strict=True)):
            for result in (each.verification for each in scores.values()):
                if (value := result.scores[level][kind]["ap"]) is None:
                    continue  # a single sequence has no pairs of two
                positive = result.distances["positive"][index, : result.imbalanced]
                curve = precision_recall_curve(positive, result.distances[kind][index])
                axis.plot(*_thinned(*reversed(curve)), label=f"{value:.3f}", linewidth=1.2)
            axis.set_title(f"{level}, {kind}", fontsize=9)
            axis.set(xlim=(0, 1), ylim=(0, 1.02), xticks=(0, 0.5, 1))
            axis.grid(alpha=0.3)
            if axis.lines:
                axis.legend(fontsize=7, title="AP", title_fontsize=7, loc="lower left")
    figure.supxlabel("Recall", fontsize=9)
    figure.supylabel("Precision", fontsize=9)
    lines = axes[-1, 0].lines
    figure.legend(lines, list(scores), fontsize=8, loc="outside upper center", ncols=3)
    return figure


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points evenly spread along the curve."""
    length = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    keep = np.unique(np.searchsorted(length, np.linspace(0, length[-1], POINTS)))
    keep = np.union1d(np.minimum(keep, len(x) - 1), len(x) - 1)
    return x[keep], y[keep]


def sequences(scores: Mapping[str, Scores]) -> "Figure":
    """Matching AP of each sequence, mean over its fifteen strips, best first."""
    names = next(iter(scores.values())).tasks.sequences
    values = {name: each.matching.ap.mean(axis=(1, 2)) for name, each in scores.items()}
    order = np.argsort(-np.mean(list(values.values()), axis=0), kind="stable")
    figure = _figure((7, 1 + (0.1 + 0.1 * len(scores)) * len(names)))
    axis, height = figure.subplots(), 0.8 / len(scores)
    for index, (name, value) in enumerate(values.items()):
        place = np.arange(len(names)) + (index - (len(scores) - 1) / 2) * height
        axis.barh(place, value[order], height, label=f"{name} {value.mean():.3f}")
    axis.set_yticks(np.arange(len(names)), [names[i] for i in order], fontsize=7)
    axis.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.5), xlabel="Matching mAP")
    figure.legend(fontsize=8, loc="outside lower center", ncols=3)
    return figure


def pools(scores: Mapping[str, Scores]) -> "Figure":
    """Retrieval AP against pool size, one line a descriptor and level."""
    figure = _figure((6, 3.2))
    axis = figure.subplots()
    for index, (name, each) in enumerate(scores.items()):
        for level, style, row in zip(LEVELS, ("-", "--", ":"), each.retrieval.table, strict=True):
            look = {"color": f"C{index}", "linestyle": style, "marker": "."}
            axis.plot(each.retrieval.pools, row, label=f"{name}, {level}", **look)
    axis.set(xscale="log", ylim=(0, 1.02), xlabel="Pool size (patches)", ylabel="Retrieval mAP")
    axis.set_xticks(each.retrieval.pools, map(str, each.retrieval.pools), fontsize=7)
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    figure.legend(fontsize=7, loc="outside right center", handlelength=3)
    return figure


def _figure(size: tuple[float, float]) -> "Figure":
    from matplotlib.figure import Figure  # belongs to no window, so that nothing needs closing

    return Figure(figsize=size, layout="constrained")
