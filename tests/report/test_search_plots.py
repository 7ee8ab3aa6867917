"""Pictures of a search, from made-up studies of any size and outcome."""

import re

import numpy as np
import optuna
import pytest
from matplotlib import pyplot
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from helpers.report import figures, search_plots

DISTRIBUTIONS = {
    "learning_rate": FloatDistribution(1e-3, 1e-1, log=True),
    "network_options.width": CategoricalDistribution([8, 16, 24]),
    "patience": IntDistribution(2, 6),
    "loss_options.level_weights": CategoricalDistribution(["alike", "more to tough"]),
    "network_options.norm": CategoricalDistribution([None, "batch"]),
}
MANY = [0.5, 0.6, 0.4, None, 0.45, 0.3, 0.35, None, 0.55, 0.33]
FEW = {
    "one": [0.5],
    "two": [0.5, 0.4],
    "alike": [0.5] * 5,
    "one of many": [None, None, 0.5, None],
    "all given up": [None, None],
}
PLOTS = ("progress", "importances", "slices", "parallel")


def study_of(losses: list[float | None]) -> optuna.Study:
    """A study with a trial for each loss; None: it was given up."""
    study, rng = optuna.create_study(), np.random.default_rng(0)
    study.set_user_attr("description", {"measure": "validation_error"})
    for loss in losses:
        params = {
            "learning_rate": 10 ** rng.uniform(-3, -1),
            "network_options.width": int(rng.choice([8, 16, 24])),
            "patience": int(rng.integers(2, 7)),
            "loss_options.level_weights": str(rng.choice(["alike", "more to tough"])),
            "network_options.norm": [None, "batch"][rng.integers(2)],
        }
        state = TrialState.PRUNED if loss is None else TrialState.COMPLETE
        options = {"params": params, "distributions": DISTRIBUTIONS}
        study.add_trial(optuna.create_trial(value=loss, state=state, **options))
    return study


def plot(name: str, losses: list[float | None]):
    return getattr(search_plots, f"plot_{name}")(study_of(losses))


def labels(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


@pytest.mark.parametrize("name", PLOTS)
def test_every_picture_has_its_width_and_is_shown_once(name, pdf_of):
    figure = plot(name, MANY)
    assert isinstance(figure, figures.ReportFigure) and not pyplot.get_fignums()
    content = pdf_of(figure)
    width = float(re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", content)[1]) / 72
    wide = name in ("slices", "parallel")
    expected = figures.TEXT_WIDTH if wide else figures.COLUMN_WIDTH
    assert width == pytest.approx(expected, abs=0.01)
    assert b"/Type3" not in content


@pytest.mark.parametrize("losses", FEW.values(), ids=FEW)
def test_every_picture_of_few_trials_can_be_drawn(losses):
    for name in PLOTS:
        plot(name, losses).draw_without_rendering()


@pytest.mark.parametrize("too_few", ["all given up", "alike", "two"])
def test_too_few_trials_to_explain_are_a_sentence(too_few):
    [text] = plot("importances", FEW[too_few]).texts
    assert text.get_text() == search_plots.TOO_FEW
    assert plot("importances", MANY).axes


def test_progress_never_gets_worse():
    (axes,) = plot("progress", MANY).axes
    trials, best = axes.lines
    assert np.all(np.diff(best.get_ydata()) <= 0) and best.get_ydata()[-1] == 0.3
    assert axes.get_ylabel() == "validation error"
    assert list(trials.get_xdata()) == [0, 1, 2, 4, 5, 6, 8, 9]


def test_a_repeated_trial_stands_under_its_own_number_once():
    study = study_of([0.5, 0.6])
    abandoned = optuna.create_trial(state=TrialState.FAIL)
    study.add_trial(abandoned)
    for loss, attributes in ((0.4, {}), (0.3, {"repeats": 2})):
        study.add_trial(optuna.create_trial(value=loss, user_attrs=attributes))
    (axes,) = search_plots.plot_progress(study).axes
    drawn = axes.lines[0].get_xydata().tolist()
    assert sorted(drawn) == [[0, 0.5], [1, 0.6], [2, 0.3], [3, 0.4]]


def test_importances_stand_in_their_order_and_are_the_same_twice():
    first, second = (plot("importances", MANY).axes[0] for _ in range(2))
    shares = [bar.get_width() for bar in first.patches]
    assert shares == [bar.get_width() for bar in second.patches] == sorted(shares)
    assert sum(shares) == pytest.approx(1)
    names = {"learning rate", "width", "patience", "level weights", "norm"}
    assert set(labels(first.yaxis)) == names


def test_slices_have_a_panel_a_setting_with_readable_choices():
    panels = plot("slices", MANY).axes
    names = [axes.get_xlabel() for axes in panels]
    assert names == ["learning rate", "level weights", "norm", "width", "patience"]
    assert labels(panels[0].xaxis) == ["0.001", "0.01", "0.1"]  # equally far apart
    assert labels(panels[1].xaxis) == ["alike", "more to tough"]
    assert labels(panels[2].xaxis) == ["None", "batch"]
    study = study_of(MANY)
    offsets = panels[0].collections[0].get_offsets()
    rates = [trial.params["learning_rate"] for trial in study.trials if trial.value]
    np.testing.assert_allclose(offsets[:, 0], np.log10(rates))
    assert offsets[:, 1].tolist() == [loss for loss in MANY if loss]


def test_parallel_lines_begin_at_their_loss_and_better_ones_are_darker():
    (axes,) = plot("parallel", [0.5, 0.3, 0.4]).axes
    lines = [line for line in axes.lines if len(line.get_xdata()) == 1 + len(DISTRIBUTIONS)]
    assert [line.get_ydata()[0] for line in lines] == pytest.approx([1, 0, 0.5])
    shades = [sum(line.get_color()[:3]) for line in lines]
    assert shades[1] < shades[2] < shades[0]
    assert labels(axes.xaxis)[:2] == ["validation error", "learning rate"]
