"""The profile and the dataset of a notebook, from its parameters."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from helpers import settings
from helpers.benchmark.layout import STRIPS
from helpers.common import paths
from helpers.common.errors import InputError
from helpers.notebook.data import find_data, open_data


def test_a_dataset_is_opened_in_the_size_of_the_profile(at_home, tmp_path, photographs):
    at_home(tmp_path)
    profile, store = open_data("smoke")
    assert profile is settings.SMOKE and store.fingerprint == photographs.fingerprint


def test_what_is_asked_for_is_found_in_the_size_of_the_profile(tmp_path):
    for scene in ("i_text", "v_boat", "v_bark"):  # only their names are looked at
        (tmp_path / "strips" / scene).mkdir(parents=True)
        for strip in (f"{name}{end}" for name in STRIPS for end in ("", "_noise")):
            (tmp_path / "strips" / scene / f"{strip}.png").touch()
    split = tmp_path / "mine.json"
    split.write_text('{"train": ["i_text"], "test": ["v_boat", "v_bark"]}')
    source = find_data("smoke", f"n-hpatches:{tmp_path / 'strips'}", str(split), "v_boat, i_text")
    assert {part: list(names) for part, names in source.parts.items() if names} == {
        "train": ["i_text"],
        "test": ["v_boat"],
    }
    assert (source.choice.points_per_scene, source.choice.seed) == (40, settings.SMOKE.seed)


def test_the_winner_of_the_search_takes_the_place_of_the_settings(smoke_home, at_home):
    at_home(smoke_home)
    (winner,) = (smoke_home / "runs" / "search").glob("smoke-*.json")
    profile, _ = open_data("smoke", winner=True)
    found = json.loads(winner.read_text())["settings"]
    assert profile.improved_descriptor.learning_rate == found["learning_rate"]
    assert profile.improved_descriptor.network_options == found["network_options"]
    assert profile.baseline_descriptor == settings.SMOKE.baseline_descriptor


def test_an_unknown_profile_is_refused_before_any_data_is_read():
    with pytest.raises(InputError, match="There is no profile 'huge'"):
        open_data("huge", "n-hpatches:nowhere")


@pytest.fixture
def strips(few_written, tmp_path, monkeypatch):
    """A dataset of three scenes, 12 points each, and a profile that learns from 5 of them."""
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    small = replace(settings.COURSEWORK, name="small", points_per_scene=5)
    monkeypatch.setitem(settings.PROFILES, "small", small)
    return f"n-hpatches:{few_written}"


@pytest.fixture(scope="session")
def few_written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "strips"
    pixels = np.random.default_rng(0).integers(0, 256, (12 * 32, 32), np.uint8)
    for scene in ("v_one", "v_two", "v_three"):
        (folder / scene).mkdir(parents=True)
        for strip in (f"{name}{end}" for name in STRIPS for end in ("", "_noise")):
            Image.fromarray(pixels).save(folder / scene / f"{strip}.png")
    (folder / "split.json").write_text('{"train": ["v_one"], "validation": [], "test": ["v_two"]}')
    return folder


def test_a_profile_limits_what_is_learned_from_and_not_what_is_tested(strips, capsys):
    _, store = open_data("small", strips)
    assert store.lengths("train") == {"v_one": 5} and store.lengths("test") == {"v_two": 12}
    said = capsys.readouterr().out
    assert "more than 5 points" in said
    assert "left out: 1 scene in no part of split its own (v_three)" in said
    _, whole = open_data("small", strips, whole=True, say=False)
    assert whole.lengths("train") == {"v_one": 12} and whole.folder == store.folder
    assert "more than 5" not in capsys.readouterr().out


def test_two_profiles_share_a_store_unless_one_limits_the_test_scenes(strips, monkeypatch):
    folders = {name: open_data(name, strips, say=False)[1].folder for name in ("small", "long")}
    assert folders["small"] == folders["long"]
    limited = replace(settings.SMOKE, name="tiny", points_per_scene=5)
    monkeypatch.setitem(settings.PROFILES, "tiny", limited)
    _, store = open_data("tiny", strips, say=False)
    assert store.folder != folders["long"] and store.lengths("test") == {"v_two": 5}


def test_too_few_scenes_for_what_it_is_needed_for_are_refused_before_a_store_is_built(strips):
    with pytest.raises(InputError, match="The validation part of split its own has no scene"):
        open_data("small", strips, needs="train")
    assert not paths.DATA.exists()
