"""Training on a tiny store: what a run folder holds, what stops it, what is loaded again."""

import json
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from helpers import paths, training
from helpers.errors import InputError
from helpers.settings import SMOKE

numbers = keras.ops.convert_to_numpy
DENOISER = replace(SMOKE.improved_denoiser, batch=16, epochs=0.5, redraw=False)
DESCRIPTOR = replace(SMOKE.improved_descriptor, batch=8, epochs=1, redraw=False)


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    return tmp_path / "runs"


@pytest.mark.parametrize(
    "settings",
    [
        DENOISER,
        DESCRIPTOR,
        replace(SMOKE.baseline_denoiser, epochs=0.3),
        replace(SMOKE.baseline_descriptor, batch=8, triplets=32),
    ],
    ids=lambda settings: settings.name,
)
def test_a_run_folder_holds_settings_curves_network_and_outcome(settings, tiny_store):
    folder = training.train(settings, tiny_store)
    described = json.loads((folder / "settings.json").read_text())
    assert described["dataset"] == {"name": "tiny", "fingerprint": "0123456789abcdef"}
    assert described["settings"]["seed"] == 1 and described["backend"] == keras.backend.backend()
    assert described["versions"]["keras"] and described["device"] and described["commit"]
    steps, history = (pd.read_csv(folder / name) for name in ("steps.csv", "history.csv"))
    outcome = json.loads((folder / "outcome.json").read_text())
    assert len(steps) == history["step"].iloc[-1] == outcome["steps"]
    assert np.isfinite(steps["loss"]).all() and np.isfinite(history["validation_loss"]).all()
    assert len(history) == settings.validations + 1  # the first before any step
    assert training.load_network(folder).name.startswith(settings.network)


def test_the_loss_of_each_step_averages_to_the_loss_of_its_interval(tiny_store):
    folder = training.train(DENOISER, tiny_store)
    steps, history = (pd.read_csv(folder / name) for name in ("steps.csv", "history.csv"))
    first = history["step"].iloc[1]
    assert steps["loss"][:first].mean() == pytest.approx(history["loss"].iloc[1], rel=1e-4)


class Recorded:
    """Batches that remember which steps were asked for."""

    def __init__(self, batches):
        self.batches, self.steps = batches, []

    def __getattr__(self, name):
        return getattr(self.batches, name)

    def __call__(self, step):
        self.steps.append(step)
        return self.batches(step)


def test_each_step_is_trained_on_once_and_in_order(tiny_store, monkeypatch):
    made, make = {}, training.make_batches

    def recorded(settings, store, part):
        made[part] = Recorded(make(settings, store, part))
        return made[part]

    monkeypatch.setattr(training, "make_batches", recorded)
    settings = replace(DENOISER, epochs=1, validations=3, validation_batches=4)
    outcome = json.loads((training.train(settings, tiny_store) / "outcome.json").read_text())
    # Keras may have taken a few batches ahead that no step used.
    assert made["train"].steps[: outcome["steps"]] == list(range(outcome["steps"]))
    assert made["validation"].steps == [0, 1, 2, 3]


def test_training_lowers_the_validation_loss(tiny_store):
    settings = replace(DENOISER, epochs=4, validations=4, validation_batches=8)
    history = pd.read_csv(training.train(settings, tiny_store) / "history.csv")
    assert history["validation_loss"].iloc[-1] < 0.8 * history["validation_loss"].iloc[0]


def test_a_finished_run_is_loaded_not_trained_again(tiny_store, monkeypatch, capsys):
    folder = training.train(DENOISER, tiny_store)
    monkeypatch.setattr(keras.Model, "fit", lambda *_, **__: pytest.fail("trained again"))
    assert training.train(DENOISER, tiny_store) == folder
    assert "loaded" in capsys.readouterr().out


@pytest.mark.parametrize("change", [{"learning_rate": 0.5}, {"seed": 2}, {"batch": 17}])
def test_other_settings_are_another_run(tiny_store, change):
    assert training.run_folder(DENOISER, tiny_store) != training.run_folder(
        replace(DENOISER, **change), tiny_store
    )


def test_another_dataset_is_another_run(tiny_store):
    other = type(tiny_store)(fingerprint="another")
    assert training.run_folder(DENOISER, tiny_store) != training.run_folder(DENOISER, other)


def test_the_same_seed_gives_the_same_network(tiny_store, runs):
    weights = []
    for _ in range(2):
        folder = training.train(DENOISER, tiny_store)
        weights.append(training.load_network(folder).get_weights())
        folder.rename(runs / f"moved-{len(weights)}")
    for first, second in zip(*weights, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)


def test_nan_loss_stops_with_a_sentence_and_leaves_nothing(tiny_store, runs):
    settings = replace(DENOISER, optimizer="sgd", learning_rate=1e30, schedule="constant")
    with pytest.raises(InputError, match=r"became (nan|inf) at step \d+: lower the learning rate"):
        training.train(settings, tiny_store)
    assert not list(runs.iterdir())


def test_too_few_points_for_a_batch_is_said(tiny_store):
    with pytest.raises(InputError, match="less than one batch of 10000"):
        training.train(replace(SMOKE.baseline_descriptor, batch=10_000, triplets=1), tiny_store)


def test_an_unknown_network_lists_the_known_ones(tiny_store):
    with pytest.raises(InputError, match="choose one of shallow_unet, residual_unet"):
        training.train(replace(DENOISER, network="resnet"), tiny_store)


def test_a_missing_run_is_named(tiny_store):
    with pytest.raises(InputError, match="train the improved-denoiser"):
        training.find_run(DENOISER, tiny_store)


def test_a_damaged_network_is_named(tiny_store):
    folder = training.train(DENOISER, tiny_store)
    model = folder / "model.keras"
    model.write_bytes(model.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model\.keras is missing or damaged"):
        training.load_network(folder)


def test_the_denoiser_stays_as_it_is_while_the_descriptor_learns(tiny_store):
    denoiser = training.train(DENOISER, tiny_store)
    model = training._training_model(DESCRIPTOR, training.make_network(DESCRIPTOR), denoiser)
    names = {weight.path.split("/")[0] for weight in model.trainable_weights}
    assert not any(name in names for name in ("stem", "noise", "fine_1"))
    assert len(model.trainable_weights) == 7


def test_training_stops_early_when_the_validation_loss_no_longer_falls(tiny_store):
    still = {"optimizer": "sgd", "learning_rate": 0.0, "schedule": "constant"}
    folder = training.train(replace(DENOISER, validations=6, patience=2, **still), tiny_store)
    outcome = json.loads((folder / "outcome.json").read_text())
    assert len(pd.read_csv(folder / "history.csv")) == 1 + 3  # the first is the best of all
    assert outcome["stopped"] == "early, after 2 validations without a better loss"


def test_the_best_weights_are_kept_not_the_last(tiny_store):
    worse_each_step = {"optimizer": "sgd", "learning_rate": -1e-4, "schedule": "constant"}
    settings = replace(DENOISER, validations=4, patience=2, **worse_each_step)
    folder = training.train(settings, tiny_store)
    history = pd.read_csv(folder / "history.csv")["validation_loss"][1:]
    network = training.load_network(folder)
    network.compile(loss=training.LOSSES[settings.loss], jit_compile=False)
    held_out = training.make_batches(settings, tiny_store, "validation")
    inputs, targets = zip(*map(held_out, range(settings.validation_batches)), strict=True)
    loss = network.evaluate(np.concatenate(inputs), np.concatenate(targets), verbose=0)
    assert history.iloc[-1] > history.iloc[0] == history.min()
    assert loss == pytest.approx(history.min(), rel=1e-4)
