"""Pictures of a search that `helpers.search` has made: the trials that were trained to their end.

Lower losses are better. Values of a setting stand between the limits of what was searched.
"""

import matplotlib
import numpy as np
import optuna
import pandas as pd
from matplotlib import ticker
from matplotlib.figure import Figure
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from helpers.report.figures import ABOVE, BLUE, COLUMN_WIDTH, GREY, TEXT_WIDTH, ReportFigure, style
from helpers.search.trials import counting

TOO_FEW = "too few trials"


@style()
def plot_progress(study: optuna.Study) -> Figure:
    """The loss of each trial in their order, and the best so far."""
    losses = pd.Series({n: trial.value for n, trial in _complete(study).items()}, dtype=float)
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 2.3))
    axes = figure.subplots()
    axes.plot(losses.index, losses, "o", color=GREY, label="trial")
    axes.step(losses.index, losses.cummin(), color=BLUE, where="post", label="best so far")
    axes.set(xlabel="trial", ylabel=_measure(study))
    axes.xaxis.set_major_locator(ticker.MaxNLocator(6, integer=True, min_n_ticks=1))
    figure.legend(**ABOVE)
    return figure


@style()
def plot_importances(study: optuna.Study) -> Figure:
    """How much of the variance of the loss each setting explains by itself, the same at each call.

    Reference: Hutter et al., An efficient approach for assessing hyperparameter importance, ICML
    2014 (fANOVA).
    """
    losses = [trial.value for trial in _complete(study).values()]
    names = len(study.trials[0].params)
    figure = ReportFigure(figsize=(COLUMN_WIDTH, 0.22 * max(names, 3) + 0.5))
    if len(losses) < 4 or len(set(losses)) == 1:  # equal losses have no variance to explain
        figure.text(0.5, 0.5, TOO_FEW, ha="center", va="center")
        return figure
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    shares = pd.Series(optuna.importance.get_param_importances(study, evaluator=evaluator))
    axes = figure.subplots()
    shares = shares.sort_values()
    axes.bar_label(
        axes.barh(list(map(_words, shares.index)), shares, color=BLUE), fmt="%.2f", padding=2
    )
    axes.set(xlabel="share of the explained variance", xlim=(0, 1.1))
    return figure


@style()
def plot_slices(study: optuna.Study) -> Figure:
    """The loss against each setting by itself, one panel a setting; later trials are darker."""
    trials = _complete(study)
    losses, settings = [trial.value for trial in trials.values()], _settings(trials)
    figure = ReportFigure(figsize=(TEXT_WIDTH, 2.3))
    for number, (name, (places, labels)) in enumerate(settings.items()):
        axes = figure.add_subplot(1, len(settings), number + 1)
        axes.scatter(places, losses, c=list(trials), cmap="Blues", ec="black", lw=0.3)
        axes.set(xlabel=name, ylabel="" if number else _measure(study))
        axes.set_xticks(list(labels), labels.values(), rotation=35, ha="right")
        axes.margins(x=0.15)
        axes.tick_params(labelleft=not number)
    figure.align_xlabels()
    return figure


@style()
def plot_parallel(study: optuna.Study) -> Figure:
    """One line a trial from its loss through all its settings; better trials are darker."""
    trials = _complete(study)
    losses = np.array([trial.value for trial in trials.values()])
    ends = {loss: f"{loss:.3f}" for loss in (losses.min(), losses.max())} if trials else {}
    rulers = {_measure(study): (losses, ends), **_settings(trials)}
    figure = ReportFigure(figsize=(TEXT_WIDTH, 2.6))
    axes, heights = figure.subplots(), []
    for x, (places, labels) in enumerate(rulers.values()):
        low, high = min(labels, default=0), max(labels, default=0)
        heights.append((np.asarray(places) - low) / ((high - low) or 1))
        axes.axvline(x, color="black", lw=0.6)
        for place, label in labels.items():
            box = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 0.6}
            axes.text(x, (place - low) / ((high - low) or 1), label, bbox=box, ha="right")
    for line, shade in zip(np.transpose(heights), 1 - 0.75 * heights[0], strict=True):
        axes.plot(line, color=matplotlib.colormaps["Blues"](shade), lw=0.8)
    axes.set_xticks(range(len(rulers)), list(rulers))
    axes.set(yticks=[], ylim=(-0.1, 1.1))
    axes.spines[:].set_visible(False)
    return figure


def _complete(study: optuna.Study) -> dict[int, FrozenTrial]:
    """The trials that were trained to their end, by their numbers."""
    found = counting(study).items()
    return {number: trial for number, trial in found if trial.state == TrialState.COMPLETE}


def _settings(trials: dict[int, FrozenTrial]) -> dict[str, tuple[list[float], dict[float, str]]]:
    """Each setting: where the trials' values stand, and what some of these places are called."""
    found = {}
    for name, kind in sorted(next(iter(trials.values())).distributions.items() if trials else ()):
        values = [trial.params[name] for trial in trials.values()]
        if isinstance(kind, CategoricalDistribution):
            places = [kind.choices.index(value) for value in values]
            labels = dict(enumerate(map(str, kind.choices)))
        else:
            scale, between = (np.log10, np.geomspace) if kind.log else (float, np.linspace)
            places = [float(scale(value)) for value in values]
            labels = {float(scale(v)): f"{v:.4g}" for v in between(kind.low, kind.high, 3)}
        found[_words(name)] = places, labels
    return found


def _measure(study: optuna.Study) -> str:
    return _words(study.user_attrs["description"]["measure"])


def _words(name: str) -> str:
    """A setting without the field that it belongs to: "network_options.width" -> "width"."""
    return name.rpartition(".")[2].replace("_", " ")
