"""The profile and the dataset of a notebook, from its parameters."""

import json

import pytest

from helpers import settings
from helpers.common.errors import InputError
from helpers.notebook.data import asked_for, open_data


def test_a_dataset_is_opened_in_the_size_of_the_profile(at_home, tmp_path, photographs):
    at_home(tmp_path)
    profile, store = open_data("smoke")
    assert profile is settings.SMOKE and store.fingerprint == photographs.fingerprint


def test_what_is_asked_for_is_passed_on():
    asked = asked_for("smoke", "n-hpatches:strips", "view", "v_boat, v_bark")
    assert asked == {
        "source": "n-hpatches:strips",
        "seed": settings.SMOKE.seed,
        "points_per_scene": 40,
        "split": "view",
        "scenes": "v_boat, v_bark",
    }


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
