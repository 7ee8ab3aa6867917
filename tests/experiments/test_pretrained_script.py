"""The script that makes helpers/pretrained: what it trains, packs and says, and what it spares."""

import importlib.util
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from helpers import settings
from helpers.common import files, paths
from helpers.common.errors import InputError
from helpers.training import load_pipeline, runs

SCRIPT = paths.ROOT / "benchmarks" / "pretrained.py"
PARTS = ("denoiser", "descriptor")


@pytest.fixture(scope="module")
def pretrained():
    spec = importlib.util.spec_from_file_location("pretrained", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(pretrained, tiny_store, tmp_path_factory):
    """Tiny networks, trained, scored and packed in the place of an older file."""
    home = tmp_path_factory.mktemp("home")
    small = {"network_options": {"width": 4}, "validations": 2, "validation_batches": 1}
    few = {"redraw": False, "batch": 8, "epochs": 0.1, **small}
    tiny = [replace(part, **few) for part in settings.SMOKE.trainings("improved")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "RUNS", home / "runs")
        patch.setattr(runs, "PRETRAINED", old_folder(home))
        measured = pretrained.make(tiny, tiny_store, {"tiny": tiny_store}, pairs=200)
        yield home / "pretrained", measured


def old_folder(home):
    """Stands in for the pretrained networks that there are already."""
    folder = home / "pretrained"
    folder.mkdir(parents=True)
    (folder / "measured.json").write_text("old")
    return folder


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.mark.parametrize("part", PARTS)
def test_it_trains_with_the_settings_of_the_networks_that_come_with_the_code(pretrained, part):
    mine = asdict(pretrained.trainings()[PARTS.index(part)])
    shipped = files.read_json(runs.PRETRAINED / part / "settings.json")["settings"]
    assert json.loads(json.dumps(mine)) == shipped


def test_the_packed_folder_takes_the_place_of_the_old_one(made, pretrained):
    folder, measured = made
    parts = {f"{part}/{name}" for part in PARTS for name in pretrained.PACKED}
    assert {str(path) for path in content(folder)} == {*parts, "measured.json", "data.json"}
    assert files.read_json(folder / "measured.json") == measured
    assert sorted(path.name for path in folder.parent.iterdir()) == ["pretrained", "runs"]


def test_the_packed_descriptor_finds_the_packed_denoiser(made):
    assert runs.denoiser_of(runs.pretrained()) == runs.pretrained("denoiser")
    patches = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1)).astype("float32")
    vectors = load_pipeline(runs.pretrained()).predict_on_batch(patches)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_what_was_packed_is_scored_with_noise_and_without(made, tiny_store):
    _, measured = made
    assert list(measured) == ["tiny, noisy test patches", "tiny, clean test patches"]
    for kind, row in zip(("noisy", "clean"), measured.values(), strict=True):
        assert row["decided_by"]["patches"] == kind and row["points"] == 24
        assert row["decided_by"]["run"] == runs.pretrained().name
        assert 0 < row["V"] < 1 and set(row["matching"]) == {"easy", "hard", "tough"}


def test_the_data_are_told_by_scene_and_without_a_path(made, tiny_store, tmp_path_factory):
    folder, _ = made
    facts = files.read_json(folder / "data.json")
    learned, scored = facts["trained_on"], facts["tested_on"]["tiny"]
    assert learned["points"] == {"train": 24, "validation": 24, "test": 24}
    assert list(scored["scenes"]) == ["test"] and learned["seed"] == scored["seed"] == 1
    assert list(scored["scenes"]["test"]) == list(tiny_store.parts["test"])
    for name in ("data.json", "measured.json"):
        assert str(tmp_path_factory.getbasetemp()) not in (folder / name).read_text()


@pytest.fixture
def finished(pretrained, tmp_path, monkeypatch):
    """The old folder, and the files of two finished runs to be packed."""
    for part in PARTS:
        (tmp_path / "runs" / part).mkdir(parents=True)
        for name in pretrained.PACKED:
            (tmp_path / "runs" / part / name).write_text("{}")
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(runs, "PRETRAINED", old_folder(tmp_path))
    return runs.PRETRAINED, [tmp_path / "runs" / part for part in PARTS]


def test_networks_above_ten_megabytes_are_refused(finished, pretrained, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "LARGEST", 10)
    with pytest.raises(InputError, match=r"MB and may have 0: choose narrower"):
        pretrained.pack(*finished[1], tmp_path / "packed")


def test_a_scoring_that_breaks_leaves_the_old_folder_whole(
    finished, pretrained, tiny_store, monkeypatch
):
    def broken(*_, **__):
        raise InputError("no scores")

    runs_found = iter(finished[1])
    monkeypatch.setattr(pretrained.training, "train", lambda *_: next(runs_found))
    monkeypatch.setattr(evaluation, "score_run", broken)
    with pytest.raises(InputError, match="no scores"):
        pretrained.make(pretrained.trainings(), tiny_store, {"tiny": tiny_store})
    assert content(finished[0]) == {Path("measured.json"): b"old"}
    assert finished[0] == runs.PRETRAINED


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(
    finished, pretrained, tmp_path, monkeypatch
):
    usual = os.replace

    def failing(source, target):
        if target == finished[0] and ".old" not in str(source):
            raise PermissionError(13, "denied")
        usual(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(InputError, match="could not be written"):
        pretrained.put_in_place(finished[1][0], finished[0])
    assert {path.name for path in tmp_path.iterdir()} == {"pretrained", "runs"}
    assert (finished[0] / "measured.json").read_text() == "old"


def test_what_a_killed_run_moved_away_is_not_lost(finished, pretrained, tmp_path):
    finished[0].rename(tmp_path / ".pretrained.old")
    with pytest.raises(FileNotFoundError):
        pretrained.put_in_place(tmp_path / "missing", finished[0])
    assert (finished[0] / "measured.json").read_text() == "old"


def test_the_scenes_scored_are_the_test_scenes_of_the_genuine_and_of_the_photographs(
    pretrained, tiny_store, monkeypatch
):
    opened = []
    source = type("Source", (), {"parts": tiny_store.parts})
    monkeypatch.setattr(pretrained, "find_source", lambda *_, **__: source)
    monkeypatch.setattr(
        pretrained, "open_dataset", lambda name, **how: opened.append((name, how)) or name
    )
    assert len(pretrained.open_tested("sequences:x", "a")) == 3
    genuine = {"seed": 1, "split": "a", "scenes": tiny_store.parts["test"]}
    assert opened == [
        ("sequences:x", genuine | {"points_per_scene": 480}),
        ("sequences:x", genuine | {"points_per_scene": None}),
        ("photographs", {"seed": 1, "points_per_scene": 700}),
    ]


def test_a_wrong_place_of_the_test_scenes_costs_no_training(pretrained, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "make", lambda *_: pytest.fail("trained"))
    monkeypatch.setattr(pretrained, "open_dataset", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(InputError, match="does not exist"):
        pretrained.main(["--dataset", "photographs", "--tested", f"sequences:{tmp_path}/none"])
