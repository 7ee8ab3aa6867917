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


@pytest.mark.parametrize(
    "losses",
    [pytest.param(FEW[name], id=name) for name in ("one", "alike")]
    + [pytest.param(FEW[name], id=name, marks=pytest.mark.deep) for name in ("two", "one of many")],
)
def test_every_picture_of_few_trials_can_be_drawn(losses):
    for name in PLOTS:
        plot(name, losses).draw_without_rendering()


@pytest.mark.parametrize(
    ("name", "enough", "too_few"),
    [
        ("progress", "one of many", "all given up"),
        ("slices", "one of many", "all given up"),
        ("parallel", "two", "one of many"),
        ("importances", "many", "alike"),
        ("importances", "many", "two"),
    ],
)
def test_too_few_trials_are_a_sentence(name, enough, too_few):
    [text] = plot(name, FEW[too_few]).texts
    assert text.get_text() == search_plots.TOO_FEW
    figure = plot(name, {"many": MANY, **FEW}[enough])
    assert figure.axes and not [text for text in figure.texts if text.get_text()]


def test_progress_never_gets_worse():
    (axes,) = plot("progress", MANY).axes
    numbers, best = axes.lines[0].get_data()
    assert np.all(np.diff(best) <= 0) and best[-1] == 0.3
    assert axes.get_ylabel() == "validation error"
    assert axes.collections[0].get_offsets()[:, 0].tolist() == [0, 1, 2, 4, 5, 6, 8, 9]
    assert list(numbers) == sorted(numbers)


def test_a_repeated_trial_stands_under_its_own_number_once():
    study = study_of([0.5, 0.6])
    abandoned = optuna.create_trial(state=TrialState.FAIL)
    study.add_trial(abandoned)
    for loss, attributes in ((0.4, {}), (0.3, {"repeats": 2})):
        study.add_trial(optuna.create_trial(value=loss, user_attrs=attributes))
    (axes,) = search_plots.plot_progress(study).axes
    drawn = axes.collections[0].get_offsets().tolist()
    assert sorted(drawn) == [[0, 0.5], [1, 0.6], [2, 0.3], [3, 0.4]]


def test_importances_stand_in_their_order_and_are_the_same_twice():
    first, second = (plot("importances", MANY).axes[0] for _ in range(2))
    shares = [bar.get_width() for bar in first.patches]
    assert shares == [bar.get_width() for bar in second.patches] == sorted(shares)
    assert sum(shares) == pytest.approx(1)
    names = {"learning rate", "width", "patience", "level weights", "norm"}
    assert set(labels(first.yaxis)) == names


def test_slices_have_a_panel_a_setting_with_readable_choices():
    *panels, _ = plot("slices", MANY).axes
    names = [axes.get_xlabel() for axes in panels]
    assert names == ["learning rate", "level weights", "norm", "patience", "width"]
    assert panels[0].get_xscale() == "log" and "0.01" in labels(panels[0].xaxis)
    assert labels(panels[1].xaxis) == ["alike", "more to tough"]
    assert labels(panels[2].xaxis) == ["None", "batch"]


def test_parallel_lines_begin_at_their_loss():
    axes, *rulers, _ = plot("parallel", [0.5, 0.3, 0.4]).axes
    (lines,) = axes.collections
    begins = [line[0, 1] for line in lines.get_segments()]
    assert begins == pytest.approx(list(lines.get_array()))
    assert sorted(begins) == pytest.approx([0.3, 0.4, 0.5])
    assert labels(axes.xaxis)[0] == "validation error" and "level weights" in labels(axes.xaxis)
    assert len(rulers) == len(DISTRIBUTIONS)


def test_drawing_leaves_matplotlib_as_it_was():
    import matplotlib

    before = dict(matplotlib.rcParams), dict(matplotlib.style.library["ggplot"])
    plot("slices", MANY)
    assert before == (dict(matplotlib.rcParams), dict(matplotlib.style.library["ggplot"]))
