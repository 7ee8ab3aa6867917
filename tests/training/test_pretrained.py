"""The networks that come with the code: small, whole, and with what is to be known beside them."""

import shutil

import numpy as np
import pytest

from helpers.common import files
from helpers.common.errors import InputError
from helpers.training import load_pipeline, runs


def test_it_is_under_ten_megabytes():
    assert sum(path.stat().st_size for path in runs.PRETRAINED.rglob("*")) < 10e6


def test_it_describes_patches_by_vectors_of_unit_length(tmp_path, monkeypatch):
    monkeypatch.setattr(runs.paths, "RUNS", tmp_path)
    patches = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1)).astype("float32")
    vectors = load_pipeline(runs.pretrained()).predict_on_batch(patches)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_the_denoiser_in_front_is_the_one_that_comes_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(runs.paths, "RUNS", tmp_path)
    assert runs.denoiser_of(runs.pretrained()) == runs.pretrained("denoiser")


def test_a_missing_model_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "PRETRAINED", tmp_path)
    with pytest.raises(InputError, match=r"denoiser/model.keras is missing: restore it"):
        runs.pretrained()


@pytest.mark.parametrize("name", ["model.keras", "outcome.json"])
def test_a_damaged_file_of_it_is_to_be_restored_from_the_repository(name, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "PRETRAINED", shutil.copytree(runs.PRETRAINED, tmp_path / "code"))
    monkeypatch.setattr(runs.paths, "RUNS", tmp_path)
    path = runs.PRETRAINED / "denoiser" / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    with pytest.raises(InputError, match=rf"{name} .*changed since training: restore it from"):
        runs.pretrained()
    path.write_bytes(whole)
    assert runs.pretrained().is_dir()


def test_a_damaged_copy_of_it_is_made_anew_when_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(runs.paths, "RUNS", tmp_path)
    (runs.pretrained() / "history.csv").write_text("epoch,step")
    with pytest.raises(InputError, match=r"history.csv .*: delete the folder"):
        runs.named("pretrained")
    shutil.rmtree(next(tmp_path.glob("pretrained-descriptor-*")))
    assert runs.named("pretrained").is_dir()


def test_settings_data_device_and_scores_lie_beside_it():
    for role in ("denoiser", "descriptor"):
        described = files.read_json(runs.PRETRAINED / role / "settings.json")
        assert described["settings"]["role"] == role and described["dataset"]["fingerprint"]
        assert described["device"] and described["versions"]
    for scores in files.read_json(runs.PRETRAINED / "measured.json").values():
        assert 0 < scores["S"] < 1 and scores["decided_by"]["dataset"]["fingerprint"]


def test_no_scene_that_was_scored_has_taught_it():
    data = files.read_json(runs.PRETRAINED / "data.json")
    learned = data["trained_on"]["scenes"]
    for scored in data["tested_on"].values():
        tested = {*scored["scenes"]["test"]}
        assert tested and not tested & {*learned["train"], *learned["validation"]}


def test_scenes_that_have_taught_it_are_known():
    pretrained = runs.PRETRAINED.with_name("pretrained-descriptor-0")
    assert runs.learned_scenes(pretrained, ["v_x", "v_boat", "i_moon"]) == ["i_moon", "v_boat"]
    assert runs.learned_scenes(pretrained, ["v_abstract"]) == []
    assert runs.learned_scenes(runs.PRETRAINED.with_name("improved-0"), ["v_boat"]) == []
