"""Checkpoints: everything comes back; torn files and other networks are noticed."""

import random

import keras
import numpy as np
import pytest

from helpers.common.errors import InputError, UntrainableError
from helpers.training import checkpoints
from helpers.training.checkpoints import Progress, Validation

CURVES = {"losses": [0.5, 0.25], "rows": [Validation(1.0, 2.0, 0.3, 0.4, 0.1)], "seconds": 1.5}


def make_model(units: int = 3, steps: int = 0) -> keras.Model:
    keras.utils.set_random_seed(steps)
    hidden = [keras.layers.Dense(units), keras.layers.BatchNormalization()]
    model = keras.Sequential([keras.Input((2,)), *hidden, keras.layers.Dropout(0.5)])
    model.compile(keras.optimizers.AdamW(0.1), "mse", run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    for _ in range(steps):
        model.train_on_batch(np.ones((4, 2), "float32"), np.ones((4, units), "float32"))
    return model


def values(model: keras.Model) -> list[np.ndarray]:
    state = model.variables + model.optimizer.variables
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in state]


def save(folder, model, steps=2, best=()):
    progress = Progress(**CURVES | {"losses": [0.5] * steps}, best=list(best))
    return checkpoints.save(folder, model, progress)


def test_weights_optimiser_random_counters_and_curves_come_back(tmp_path):
    trained, fresh = make_model(steps=3), make_model()
    best = [array + 1 for array in checkpoints.copy_of(trained)]
    checkpoints.save(tmp_path, trained, Progress(**CURVES, best=best))
    progress = checkpoints.restore(tmp_path, fresh)
    for before, after in zip(values(trained), values(fresh), strict=True):
        np.testing.assert_array_equal(before, after)
    for before, after in zip(best, progress.best, strict=True):
        np.testing.assert_array_equal(before, after)
    assert {name: getattr(progress, name) for name in CURVES} == CURVES


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="PyTorch's dropout draws from a global generator"
)
def test_the_counter_of_dropout_is_among_what_is_saved():
    counters = [make_model(steps=steps) for steps in (0, 1)]
    states = [[v for v in m.variables if "seed" in v.path] for m in counters]
    before, after = ([keras.ops.convert_to_numpy(v) for v in found] for found in states)
    assert len(before) == 1 and not np.array_equal(before[0], after[0])


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="backend.seed_step does it for PyTorch's dropout"
)
def test_a_step_after_resuming_is_the_step_that_would_have_been(tmp_path):
    batch = np.ones((4, 2), "float32"), np.zeros((4, 3), "float32")
    trained, fresh = make_model(steps=3), make_model()
    save(tmp_path, trained)
    checkpoints.restore(tmp_path, fresh)
    for model in (trained, fresh):
        model.train_on_batch(*batch)
    for one, other in zip(values(trained), values(fresh), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_copy_does_not_change_with_the_model():
    model = make_model()
    copy = checkpoints.copy_of(model)
    before = [array.copy() for array in copy]
    model.train_on_batch(np.ones((4, 2), "float32"), np.ones((4, 3), "float32"))
    for one, other in zip(before, copy, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_last_two_are_kept(tmp_path):
    for steps in (1, 2, 10, 100):
        save(tmp_path, make_model(), steps)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["checkpoint-000000010.npz", "checkpoint-000000100.npz"]


def test_without_a_checkpoint_a_run_starts_at_the_beginning(tmp_path):
    assert checkpoints.restore(tmp_path, make_model()).step == 0


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "text"])
def test_a_torn_checkpoint_gives_way_to_the_one_before(tmp_path, damage, capsys):
    save(tmp_path, make_model(steps=1), 1)
    newest = save(tmp_path, make_model(steps=2), 2)
    whole = newest.read_bytes()
    middle = len(whole) // 2
    newest.write_bytes(
        {
            "cut": whole[:middle],
            "empty": b"",
            "flipped": whole[:200] + bytes([whole[200] ^ 1]) + whole[201:],
            "text": b"no checkpoint at all",
        }[damage]
    )
    model = make_model()
    assert checkpoints.restore(tmp_path, model).step == 1
    assert "checkpoint-000000002.npz is damaged" in capsys.readouterr().out
    for one, other in zip(values(make_model(steps=1)), values(model), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.deep
def test_no_flipped_byte_goes_unnoticed_or_crashes(tmp_path):
    path = save(tmp_path, make_model(steps=1), 1)
    whole, chance = path.read_bytes(), random.Random(0)
    right = values(make_model(steps=1))
    for position in (chance.randrange(len(whole)) for _ in range(60)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        model = make_model()
        if checkpoints.restore(tmp_path, model).step:  # a byte that carries nothing, as a date
            for one, other in zip(right, values(model), strict=True):
                np.testing.assert_array_equal(one, other)


def test_damaged_checkpoints_do_not_push_out_good_ones(tmp_path, capsys):
    for steps in (5, 6):
        save(tmp_path, make_model(), steps).write_bytes(b"torn")
    assert checkpoints.restore(tmp_path, make_model()).step == 0
    assert capsys.readouterr().out.count("is damaged") == 2
    save(tmp_path, make_model(steps=1), 1)
    assert checkpoints.restore(tmp_path, make_model()).step == 1


def test_weights_that_are_no_numbers_are_not_saved(tmp_path):
    save(tmp_path, make_model(), 1)
    model = make_model()
    model.layers[0].bias.assign([1.0, np.nan, 1.0])
    with pytest.raises(UntrainableError, match="NaN or infinite by step 2: lower the learning"):
        save(tmp_path, model, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000001.npz"]


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    save(tmp_path, make_model(units=3))
    with pytest.raises(InputError, match="belongs to another network: delete the folder"):
        checkpoints.restore(tmp_path, make_model(units=4))
