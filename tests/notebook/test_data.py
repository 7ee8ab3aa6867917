"""The profile and the dataset of a notebook, from its parameters."""

import json

import pytest

from helpers import settings
from helpers.benchmark.layout import STRIPS
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
