"""Pictures with controls: what is drawn, and where only the picture is shown."""

import io
from types import SimpleNamespace

import keras
import nbformat
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from helpers import settings
from helpers.benchmark.layout import STRIPS
from helpers.common import paths
from helpers.common.errors import InputError
from helpers.evaluation import scoring
from helpers.notebook import execute, explorer, watch
from helpers.report import figures
from helpers.training import runs


def shade(scene: str, point: int, tint: str) -> list[Figure]:
    """A picture of its own for each choice."""
    figure = Figure(figsize=(1, 1))
    figure.text(0, 0.5, f"{scene} {point} {tint}")
    return [figure]


@pytest.fixture
def explored():
    choices = {"scene": ["long", "short"], "point": range(9), "tint": ["light", "dark"]}
    return explorer.Explorer(shade, choices, tint="dark")


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(explorer, "somebody_watches", lambda: True)


def kernel(monkeypatch, allow_stdin):
    request = {"content": {"allow_stdin": allow_stdin}}
    shell = SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda: request))
    monkeypatch.setattr(explorer, "get_ipython", lambda: shell)


def controls(box) -> dict:
    return {control.description: control for control in box.children[:-1]}


# --- the picture and its controls ----------------------------------------------------------------


def test_the_first_values_are_the_first_choices_or_those_given(explored):
    assert explored.values == {"scene": "long", "point": 0, "tint": "dark"}
    assert controls(explored.controls())["tint"].value == "dark"


def test_moving_any_control_changes_the_picture(explored):
    box = explored.controls()
    seen = [box.children[-1].value]
    for name, value in (("point", 5), ("tint", "light"), ("scene", "short")):
        controls(box)[name].value = value
        seen.append(box.children[-1].value)
    assert len(set(seen)) == 4


def test_somebody_who_watches_gets_controls_and_exports_the_picture(explored, watched):
    bundle = explored._repr_mimebundle_()
    assert bundle[watch.WIDGET]["model_id"]
    assert bundle["image/png"].startswith(b"\x89PNG")


def test_where_nobody_watches_there_is_the_picture_alone(explored):
    bundle = explored._repr_mimebundle_()
    assert watch.WIDGET not in bundle and bundle["image/png"].startswith(b"\x89PNG")


def test_figures_are_stacked_in_their_order():
    above, below = Figure((1, 1), facecolor="black"), Figure((2, 1), facecolor="white")
    sheet = np.asarray(Image.open(io.BytesIO(explorer.stacked([above, below]))))
    dpi = explorer.DPI
    assert sheet.shape == (2 * dpi, 2 * dpi, 3)
    assert sheet[0, 0, 0] == 0 and sheet[-1, 0, 0] == 255
    assert sheet[0, -1, 0] == 255  # beside the narrower one


def test_a_picture_that_cannot_be_drawn_fails_in_its_cell():
    def draw(tint):
        raise InputError("no such patch")

    with pytest.raises(InputError, match="no such patch"):  # while displaying it would be hidden
        explorer.Explorer(draw, {"tint": ["light"]})


# --- who watches ---------------------------------------------------------------------------------


@pytest.mark.parametrize("allow_stdin", [True, False])
def test_somebody_watches_where_a_question_would_be_answered(monkeypatch, allow_stdin):
    kernel(monkeypatch, allow_stdin)
    assert explorer.somebody_watches() is allow_stdin


def test_nobody_watches_outside_a_notebook():
    assert not explorer.somebody_watches()


def test_without_ipywidgets_nobody_can_move_anything(monkeypatch):
    kernel(monkeypatch, True)
    monkeypatch.setattr(explorer.importlib.util, "find_spec", lambda name: None)
    assert not explorer.somebody_watches()


def test_an_executed_copy_and_its_html_page_show_the_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(paths, "EXECUTED", tmp_path / "executed")
    code = """
        from matplotlib.figure import Figure
        from helpers.notebook import explorer
        explorer.Explorer(lambda size: [Figure()], {"size": ["one"]})"""
    lines = [line.strip() for line in code.splitlines()]
    (tmp_path / "1_small.py").write_text("\n".join(["# %%", *lines, ""]))
    (executed,) = execute.execute_all({})
    (output,) = nbformat.read(executed, as_version=4).cells[-1].outputs
    assert "image/png" in output.data and watch.WIDGET not in output.data
    assert "data:image/png;base64," in executed.with_suffix(".html").read_text()


# --- what can be explored ------------------------------------------------------------------------


@pytest.fixture
def approaches(tmp_path, monkeypatch):
    """Raw pixels for a descriptor, and a denoiser that does nothing."""

    def network(*layers):
        return keras.Sequential([keras.Input((32, 32, 1)), *layers])

    monkeypatch.setattr(runs, "load_pipeline", lambda run: network(keras.layers.Flatten()))
    monkeypatch.setattr(runs, "load_network", lambda run: network(keras.layers.Identity()))
    return {name: (tmp_path / "denoiser", tmp_path / name) for name in ("baseline", "improved")}


PLACE = {"scene": "i_1", "point": 7, "strip": "h3", "approach": "improved"}


def drawn_by(monkeypatch, name) -> list:
    """What a function of `figures` is called with."""
    calls, function = [], getattr(figures, name)
    monkeypatch.setattr(figures, name, lambda *args: calls.append(args) or function(*args))
    return calls


def test_strips_show_the_point_of_the_scene(tiny_store, monkeypatch):
    calls = drawn_by(monkeypatch, "plot_strips")
    explored = explorer.strips(tiny_store, "validation")
    assert explored.choices["scene"] == list(tiny_store.parts["validation"])
    assert explored.values["point"] == 6  # in the middle
    for point, shown in ((5, 5), (99, 11)):  # the last one for those beyond it
        explored.picture(scene="v_1", point=point)
        assert calls[-1][1] == tiny_store.scenes["v_1"].start + shown


def test_neighbours_are_the_nearest_and_the_right_one_is_marked(
    tiny_store, approaches, monkeypatch
):
    calls = drawn_by(monkeypatch, "plot_neighbours")
    explored = explorer.neighbours(tiny_store, approaches)
    explored.picture(**PLACE)
    query, right, found = calls[-1]
    neighbours, correct, rank = found["improved"]
    scene = tiny_store.noisy[tiny_store.scenes["i_1"]].astype(float)
    pool = scene[:, STRIPS.index("h3")]
    order = sorted(range(12), key=lambda n: np.sum((pool[n] - scene[7, 0]) ** 2))
    shown = order[: explorer.NEAREST]
    np.testing.assert_array_equal([query[0], right[0]], [scene[7, 0], pool[7]])
    np.testing.assert_array_equal(neighbours[0], pool[shown])
    np.testing.assert_array_equal(correct[0], np.array(shown) == 7)
    assert correct.sum() == 1 and list(rank) == [order.index(7) + 1]


def test_the_rank_of_the_right_one_is_told(tiny_store, approaches, monkeypatch):
    networks = explorer._Networks(tiny_store, approaches)
    ref, strip = np.arange(0, 1200, 100), np.arange(0, 1200, 100)
    strip[:3] = 3, 1, 2  # to the query 0, points 1 and 2 look more alike than 0 itself
    vectors = {"ref": ref[:, None], "t1": strip[:, None]}
    monkeypatch.setattr(networks, "answers", lambda *asked: vectors[asked[-1]])
    for point, rank in ((0, 3), (5, 1)):
        figure = networks.nearest("i_1", point, "t1", "improved")
        assert f"rank\n{rank}" in [
            label.get_text() for axis in figure.axes for label in axis.get_yticklabels()
        ]


def test_the_patch_is_shown_as_each_denoiser_leaves_it(tiny_store, approaches, monkeypatch):
    calls = drawn_by(monkeypatch, "plot_denoising")
    explored = explorer.neighbours(tiny_store, approaches)
    explored.picture(**PLACE)
    noisy, denoised, clean, levels = calls[-1]
    row, column = tiny_store.scenes["i_1"].start + 7, STRIPS.index("h3")
    np.testing.assert_array_equal(noisy[0], tiny_store.noisy[row, column])
    np.testing.assert_array_equal(clean[0], tiny_store.clean[row, column])
    assert list(denoised) == ["baseline", "improved"] and levels == ["h3"]
    np.testing.assert_array_equal(denoised["improved"], noisy)  # this one does nothing


def test_a_strip_is_described_once(tiny_store, approaches):
    networks = explorer._Networks(tiny_store, approaches)
    first = networks.answers("improved", "descriptor", "i_1", "t1")
    assert networks.answers("improved", "descriptor", "i_1", "t1") is first
    assert networks.answers("baseline", "descriptor", "i_1", "t1") is not first


def test_of_a_large_scene_only_the_first_points_are_searched(
    tiny_store, approaches, monkeypatch, capsys
):
    monkeypatch.setattr(explorer, "POOL", 5)
    explored = explorer.neighbours(tiny_store, approaches)
    assert "first 5 points of each scene" in capsys.readouterr().out
    assert explored.choices["point"] == range(5)
    networks = explorer._Networks(tiny_store, approaches)
    assert len(networks.answers("improved", "descriptor", "i_1", "t1")) == 5


def test_neighbours_want_an_approach(tiny_store):
    with pytest.raises(InputError, match="train one"):
        explorer.neighbours(tiny_store, {})


def test_only_approaches_that_are_trained_can_be_picked(tiny_store, monkeypatch, tmp_path):
    def find_runs(profile, approach, store, pretrained):
        if approach == "baseline":
            raise InputError("not trained yet")
        return tmp_path, tmp_path

    monkeypatch.setattr(scoring, "find_runs", find_runs)
    assert list(explorer.trained(settings.SMOKE, tiny_store)) == ["improved"]


def test_trials_are_those_trained_to_their_end_and_the_best_comes_first(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(figures, "plot_losses", lambda one: drawn.append(one) or Figure((1, 1)))
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    table = pd.DataFrame(
        {
            "trial": [0, 1, 2, 3, 4],
            "state": ["complete", "pruned", "complete", "waiting", "complete"],
            "loss": [0.5, np.nan, 0.3, np.nan, 0.1],
            "run": ["a", "b", "c", None, "elsewhere"],
        }
    )
    assert explorer.trials(table) == "The run folders of the trials are on other machines."
    for run in "abc":
        (tmp_path / run).mkdir()
    assert explorer.trials(table).choices == {"trial": ["trial 2", "trial 0"]}
    assert drawn == [{"trial 2": tmp_path / "c"}]
