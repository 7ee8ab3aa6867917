"""Weight averaging: means of the right weights, clear refusals."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from experiments import averaging
from helpers import training
from helpers.common import paths
from helpers.common.errors import InputError
from helpers.settings import SMOKE
from helpers.training import checkpoints, load_pipeline
from helpers.training.runs import run_folder

SETTINGS = replace(
    SMOKE.improved_descriptor,
    joining="direct",
    batch=8,
    epochs=2,
    validations=3,
    validation_batches=1,
    patience=0,
    redraw=False,
    network_options={"width": 4, "dropout": 0.3},
)
DENOISER = replace(
    SMOKE.improved_denoiser, batch=16, epochs=0.1, redraw=False, network_options={"width": 4}
)


@pytest.fixture(params=["direct", "frozen"])
def run(request, tiny_store, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    settings = replace(SETTINGS, joining=request.param)
    behind = training.train(DENOISER, tiny_store) if request.param == "frozen" else None
    watch = averaging.Snapshots(run_folder(settings, tiny_store, behind))
    # Checkpoints between the validations, which are two steps apart.
    return training.train(settings, tiny_store, behind, checkpoint_steps=1, on_validation=watch)


def values(model: keras.Model, kind: str) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable) for variable in getattr(model, kind)]


def test_the_weights_of_each_validation_are_kept_and_their_mean_is_taken(run):
    files = sorted((run / averaging.FOLDER).iterdir())
    steps = [len(np.load(file)["losses"]) for file in files]
    assert steps == [0, 2, 4, 6]  # the first before any step, and none from between
    assert len(steps) == SETTINGS.validations + 1
    averaged = averaging.average(run, 3)
    count = len(averaged.variables)
    snapshots = [checkpoints.saved_values(file)[:count] for file in files[-3:]]
    trained = [i for i, variable in enumerate(averaged.variables) if variable.trainable]
    assert trained and not np.array_equal(snapshots[0][trained[-1]], snapshots[2][trained[-1]])
    for index in trained:
        mean = (snapshots[0][index] + snapshots[1][index] + snapshots[2][index]) / 3
        np.testing.assert_allclose(values(averaged, "variables")[index], mean, atol=1e-6)


def test_of_one_snapshot_the_mean_is_the_network_that_was_saved(run):
    own, averaged = load_pipeline(run), averaging.average(run, 1)
    for one, other in zip(
        values(own, "trainable_variables"), values(averaged, "trainable_variables"), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_missing_damaged_and_foreign_snapshots_are_refused(run):
    with pytest.raises(InputError, match="has 4 of 9 snapshots: delete it and train again"):
        averaging.average(run, 9)
    first, *_, newest = sorted((run / averaging.FOLDER).iterdir())
    whole = newest.read_bytes()
    newest.write_bytes(whole[:-100])
    with pytest.raises(InputError, match=rf"{newest.name} is damaged .* delete the run"):
        averaging.average(run, 2)
    np.savez(newest, variable_0=np.zeros(3))
    with pytest.raises(InputError, match="of another network: delete it"):
        averaging.average(run, 2)
    first.unlink()  # as a kill would leave it, between a checkpoint and its copy
    with pytest.raises(InputError, match="has 3 of 4 snapshots: delete it and train again"):
        averaging.average(run, 2)
