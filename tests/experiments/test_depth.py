"""The second search: what is searched, that hopeless trials are given up, and what is written."""

import json
from dataclasses import replace

import depth
import pytest

from helpers import settings, training
from helpers.common import files, paths
from helpers.networks.blocks import macs
from helpers.search import with_values
from helpers.search.space import values_inside

RANDOM = 10  # trials that Optuna's TPESampler draws at random before it looks at their losses
LOSSES = [0.5, 0.4, 0.6, 0.3, 0.7, 0.9, 0.2]  # of each trial, at every validation


@pytest.fixture
def searched(tiny_store, tmp_path, monkeypatch):
    """Searches the tiny store with a stand-in for training; returns the table and what it saw."""
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(depth.training, "train", lambda *_: tmp_path / "runs" / "denoiser")
    monkeypatch.setattr(depth, "POINTS", 10)
    monkeypatch.setitem(depth.START, "batch", 4)
    seen = []

    def train(settings, store, denoiser_run, on_validation):
        loss = LOSSES[len(seen)]
        seen.append((settings, store, denoiser_run))
        for validation in range(settings.validations):
            on_validation([1.0] + [loss] * (validation + 1))
        run = tmp_path / f"run-{len(seen)}"
        files.write_json(run / "outcome.json", {"kept_validation_loss": loss})
        return run

    def searched(trials):
        target = tmp_path / "depth.json"
        return depth.run(settings.COURSEWORK, tiny_store, trials, 0.2, target, train), seen

    return searched


def test_depth_and_width_are_searched_around_settings_of_the_space():
    base = with_values(settings.COURSEWORK.improved_descriptor, depth.START)
    assert values_inside(depth.SPACE, base).keys() == depth.SPACE.keys()
    costs = {
        (d, w): macs(
            training.make_network(
                with_values(base, {"network_options.depth": d, "network_options.width": w})
            )
        )
        for d in depth.SPACE["network_options.depth"][1]
        for w in depth.SPACE["network_options.width"][1]
    }
    assert len(set(costs.values())) == len(costs) == 9
    assert depth.TRIALS > RANDOM


def test_trials_are_short_trainings_on_fewer_points_behind_the_denoiser(searched):
    _, seen = searched(3)
    for trial, store, denoiser_run in seen:
        assert trial.network == "resnet_descriptor" and trial.joining == "frozen"
        assert trial.epochs == pytest.approx(settings.COURSEWORK.improved_descriptor.epochs * 0.2)
        assert len(store.rows("train")) == 20 and denoiser_run.name == "denoiser"


def test_a_hopeless_trial_is_given_up_and_counted(searched):
    table, _ = searched(len(LOSSES))
    assert (table["trials"], table["pruned"]) == (7, 1)
    hopeless = table["rows"][LOSSES.index(max(LOSSES))]
    assert hopeless["state"] == "pruned" and hopeless["validation_loss"] is None
    assert 0 < hopeless["steps"] < table["steps"]
    options = {key: hopeless[key] for key in ("depth", "width")}
    base = with_values(settings.COURSEWORK.improved_descriptor, depth.START)
    network = training.make_network(replace(base, network_options=options))
    assert hopeless["macs"] == macs(network)


def test_the_table_is_written_with_the_best_trial_and_what_made_it(searched, tiny_store, tmp_path):
    table, seen = searched(4)
    assert json.loads((tmp_path / "depth.json").read_text()) == table
    best = table["rows"][3]
    assert table["best"]["value"] == best["validation_loss"] == 0.3
    assert table["best"]["values"] == {
        key: best[key] for key in ("depth", "width", "learning_rate")
    }
    assert table["best"]["values"]["learning_rate"] == seen[3][0].learning_rate
    assert all(row["steps"] == table["steps"] for row in table["rows"])
    assert table["dataset"]["fingerprint"] == tiny_store.fingerprint and table["provenance"]
    assert (table["part"], table["scenes"], table["points"]) == ("validation", 2, 20)


def test_a_second_start_makes_only_the_trials_that_are_missing(searched):
    first, seen = searched(2)
    again, _ = searched(3)
    assert len(seen) == 3 and again["rows"][:2] == first["rows"]
