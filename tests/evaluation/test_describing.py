"""Descriptors as files: whole, never mixed, and scored alike by both commands."""

import json

import keras
import numpy as np
import pytest

from helpers import benchmark
from helpers.__main__ import main
from helpers.benchmark.__main__ import main as main_alone
from helpers.common import files
from helpers.common.errors import InputError
from helpers.dataset import PatchStore, write_strips
from helpers.evaluation import describing
from helpers.networks.blocks import patch_input

SMOKE = ("--profile", "smoke")


def save_run(folder, side):
    """A descriptor that blurs and needs no training."""
    folder.mkdir()
    patch = patch_input()
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(side)(patch))
    keras.Model(patch, keras.layers.UnitNormalization()(x)).save(folder / "model.keras")
    settings = {"role": "descriptor", "joining": "direct"}
    files.write_json(folder / "settings.json", {"denoiser": None, "settings": settings})
    return folder


@pytest.fixture
def run(tmp_path):
    return save_run(tmp_path / "descriptor", 8)


@pytest.fixture
def few(photographs):
    """Three scenes of the photographs."""
    return PatchStore(photographs.folder, {"test": tuple(photographs.scenes)[:3]}, "few")


def written(folder):
    return {path.stem: path.stat().st_mtime_ns for path in folder.glob("*.npy")}


def test_an_interrupted_description_goes_on_where_it_was(run, few, small_disk, tmp_path, capsys):
    filler = small_disk / "much"
    filler.write_bytes(bytes(2**21 - 120_000))
    with pytest.raises(benchmark.BenchmarkError, match=r"npy could not be written .*free some"):
        describing.describe_into(small_disk / "out", "npy", run, few)
    before = written(small_disk / "out")
    assert 0 < len(before) < 3
    filler.unlink()
    describing.describe_into(small_disk / "out", "npy", run, few)
    after = written(small_disk / "out")
    assert set(after) == set(few.parts["test"]) and before.items() <= after.items()
    assert f"{len(before)} of 3 scenes are described already" in capsys.readouterr().out
    describing.describe_into(tmp_path / "at once", "npy", run, few)
    for path in (tmp_path / "at once").glob("*.npy"):
        assert path.read_bytes() == (small_disk / "out" / path.name).read_bytes()


def test_descriptors_of_something_else_are_never_mixed_in(run, few, tmp_path):
    out = tmp_path / "out"
    describing.describe_into(out, "npy", run, few)
    other, before = save_run(tmp_path / "other", 4), written(out)
    for kind, network, points in (("csv", run, None), ("npy", other, None), ("npy", run, 20)):
        with pytest.raises(InputError, match="out holds descriptors of something else"):
            describing.describe_into(out, kind, network, few, points)
    (out / describing.RECORD).unlink()  # then nobody knows whose they are
    with pytest.raises(InputError, match=r"unknown.*choose another --output, or delete"):
        describing.describe_into(out, "npy", run, few)
    assert written(out) == before
    describing.describe_into(tmp_path / "elsewhere", "npy", other, few)


def test_networks_trained_anew_under_the_same_name_are_something_else(run, few, tmp_path):
    describing.describe_into(tmp_path / "out", "npy", run, few)
    (run / "model.keras").unlink()
    (save_run(tmp_path / "other", 4) / "model.keras").rename(run / "model.keras")
    with pytest.raises(InputError, match="something else"):
        describing.describe_into(tmp_path / "out", "npy", run, few)


@pytest.fixture
def call(at_home, tmp_path, capsys):
    """Runs a command in an empty home; returns what it printed."""
    at_home(tmp_path / "home")

    def run(*words, status=0, alone=False):
        assert (main_alone if alone else main)([*map(str, words)]) == status
        printed = capsys.readouterr()
        return printed.err if status else printed.out

    return run


def test_all_points_of_all_scenes_are_described_unless_fewer_are_asked_for(
    run, photographs, call, tmp_path
):
    asked = ("describe", "--run", run, *SMOKE, "--output")
    assert "18 scenes, 720 points" in call(*asked, tmp_path / "all")
    assert set(written(tmp_path / "all")) == set(photographs.scenes)
    call(*asked, tmp_path / "few", "--part", "validation", "--points", 5)
    assert set(written(tmp_path / "few")) == set(photographs.parts["validation"])
    arrays = [np.load(path) for path in (tmp_path / "few").glob("*.npy")]
    assert {array.shape for array in arrays} == {(16, 5, 16)}
    assert "--points is 1" in call(*asked, tmp_path / "x", "--points", 1, status=2)


def test_both_commands_give_one_folder_one_score_and_say_of_which_lists(run, call, tmp_path):
    out, lists, pools = tmp_path / "out", tmp_path / "lists", ("--pools", *benchmark.POOLS)
    call("describe", "--run", run, "--output", out, *SMOKE)
    asked = ("score", out, *SMOKE, "--part", "all", "--json", tmp_path / "one.json")
    said = call(*asked, "--write-tasks", lists)
    assert "1,000 pairs of each kind, retrieval without flat patches" in said
    alone = (out, "--json", tmp_path / "two.json", *pools)
    assert f"Lists: read from {lists}" in call(
        *alone, "--split", "test", "--tasks", lists, alone=True
    )
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    for key in ("V", "M", "R", "intervals", "verification", "retrieval"):
        assert one[key] == two["out"][key]
    assert one["R"] is not None
    said = call(*alone, "--split", "found", "--pairs", 1000, alone=True)
    assert "retrieval may hold flat patches" in said
    assert f"Lists: read from {lists}" in call(*asked, "--tasks", lists)
    again = json.loads((tmp_path / "one.json").read_text())
    assert again["S"] == one["S"] and again["tasks"]["lists"] == f"read from {lists}"


def test_what_is_not_scored_is_said_and_other_lists_are_refused(run, call, tmp_path, photographs):
    out, lists = tmp_path / "out", tmp_path / "lists"
    call("describe", "--run", run, "--output", out, *SMOKE, "--points", 9)
    asked = ("score", out, *SMOKE)
    assert "has 9 points" in call(*asked, status=2)
    asked = (*asked, "--points", 9)
    left = len(photographs.scenes) - len(photographs.parts["test"])
    said = call(*asked, "--write-tasks", lists)
    assert f"left out: {left} other sequences" in said and "warning: Retrieval has no pools" in said
    complaint = call(*asked, "--part", "train", "--tasks", lists, status=2)
    assert f"The lists in {lists} and the scenes that are scored differ" in complaint
    assert f"{tmp_path} holds no task lists" in call(*asked, "--tasks", tmp_path, status=2)


def test_one_scene_is_described_and_scored(run, call, tmp_path, photographs):
    write_strips(photographs, tmp_path / "strips")
    name = photographs.parts["train"][0]
    alone = ("--dataset", f"n-hpatches:{tmp_path / 'strips'}", "--scenes", name, *SMOKE)
    call("describe", "--run", run, "--output", tmp_path / "out", *alone)
    assert [*written(tmp_path / "out")] == [name]
    asked = ("score", tmp_path / "out", *alone, "--json", tmp_path / "x.json", "--part")
    assert "no scene: choose another --part" in call(*asked, "test", status=2)
    said = call(*asked, "all")
    scores = json.loads((tmp_path / "x.json").read_text())
    assert scores["V"] is None and scores["S"] is None and 0 < scores["M"] <= 1
    assert "There is one sequence only" in said
