"""Pictures of a search, from made-up studies of any size and outcome."""

import re

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from helpers import search
from helpers.common import paths
from helpers.report import figures
from helpers.search import plots, scales

SPACE = {
    "learning_rate": ("log", 1e-3, 1e-1),
    "network_options.width": ("choice", [8, 16, 24]),
    "patience": ("integer", 2, 6),
    "loss_options.level_weights": ("choice", {"alike": [1, 1, 1], "to tough": [0.5, 1, 1.5]}),
    "weight_decay": ("uniform", 0.0, 0.5),
    "network_options.norm": ("choice", [None, "batch"]),
}
DISTRIBUTIONS = {
    "learning_rate": optuna.distributions.FloatDistribution(1e-3, 1e-1, log=True),
    "network_options.width": optuna.distributions.CategoricalDistribution([8, 16, 24]),
    "patience": optuna.distributions.IntDistribution(2, 6),
    "loss_options.level_weights": optuna.distributions.CategoricalDistribution(
        ["alike", "to tough"]
    ),
    "weight_decay": optuna.distributions.FloatDistribution(0.0, 0.5),
    "network_options.norm": optuna.distributions.CategoricalDistribution([None, "batch"]),
}


def study_of(losses: list[float | None]) -> optuna.Study:
    """A study with a trial for each loss; None: it was given up."""
    study, rng = optuna.create_study(), np.random.default_rng(0)
    for loss in losses:
        params = {
            "learning_rate": 10 ** rng.uniform(-3, -1),
            "network_options.width": int(rng.choice([8, 16, 24])),
            "patience": int(rng.integers(2, 7)),
            "loss_options.level_weights": str(rng.choice(["alike", "to tough"])),
            "weight_decay": rng.uniform(0, 0.5),
            "network_options.norm": [None, "batch"][rng.integers(2)],
        }
        state = TrialState.PRUNED if loss is None else TrialState.COMPLETE
        options = {"params": params, "distributions": DISTRIBUTIONS}
        study.add_trial(optuna.create_trial(value=loss, state=state, **options))
    return study


MANY = [0.5, 0.6, 0.4, None, 0.45, 0.3, 0.35, None, 0.55, 0.33]
FEW = {
    "one": [0.5],
    "two": [0.5, 0.4],
    "alike": [0.5] * 5,
    "one of many": [None, None, 0.5, None],
    "all given up": [None, None],
}


def pictures(losses: list[float | None]) -> dict:
    study = study_of(losses)
    table = search.trials_table(study)
    return {
        "progress": plots.plot_progress(table, "validation_error"),
        "importances": plots.plot_importances(search.importances(study)),
        "slices": plots.plot_slices(table, SPACE, "validation_error"),
        "parallel": plots.plot_parallel(table, SPACE, "validation_error"),
    }


def words(figure) -> list[str]:
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def legend(figure) -> list[str]:
    return [text.get_text() for found in figure.legends for text in found.get_texts()]


@pytest.mark.parametrize("losses", [MANY, *FEW.values()], ids=["many", *FEW])
def test_every_picture_can_be_drawn_and_saved(losses, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "FIGURES", tmp_path)
    for name, figure in pictures(losses).items():
        content = figures.save(figure, name).read_bytes()
        width = float(re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", content)[1]) / 72
        wide = name in ("slices", "parallel")
        expected = figures.TEXT_WIDTH if wide else figures.COLUMN_WIDTH
        assert width == pytest.approx(expected, abs=0.01), name
        assert b"/Type3" not in content, name


def test_panels_without_enough_trials_say_so():
    one, none = pictures(FEW["one"]), pictures(FEW["all given up"])
    assert words(one["importances"]) == words(one["parallel"]) == [plots.TOO_FEW]
    assert not words(one["progress"]) and not words(one["slices"])
    for name in ("progress", "importances", "parallel"):
        assert words(none[name]) == [plots.TOO_FEW], name
    assert words(none["slices"]) == [plots.TOO_FEW] * len(SPACE)
    assert all(plots.TOO_FEW not in words(figure) for figure in pictures(MANY).values())


def test_progress_never_gets_worse_and_names_the_best_trial():
    figure = pictures(MANY)["progress"]
    best_so_far = figure.axes[0].lines[0].get_ydata()
    assert best_so_far.tolist() == [0.5, 0.5, 0.4, 0.4, 0.3, 0.3, 0.3, 0.3]
    assert "best (trial 5)" in legend(figure) and "given up" in legend(figure)


def test_pictures_without_given_up_trials_speak_of_none():
    for name, figure in pictures([0.5, 0.4, 0.6]).items():
        assert "given up" not in legend(figure), name


def test_importances_stand_in_their_order_with_readable_names():
    shares = {"loss_options.level_weights": 0.7, "learning_rate": 0.3}
    (axis,) = plots.plot_importances(shares).axes
    names = [text.get_text() for text in axis.get_yticklabels()]
    heights = dict(zip(names, axis.get_yticks(), strict=True))
    assert heights["level weights"] > heights["learning rate"]
    assert [bar.get_width() for bar in axis.patches] == [0.7, 0.3]


def test_slices_have_a_panel_a_setting_and_trials_where_they_belong():
    table = search.trials_table(study_of(MANY))
    figure = plots.plot_slices(table, SPACE)
    panels = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_xlabel() for axis in panels] == [
        "learning rate", "width", "patience", "level weights", "weight decay", "norm"
    ]  # fmt: skip
    complete = table[table["state"] == "complete"]
    rates, widths, *_ = (axis.lines[0].get_xdata() for axis in panels)
    assert rates.tolist() == complete["learning_rate"].tolist()
    assert np.rint(widths).tolist() == (complete["network_options.width"] / 8 - 1).tolist()
    assert panels[0].get_xscale() == "log"
    assert [text.get_text() for text in panels[3].get_xticklabels()] == ["alike", "to tough"]


def test_a_parallel_line_ends_at_its_loss():
    figure = plots.plot_parallel(search.trials_table(study_of([0.5, 0.3, 0.4])), SPACE)
    ends = {}
    for line in figure.axes[0].lines:
        if len(line.get_ydata()) == len(SPACE) + 1:
            ends[line.get_label()] = line.get_ydata()[-1]
    assert ends == pytest.approx({"own settings": 1, "best (trial 1)": 0, "others": 0.5})


@pytest.mark.parametrize(
    ("choice", "values", "heights"),
    [
        (("log", 0.01, 1.0), [0.01, 0.1, 1.0], [0, 0.5, 1]),
        (("uniform", 1.0, 3.0), [1.0, 2.5, 3.0], [0, 0.75, 1]),
        (("integer", 1, 3), [1, 2, 3], [0, 0.5, 1]),
        (("choice", ["a", "b", "c"]), ["c", "a", "b"], [1, 0, 0.5]),
        (("choice", {"x": [1], "y": [2]}), ["y", "x"], [1, 0]),
        (("choice", [None, 4]), [float("nan"), 4.0], [0, 1]),
        (("choice", [7]), [7, 7], [0.5, 0.5]),
    ],
    ids=str,
)
def test_values_lie_between_the_ends_of_their_scale(choice, values, heights):
    table = search.trials_table(optuna.create_study())
    table["value"] = values
    assert scales.Scale(*choice).height(table["value"]) == pytest.approx(heights)


def test_trials_of_one_choice_stand_side_by_side_in_their_order():
    table = search.trials_table(study_of(MANY))
    places = scales.Scale("choice", [8, 16, 24]).spread(
        table["network_options.width"], table["trial"] / 9
    )
    for width, place in zip((8, 16, 24), range(3), strict=True):
        of_choice = places[table["network_options.width"] == width]
        assert np.all(np.diff(of_choice) > 0) and np.all(np.abs(of_choice - place) < 0.21)
