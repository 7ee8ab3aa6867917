"""Weight averaging: means of the right weights, statistics that belong to them, clear refusals."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from helpers import averaging, checkpoints, evaluation, paths, training
from helpers.errors import InputError
from helpers.runs import run_folder
from helpers.settings import SMOKE

SETTINGS = replace(
    SMOKE.improved_descriptor,
    joining="direct",
    batch=8,
    epochs=2,
    validations=3,
    validation_batches=1,
    patience=0,
    redraw=False,
    network_options={"width": 4, "dropout": 0.0},
)


@pytest.fixture
def run(tiny_store, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    watch = averaging.Snapshots(run_folder(SETTINGS, tiny_store))
    return training.train(SETTINGS, tiny_store, on_validation=watch)


@pytest.fixture
def batches(tiny_store):
    return training.make_batches(SETTINGS, tiny_store, "train")


def values(model: keras.Model, kind: str) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable) for variable in getattr(model, kind)]


def test_the_weights_of_each_validation_are_kept_and_their_mean_is_taken(run, batches):
    files = sorted((run / averaging.FOLDER).iterdir())
    assert len(files) == SETTINGS.validations + 1  # the first before any step
    averaged = averaging.average(run, 3, batches)
    count = len(averaged.variables)
    snapshots = [checkpoints.saved_values(file)[:count] for file in files[-3:]]
    trained = [i for i, variable in enumerate(averaged.variables) if variable.trainable]
    assert trained and not np.array_equal(snapshots[0][trained[0]], snapshots[2][trained[0]])
    for index in trained:
        mean = (snapshots[0][index] + snapshots[1][index] + snapshots[2][index]) / 3
        np.testing.assert_allclose(values(averaged, "variables")[index], mean, atol=1e-6)


def test_of_one_snapshot_the_mean_is_the_network_that_was_saved(run, batches):
    own, averaged = evaluation.load_pipeline(run), averaging.average(run, 1, batches)
    for one, other in zip(
        values(own, "trainable_variables"), values(averaged, "trainable_variables"), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_statistics_are_means_over_the_batches_as_the_network_sees_them(run, batches):
    pipeline = evaluation.load_pipeline(run)
    descriptor = pipeline.layers[-1]
    first = next(x for x in descriptor.layers if isinstance(x, keras.layers.BatchNormalization))
    before = keras.Model(descriptor.input, first.input)
    views = [batches(step)[0][:, number] for step in range(2) for number in range(4)]
    seen = [keras.ops.convert_to_numpy(before(view)) for view in views]
    averaging.measure_statistics(pipeline, batches, count=2)
    mean = np.mean([batch.mean(axis=(0, 1, 2)) for batch in seen], axis=0)
    variance = np.mean([batch.var(axis=(0, 1, 2)) for batch in seen], axis=0)
    np.testing.assert_allclose(first.moving_mean, mean, atol=1e-4)
    np.testing.assert_allclose(first.moving_variance, variance, rtol=1e-3)
    assert first.momentum == 0.99


def test_a_denoiser_in_front_keeps_its_statistics(run, batches):
    denoiser = keras.Sequential([keras.Input((32, 32, 1)), keras.layers.BatchNormalization()])
    pipeline = keras.Sequential([denoiser, evaluation.load_pipeline(run).layers[-1]])
    averaging.measure_statistics(pipeline, batches, count=1)
    np.testing.assert_array_equal(denoiser.layers[0].moving_mean, 0)


def test_missing_damaged_and_foreign_snapshots_are_refused(run, batches):
    with pytest.raises(InputError, match="has 4 of 9 snapshots: delete it and train again"):
        averaging.average(run, 9, batches)
    newest = max((run / averaging.FOLDER).iterdir())
    whole = newest.read_bytes()
    newest.write_bytes(whole[:-100])
    with pytest.raises(InputError, match=rf"{newest.name} is damaged"):
        averaging.average(run, 2, batches)
    np.savez(newest, variable_0=np.zeros(3))
    with pytest.raises(InputError, match="of another network: delete it"):
        averaging.average(run, 2, batches)


def test_a_denoiser_that_learned_along_is_refused(run, batches):
    path = run / "settings.json"
    path.write_text(path.read_text().replace('"direct"', '"end_to_end"'))
    with pytest.raises(InputError, match="learned along: only descriptors are averaged"):
        averaging.average(run, 2, batches)
