"""The time that `make report` gives at its start."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from helpers import settings
from helpers.common import files, paths
from helpers.common.errors import InputError
from helpers.notebook import duration
from helpers.search import winner_path
from helpers.training import registry, runs
from tests.training.tiny_networks import tiny_denoiser


def tiny(profile: settings.Profile) -> settings.Profile:
    """Networks that are compiled in a second, and behind no denoiser."""
    descriptor = replace(
        profile.improved_descriptor,
        joining="direct", batch=4, network_options={"width": 4, "dropout": 0.0},
    )  # fmt: skip
    denoiser = replace(profile.baseline_denoiser, batch=16)
    return replace(
        profile,
        baseline_denoiser=denoiser,
        improved_denoiser=denoiser,
        baseline_descriptor=replace(descriptor, approach="baseline"),
        improved_descriptor=descriptor,
        search=replace(
            profile.search, points_per_scene=4, space={"learning_rate": ("log", 1e-3, 1e-2)}
        ),
    )


@pytest.mark.deep  # imports and compiles anew
def test_the_time_is_measured_in_a_process_of_its_own(photographs):
    assert duration.estimate(tiny(settings.SMOKE), photographs).endswith((" minutes", " hours"))


def test_the_seconds_of_a_patch_are_measured_by_training_on_it(tiny_store, monkeypatch):
    monkeypatch.setitem(registry.DENOISERS, "tiny", tiny_denoiser)
    one = replace(settings.SMOKE.baseline_denoiser, network="tiny", network_options={}, batch=8)
    assert 0 < duration._seconds_a_patch(one, tiny_store) < 1


def test_what_cannot_be_trained_is_said_before_anything_is(tiny_store):
    wrong = replace(settings.SMOKE.baseline_descriptor, batch=100_000)
    with pytest.raises(InputError, match="less than one batch"):
        duration._seconds(replace(tiny(settings.SMOKE), baseline_descriptor=wrong), tiny_store)


def test_longer_trainings_take_longer_and_finished_ones_no_time(tiny_store, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    monkeypatch.setattr(duration, "_seconds_a_patch", lambda settings, store: 0.01)
    profile = tiny(settings.SMOKE)
    longer = replace(profile, improved_descriptor=replace(profile.improved_descriptor, epochs=50.0))
    assert duration._seconds(longer, tiny_store) > 60 + duration._seconds(profile, tiny_store)
    for approach in profile.approaches:
        runs.run_folder(profile.trainings(approach)[1], tiny_store).mkdir()
    assert duration._seconds(profile, tiny_store) > duration.OTHERS  # there is a search to be made
    found = {"settings": vars(profile.improved_descriptor)}
    monkeypatch.setattr("helpers.search.with_winner", lambda profile, store: profile)
    files.write_json(winner_path(profile, tiny_store), found)
    assert duration._seconds(profile, tiny_store) == 0


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(0, ""), (1, "5 minutes"), (48, "50 minutes"), (118, "2 hours"), (211, "3.5 hours")],
)
def test_no_more_digits_than_are_known(minutes, words, tiny_store, monkeypatch):
    pool = ThreadPoolExecutor(1)
    monkeypatch.setattr(duration, "ProcessPoolExecutor", lambda *_, **__: pool)
    monkeypatch.setattr(duration, "_seconds", lambda *_: 60 * minutes)
    assert duration.estimate(settings.SMOKE, tiny_store) == words
