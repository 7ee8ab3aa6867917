"""The script that makes the pretrained networks: what it trains, packs, says and spares."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pretrained
import pytest

from helpers import settings
from helpers.common import files, paths
from helpers.common.errors import InputError
from helpers.training import load_pipeline, runs

ROLES = ("denoiser", "descriptor")


@pytest.fixture(scope="module")
def made(tiny_store, tmp_path_factory):
    """Tiny networks, trained, scored and packed in the place of an older file."""
    home = tmp_path_factory.mktemp("home")
    small = {"network_options": {"width": 4}, "validations": 2, "validation_batches": 1}
    few = {"redraw": False, "batch": 8, "epochs": 0.1, **small}
    tiny = [replace(one, **few) for one in settings.SMOKE.trainings("improved")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "RUNS", home / "runs")
        patch.setattr(runs, "PRETRAINED", old_folder(home))
        measured = pretrained.make(tiny, tiny_store, {"genuine": tiny_store}, pairs=200)
        yield home / "pretrained", measured


def old_folder(home):
    """Stands in for the pretrained networks that there are already."""
    folder = home / "pretrained"
    folder.mkdir(parents=True)
    (folder / "measured.json").write_text("old")
    return folder


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.mark.parametrize("role", ROLES)
def test_it_trains_with_the_settings_of_the_networks_that_come_with_the_code(role):
    shipped = files.read_json(runs.PRETRAINED / role / "settings.json")["settings"]
    assert settings.TrainingSettings(**shipped) == pretrained.trainings()[ROLES.index(role)]


def test_the_packed_folder_takes_the_place_of_the_old_one(made):
    folder, measured = made
    packed = {f"{role}/{name}" for role in ROLES for name in pretrained.PACKED}
    assert {str(path) for path in content(folder)} == {*packed, "measured.json", "data.json"}
    assert files.read_json(folder / "measured.json") == measured
    assert sorted(path.name for path in folder.parent.iterdir()) == ["pretrained", "runs"]


def test_the_packed_descriptor_finds_the_packed_denoiser(made):
    assert runs.denoiser_of(runs.pretrained()) == runs.pretrained("denoiser")
    patches = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1)).astype("float32")
    vectors = load_pipeline(runs.pretrained()).predict_on_batch(patches)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_what_was_packed_is_scored_with_noise_and_without(made, tiny_store):
    _, measured = made
    assert list(measured) == ["genuine_noisy", "genuine_clean"]
    for kind, row in zip(("noisy", "clean"), measured.values(), strict=True):
        assert row["title"] == f"genuine, all points, {kind} test patches"
        assert row["decided_by"]["patches"] == kind and row["points"] == 24
        assert row["decided_by"]["run"] == runs.pretrained().name
        assert 0 < row["V"] < 1 and set(row["matching"]) == {"easy", "hard", "tough"}


def test_the_data_are_told_by_scene_and_without_a_path(made, tiny_store, tmp_path_factory):
    folder, _ = made
    facts = files.read_json(folder / "data.json")
    learned, scored = facts["trained_on"], facts["tested_on"]["genuine"]
    assert learned["points"] == {"train": 24, "validation": 24, "test": 24}
    assert list(scored["scenes"]) == ["test"] and learned["seed"] == scored["seed"] == 1
    assert list(scored["scenes"]["test"]) == list(tiny_store.parts["test"])
    for name in ("data.json", "measured.json"):
        assert str(tmp_path_factory.getbasetemp()) not in (folder / name).read_text()


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """The old folder, and the files of two finished runs to be packed."""
    for role in ROLES:
        (tmp_path / "runs" / role).mkdir(parents=True)
        for name in pretrained.PACKED:
            (tmp_path / "runs" / role / name).write_text("{}")
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(runs, "PRETRAINED", old_folder(tmp_path))
    return runs.PRETRAINED, [tmp_path / "runs" / role for role in ROLES]


def test_networks_above_ten_megabytes_are_refused(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "LARGEST", 10)
    packed = tmp_path / "packed"
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(InputError, match=r"MB and may have 0: choose narrower"),
    ):
        patch.setattr(runs, "PRETRAINED", packed)
        pretrained.pack(*finished[1], packed)


def test_a_scoring_that_breaks_leaves_the_old_folder_whole(finished, tiny_store, monkeypatch):
    def broken(*_, **__):
        raise InputError("no scores")

    runs_found = iter(finished[1])
    monkeypatch.setattr(pretrained.common.training, "train", lambda *_: next(runs_found))
    monkeypatch.setattr(pretrained.scoring, "score_run", broken)
    with pytest.raises(InputError, match="no scores"):
        pretrained.make(pretrained.trainings(), tiny_store, {"genuine": tiny_store})
    assert content(finished[0]) == {Path("measured.json"): b"old"}
    assert finished[0] == runs.PRETRAINED


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(finished, monkeypatch):
    def failing(source, target):
        Path(target).mkdir()
        raise PermissionError(13, "denied", str(target))

    monkeypatch.setattr(pretrained.shutil, "copytree", failing)
    with pytest.raises(InputError, match="could not be written"):
        pretrained.put_in_place(finished[1][0], finished[0])
    assert {path.name for path in finished[0].parent.iterdir()} == {"pretrained", "runs"}
    assert (finished[0] / "measured.json").read_text() == "old"


def test_the_scenes_scored_are_the_test_scenes_of_the_genuine_and_of_the_photographs(
    tiny_store, monkeypatch
):
    opened = []
    source = type("Source", (), {"parts": tiny_store.parts})
    monkeypatch.setattr(pretrained, "find_source", lambda *_, **__: source)
    monkeypatch.setattr(
        pretrained, "open_dataset", lambda name, **how: opened.append((name, how)) or name
    )
    assert list(pretrained.open_tested("sequences:x", "a")) == list(pretrained.TITLES)
    genuine = {"seed": 1, "split": "a", "scenes": tiny_store.parts["test"]}
    assert opened == [
        ("sequences:x", genuine | {"points_per_scene": 480}),
        ("sequences:x", genuine | {"points_per_scene": None}),
        ("photographs", {"seed": 1, "points_per_scene": 700}),
    ]


def test_committed_scores_and_data_have_the_ids_that_the_script_writes():
    scores = files.read_json(paths.ROOT / "helpers/training/pretrained/measured.json")
    kinds = ("noisy", "clean")
    assert set(scores) == {f"{name}_{kind}" for name in pretrained.TITLES for kind in kinds}
    data = files.read_json(paths.ROOT / "helpers/training/pretrained/data.json")["tested_on"]
    assert {name: entry["title"] for name, entry in data.items()} == pretrained.TITLES


def test_a_wrong_place_of_the_test_scenes_costs_no_training(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "make", lambda *_: pytest.fail("trained"))
    monkeypatch.setattr(pretrained, "open_dataset", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(InputError, match="does not exist"):
        pretrained.main(["--dataset", "photographs", "--tested", f"sequences:{tmp_path}/none"])
