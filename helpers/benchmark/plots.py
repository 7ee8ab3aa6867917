"""Pictures of the scores: curves, bars by sequence, AP against pool size."""

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

POINTS = 500  # of a drawn curve
STYLES = dict(zip(LEVELS, ("-", "--", ":"), strict=True))


def plot_all(scores: Mapping[str, Scores], folder: Path | str) -> None:
    """Draws every picture that the scores allow, as PDF and PNG."""
    some = next(iter(scores.values()))
    if some.verification:
        _save(plot_precision_recall(scores), Path(folder) / "precision_recall")
    if some.matching:
        _save(plot_sequences(scores), Path(folder) / "sequences")
    if some.R is not None:
        _save(plot_pools(scores), Path(folder) / "pools")


def _save(figure: "Figure", path: Path) -> None:
    from matplotlib import rc_context

    for kind in ("pdf", "png"):
        drawn = io.BytesIO()  # on a full disk matplotlib would leave its own file open
        with rc_context({"pdf.fonttype": 42}):  # embeds TrueType
            figure.savefig(drawn, format=kind, dpi=200)
        with atomic_path(path.with_suffix(f".{kind}")) as temporary:
            temporary.write_bytes(drawn.getvalue())


def plot_precision_recall(scores: Mapping[str, Scores]) -> "Figure":
    """Precision against recall of the imbalanced verification, one panel a level and kind."""
    figure, axes = _figure(len(KINDS), len(LEVELS), (7, 4.8), sharex=True, sharey=True)
    for kind, row in zip(KINDS, axes, strict=True):
        for index, (level, axis) in enumerate(zip(LEVELS, row, strict=True)):
            for result in (each.verification for each in scores.values()):
                if (value := result.scores[level][kind]["ap"]) is None:
                    continue  # a single sequence has no pairs of two
                positive = result.distances["positive"][index, : result.imbalanced]
                negative = result.distances[kind][index]
                precision, recall = precision_recall_curve(positive, negative)
                axis.plot(*_thinned(recall, precision), label=f"{value:.3f}", linewidth=1.2)
            axis.set_title(f"{level}, {kind}", fontsize=9)
            axis.set(xlim=(0, 1), ylim=(0, 1.02), xticks=(0, 0.5, 1))
            axis.grid(alpha=0.3)
            if axis.lines:
                axis.legend(fontsize=7, title="AP", title_fontsize=7, loc="lower left")
    for axis in axes[-1]:
        axis.set_xlabel("Recall")
    for axis in axes[:, 0]:
        axis.set_ylabel("Precision")
    _legend_below(figure, axes[-1, 0].lines, list(scores))
    return figure


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points evenly spread along the curve, since a million of them make a huge PDF."""
    length = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    keep = np.unique(np.searchsorted(length, np.linspace(0, length[-1], POINTS)))
    keep = np.union1d(np.minimum(keep, len(x) - 1), len(x) - 1)
    return x[keep], y[keep]


def plot_sequences(scores: Mapping[str, Scores]) -> "Figure":
    """Matching AP of each sequence, mean over its fifteen strips, best first."""
    names = next(iter(scores.values())).tasks.sequences
    values = {name: each.matching.ap.mean(axis=(1, 2)) for name, each in scores.items()}
    order = np.argsort(-np.mean(list(values.values()), axis=0), kind="stable")
    figure, axes = _figure(1, 1, (7, 1 + (0.1 + 0.1 * len(scores)) * len(names)))
    axis, height = axes[0, 0], 0.8 / len(scores)
    for index, (name, value) in enumerate(values.items()):
        place = np.arange(len(names)) + (index - (len(scores) - 1) / 2) * height
        axis.barh(place, value[order], height, label=f"{name} {value.mean():.3f}")
    axis.set_yticks(np.arange(len(names)), [names[i] for i in order], fontsize=7)
    axis.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.5), xlabel="Matching mAP")
    axis.grid(axis="x", alpha=0.3)
    axis.set_axisbelow(True)
    _legend_below(figure, *axis.get_legend_handles_labels())
    return figure


def plot_pools(scores: Mapping[str, Scores]) -> "Figure":
    """Retrieval AP against pool size, one line a descriptor and level."""
    figure, axes = _figure(1, 1, (6, 3.2))
    axis = axes[0, 0]
    for index, (name, each) in enumerate(scores.items()):
        for level, row in zip(LEVELS, each.retrieval.table, strict=True):
            style = {"color": f"C{index}", "linestyle": STYLES[level], "marker": "."}
            axis.plot(each.retrieval.pools, row, label=f"{name}, {level}", **style)
    axis.set_xscale("log")
    pools = each.retrieval.pools
    axis.set_xticks(pools, [str(pool) for pool in pools], fontsize=7)
    axis.minorticks_off()
    axis.set(ylim=(0, 1.02), xlabel="Pool size (patches)", ylabel="Retrieval mAP")
    axis.grid(alpha=0.3)
    figure.legend(fontsize=7, loc="outside right center", handlelength=3)
    return figure


def _legend_below(figure: "Figure", handles, names: list[str]) -> None:
    figure.legend(handles, names, fontsize=8, loc="outside lower center", ncols=3)


def _figure(rows: int, columns: int, size: tuple[float, float], **options):
    # Matplotlib takes a second to import, and those who want numbers only need not have it. A bare
    # Figure belongs to no window, so that nothing needs closing.
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)
