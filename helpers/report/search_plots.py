"""Pictures of a search: Optuna's own plots in the report's style; lower losses are better.

All take a study that `helpers.search` has made. Trials that were given up have no loss to draw.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
import optuna
from matplotlib import pyplot, ticker
from matplotlib.axis import Axis
from matplotlib.category import StrCategoryFormatter
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from optuna.trial import TrialState
from optuna.visualization import matplotlib as drawn_by_optuna

from helpers.report.figures import ABOVE, COLUMN_WIDTH, TEXT_WIDTH, ReportFigure, style
from helpers.search.trials import counting

TOO_FEW = "too few trials"
COMPLETE = (TrialState.COMPLETE,)
EMPTY = optuna.create_trial(state=TrialState.FAIL)  # drawn by no plot, but counted
# Optuna's, without the white in which the worst trial could not be seen.
BLUES = ListedColormap(matplotlib.colormaps["Blues_r"](np.linspace(0, 0.75, 256)))


@style()
def plot_progress(study: optuna.Study) -> Figure:
    """The loss of each trial in their order, and the best so far."""
    plot = drawn_by_optuna.plot_optimization_history
    figure = _draw(plot, _as_drawn(study), (COLUMN_WIDTH, 2.3), 1)
    for axes in figure.axes:
        axes.xaxis.set_major_locator(ticker.MaxNLocator(6, integer=True, min_n_ticks=1))
        handles = axes.get_legend().legend_handles
        axes.get_legend().remove()
        figure.legend(handles, ["trial", "best so far"], **ABOVE)
    return figure


@style()
def plot_importances(study: optuna.Study) -> Figure:
    """How much of the variance of the loss each setting explains by itself, the same at each call.

    Reference: Hutter et al., An efficient approach for assessing hyperparameter importance, ICML
    2014 (fANOVA).
    """
    losses = {trial.value for trial in study.get_trials(deepcopy=False, states=COMPLETE)}
    fewest = 4 if len(losses) > 1 else math.inf  # equal losses have no variance to explain
    size = COLUMN_WIDTH, 0.22 * max(len(study.trials[0].params), 3) + 0.5
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    plot = drawn_by_optuna.plot_param_importances
    figure = _draw(plot, study, size, fewest, evaluator=evaluator)
    for axes in figure.axes:
        axes.set(xlabel="share of the explained variance", ylabel="", xlim=(0, 1.1))
        axes.set_yticks(axes.get_yticks(), [_words(y.get_text()) for y in axes.get_yticklabels()])
        axes.get_legend().remove()
    return figure


@style()
def plot_slices(study: optuna.Study) -> Figure:
    """The loss against each setting by itself, one panel a setting; later trials are darker."""
    plot = drawn_by_optuna.plot_slice
    figure = _draw(plot, _as_drawn(study), (TEXT_WIDTH, 2.3), 1)
    for axes in figure.axes:
        pyplot.setp(axes.get_xticklabels(), rotation=35, ha="right", rotation_mode="anchor")
    figure.align_xlabels()
    return figure


@style()
def plot_parallel(study: optuna.Study) -> Figure:
    """One line a trial from its loss through all its settings; better trials are darker."""
    plot = drawn_by_optuna.plot_parallel_coordinate
    figure = _draw(plot, _as_drawn(study), (TEXT_WIDTH, 2.6), 2)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6}
    for axes in figure.axes:
        axes.tick_params(axis="x", rotation=0, length=0, pad=8)
        axes.spines["right"].set_visible(True)
        pyplot.setp(axes.get_yticklabels(), bbox=box)
        for lines in axes.collections:
            lines.set_cmap(BLUES)
    return figure


def _draw(
    plot: Callable, study: optuna.Study, size: tuple[float, float], fewest: float, **options: Any
) -> Figure:
    """A plot of a study, or a sentence if it has fewer complete trials than the plot needs."""
    if len(study.get_trials(deepcopy=False, states=COMPLETE)) < fewest:
        figure = ReportFigure(figsize=size, layout="none")
        figure.text(0.5, 0.5, TOO_FEW, ha="center", va="center")
        return figure
    measure = _words(study.user_attrs["description"]["measure"])
    with _report_style():
        figure = np.ravel(plot(study, target_name=measure, **options))[0].figure
    pyplot.close(figure)  # notebooks would show it a second time
    figure.__class__ = ReportFigure  # pyplot makes plain ones; the class only adds how it is shown
    figure.set_layout_engine("constrained")  # one of Optuna's plots takes another
    figure.set_size_inches(size)
    figure.suptitle("")
    for axes in figure.axes:
        axes.set_title("", loc="left")
        axes.set_title("")
        axes.set(xlabel=axes.get_xlabel().lower(), ylabel=axes.get_ylabel().lower())
        _set_ticks(axes.xaxis)
        _set_ticks(axes.yaxis)
    return figure


@contextmanager
def _report_style() -> Iterator[None]:
    """Keeps Optuna's plots from their own style, and from the warning that they are experimental.

    Matplotlib warns where all trials have one value of a setting, and widens that axis itself.
    """
    ggplot = matplotlib.style.library["ggplot"]
    matplotlib.style.library["ggplot"] = {}  # Optuna asks for it by name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", "Attempting to set identical", UserWarning)
            yield
    finally:
        matplotlib.style.library["ggplot"] = ggplot


def _as_drawn(study: optuna.Study) -> optuna.Study:
    """A copy with the complete trials, under their numbers and with short names of settings."""
    copy, counted = optuna.create_study(), counting(study)
    copy.set_user_attr("description", study.user_attrs["description"])
    for number in range(max(counted, default=-1) + 1):
        attempt = counted.get(number, EMPTY)
        if attempt.state in COMPLETE:
            params = {_words(name): value for name, value in attempt.params.items()}
            ranges = {_words(name): among for name, among in attempt.distributions.items()}
            options = {"params": params, "distributions": ranges}
            copy.add_trial(optuna.create_trial(value=attempt.value, **options))
        else:  # drawn by no plot, but counted
            copy.add_trial(EMPTY)
    return copy


def _words(name: str) -> str:
    """A setting without the field that it belongs to: "network_options.width" -> "width"."""
    return name.rpartition(".")[2].replace("_", " ")


def _set_ticks(axis: Axis) -> None:
    """Choices without quotation marks, and plain numbers instead of powers of ten."""
    if axis.get_scale() == "log":
        low, high = axis.get_view_interval()
        steps = (1, 2, 3, 5, 7) if high / low < 20 else (1, 3)
        axis.set_major_locator(ticker.LogLocator(subs=steps, numticks=20))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(ticker.NullLocator())
    elif isinstance(axis.get_major_formatter(), StrCategoryFormatter):
        labels = [label.get_text().strip("'") for label in axis.get_ticklabels()]
        axis.set_ticks(axis.get_ticklocs(), labels)
