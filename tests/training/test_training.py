"""Training on a tiny store: what a run folder holds, what stops it, what is loaded again."""

import json
from contextlib import suppress
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from helpers import training
from helpers.common import files, paths
from helpers.common.errors import InputError, UntrainableError
from helpers.settings import SMOKE
from helpers.training import checkpoints, load_pipeline
from helpers.training import runs as runs_room

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
    assert runs_room.load_network(folder).name.startswith(settings.network)


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
    # Threads make them, so that they may be asked for in another order.
    assert sorted(made["train"].steps) == list(range(outcome["steps"]))
    assert made["validation"].steps == [0, 1, 2, 3]


def test_training_lowers_the_validation_loss(tiny_store):
    settings = replace(DENOISER, epochs=4, validations=4, validation_batches=8)
    history = pd.read_csv(training.train(settings, tiny_store) / "history.csv")
    assert history["validation_loss"].iloc[-1] < 0.8 * history["validation_loss"].iloc[0]


def test_a_finished_run_is_loaded_not_trained_again(tiny_store, monkeypatch, capsys):
    folder = training.train(DENOISER, tiny_store)
    monkeypatch.setattr(
        keras.Model, "train_on_batch", lambda *_, **__: pytest.fail("trained again")
    )
    assert training.train(DENOISER, tiny_store) == folder
    assert "loaded" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_network(tiny_store, runs):
    weights = []
    for _ in range(2):
        folder = training.train(DENOISER, tiny_store)
        weights.append(runs_room.load_network(folder).get_weights())
        folder.rename(runs / f"moved-{len(weights)}")
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)


class Poisoned(Recorded):
    """Batches of which one holds a NaN."""

    def __call__(self, step):
        inputs, targets = super().__call__(step)
        return (inputs * np.nan if step == 6 else inputs), targets


def test_nan_loss_stops_at_the_step_and_keeps_the_last_good_weights(tiny_store, runs, monkeypatch):
    make = training.make_batches
    monkeypatch.setattr(training, "make_batches", lambda *args: Poisoned(make(*args)))
    message = r"became nan at step 7: lower the learning rate \(the weights of step 6 are kept\)"
    with pytest.raises(InputError, match=message):
        training.train(replace(DENOISER, epochs=1), tiny_store, checkpoint_steps=3)
    (unfinished,) = runs.glob("*.unfinished")
    kept = sorted(path.name for path in unfinished.glob("checkpoint-*"))
    assert kept == ["checkpoint-000000003.npz", "checkpoint-000000006.npz"]
    for array in np.load(unfinished / kept[-1]).values():
        assert np.isfinite(array[1:] if array.ndim == 2 else array).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"schedule": "linear"}, "no schedule 'linear': choose one of constant, cosine"),
        ({"optimizer": "adam"}, "no optimizer 'adam': choose one of sgd, nesterov, adamw"),
        ({"network_options": {"witdh": 4}}, "residual_unet has no option witdh: choose from width"),
        ({"loss_options": {"margin": 1}}, "charbonnier has no option margin"),
    ],
)
def test_a_setting_that_is_not_known_lists_the_known_ones(tiny_store, change, sentence):
    with pytest.raises(InputError, match=sentence):
        training.train(replace(DENOISER, **change), tiny_store)


def test_settings_with_tuples_can_be_taken_up_again(tiny_store, monkeypatch):
    settings = replace(DESCRIPTOR, loss_options={"level_weights": (1, 1, 2)})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        training.train(settings, tiny_store)
    assert training.train(settings, tiny_store).is_dir()


def test_a_disk_too_full_for_tensorboard_does_not_end_a_training(tiny_store, monkeypatch, capsys):
    writer = pytest.importorskip("tensorboard.summary").Writer

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "flush", full)
    assert training.train(DENOISER, tiny_store).is_dir()
    assert "Not logged for TensorBoard" in capsys.readouterr().out


@pytest.mark.parametrize("loss", ["hybrid", "second_order", "info_nce"])
def test_other_losses_of_descriptors_train_too(tiny_store, loss):
    settings = replace(DESCRIPTOR, loss=loss, loss_options={"level_weights": [1, 1, 2]})
    outcome = json.loads((training.train(settings, tiny_store) / "outcome.json").read_text())
    assert np.isfinite(outcome["kept_validation_loss"])


def test_options_reach_the_loss(tiny_store):
    none, wide = (
        training.make_loss(replace(DESCRIPTOR, loss_options=o)) for o in ({}, {"margin": 9})
    )
    views = np.eye(4, dtype="float32")[:, None].repeat(2, axis=1)
    assert numbers(wide(np.arange(4), views)) == pytest.approx(
        numbers(none(np.arange(4), views)) + 8, abs=0.5
    )


def test_an_unknown_loss_lists_the_known_ones(tiny_store):
    with pytest.raises(InputError, match="choose one of mean_absolute_error, charbonnier"):
        training.train(replace(DENOISER, loss="l1"), tiny_store)


def test_a_full_disk_stops_with_a_sentence_and_loses_nothing(
    tiny_store, runs, monkeypatch, small_disk
):
    settings = replace(DENOISER, network_options={"width": 4}, epochs=1)
    whole = training.train(settings, tiny_store, checkpoint_steps=6)
    monkeypatch.setattr(paths, "RUNS", small_disk)
    save, ballast = checkpoints.save, small_disk / "ballast"

    def save_on_a_full_disk(folder, model, progress):
        if progress.step == 12:
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        return save(folder, model, progress)

    monkeypatch.setattr(checkpoints, "save", save_on_a_full_disk)
    with pytest.raises(
        InputError, match=r"checkpoint-000000012.npz could not be written \(No space"
    ):
        training.train(settings, tiny_store, checkpoint_steps=6)
    ballast.unlink()
    monkeypatch.setattr(checkpoints, "save", save)
    folder = training.train(settings, tiny_store, checkpoint_steps=6)
    assert (folder / "steps.csv").read_text() == (whole / "steps.csv").read_text()


class Memory:
    """A device that has room for `room` patches; stands in for `Model`'s methods."""

    def __init__(self, method, room):
        self.method, self.room = method, room

    def __get__(self, model, kind):
        def call(inputs, *args, **kwargs):
            held = inputs if isinstance(inputs, np.ndarray) else next(inputs)[0]
            if len(held) > self.room:
                raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
            return self.method(model, inputs, *args, **kwargs)

        return call


def test_a_full_device_says_which_batch_would_fit(tiny_store, monkeypatch):
    for name in ("evaluate", "fit", "train_on_batch"):
        monkeypatch.setattr(keras.Model, name, Memory(getattr(keras.Model, name), room=5))
    with pytest.raises(InputError, match=r"A batch of 16 does not fit .* a batch of 4 does"):
        training.train(DENOISER, tiny_store)


def test_a_training_of_other_settings_in_the_folder_is_refused(tiny_store, runs):
    folder = training.run_folder(DENOISER, tiny_store)
    described = runs_room.describe_run(replace(DENOISER, seed=9), tiny_store)
    files.write_json(folder.with_name(f"{folder.name}.unfinished") / "settings.json", described)
    with pytest.raises(InputError, match="holds a training of other settings"):
        training.train(DENOISER, tiny_store)


def test_going_on_with_other_versions_is_written_down(tiny_store, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "_finish", interrupted)
        training.train(DENOISER, tiny_store)
    now = training.provenance() | {"device": "another one"}
    monkeypatch.setattr(training, "provenance", lambda: now)
    folder = training.train(DENOISER, tiny_store)
    described = json.loads((folder / "settings.json").read_text())
    assert described["continued_on"] == [{"device": "another one"}]
    assert "Not on the same device" in capsys.readouterr().out


def test_curves_are_logged_for_tensorboard_where_it_is_installed(tiny_store):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = training.train(DENOISER, tiny_store)
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    logged = events.Tensors("validation_loss")
    found = [(event.step, event.tensor_proto.float_val[0]) for event in logged]
    history = pd.read_csv(folder / "history.csv")
    assert [step for step, _ in found] == history["step"].tolist()
    assert [loss for _, loss in found] == pytest.approx(history["validation_loss"].tolist())


def test_too_few_points_for_a_batch_is_said(tiny_store):
    with pytest.raises(InputError, match="less than one batch of 10000"):
        training.train(replace(SMOKE.baseline_descriptor, batch=10_000, triplets=1), tiny_store)


def test_an_unknown_network_lists_the_known_ones(tiny_store):
    with pytest.raises(InputError, match="choose one of shallow_unet, residual_unet"):
        training.train(replace(DENOISER, network="resnet"), tiny_store)


def test_the_denoiser_stays_as_it_is_while_the_descriptor_learns(tiny_store):
    denoiser = training.train(DENOISER, tiny_store)
    behind = training.Behind(denoiser)
    network = training.make_network(DESCRIPTOR)
    _, model, _ = training._training_model(DESCRIPTOR, network, behind)
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
    network = runs_room.load_network(folder)
    network.compile(loss=training.make_loss(settings), jit_compile=False)
    held_out = training.make_batches(settings, tiny_store, "validation")
    inputs, targets = zip(*map(held_out, range(settings.validation_batches)), strict=True)
    loss = network.evaluate(np.concatenate(inputs), np.concatenate(targets), verbose=0)
    assert history.iloc[-1] > history.iloc[0] == history.min()
    assert loss == pytest.approx(history.min(), rel=1e-4)


SMALL_DENOISER = replace(DENOISER, epochs=0.1, network_options={"width": 4})
SMALL = replace(DESCRIPTOR, joining="direct", network_options={"width": 4})
JOINED = {
    "direct": {"joining": "direct"},
    "end to end": {"joining": "end_to_end"},
    "with reconstruction": {"joining": "end_to_end", "reconstruction": 0.1},
    "raw vectors": {"joining": "end_to_end", "reconstruction": 0.1, "loss": "hybrid"},
    "two views of a level": {"joining": "direct", "batch_options": {"views_per_level": 2}},
}


@pytest.mark.parametrize("changes", JOINED.values(), ids=JOINED)
def test_each_way_of_joining_gives_one_network_for_noisy_patches(changes, tiny_store):
    settings = replace(SMALL, **changes)
    behind = None if settings.joining == "direct" else training.train(SMALL_DENOISER, tiny_store)
    run = training.train(settings, tiny_store, behind)
    vectors = load_pipeline(run).predict_on_batch(np.full((2, 32, 32, 1), 9.0))
    assert vectors.shape == (2, 128)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_end_to_end_moves_the_denoiser_and_a_frozen_one_stays(tiny_store):
    behind = training.train(SMALL_DENOISER, tiny_store)
    before = runs_room.load_network(behind).get_weights()
    for joining, same in (("frozen", True), ("end_to_end", False)):
        run = training.train(replace(SMALL, joining=joining), tiny_store, behind)
        inside = load_pipeline(run)
        if joining == "end_to_end":
            inside = inside.get_layer("end_to_end")
        (denoiser,) = [layer for layer in inside.layers if "residual_unet" in layer.name]
        after = denoiser.get_weights()
        pairs = zip(before, after, strict=True)
        assert all(np.array_equal(old, new) for old, new in pairs) == same


def test_distillation_draws_descriptors_to_those_of_the_teacher(tiny_store):
    teacher = replace(SMALL, batch_options={"noisy": False})
    teacher_run = training.train(teacher, tiny_store)
    patches = tiny_store.clean[:24, 0, ..., None].astype("float32")
    taught = runs_room.load_network(teacher_run).predict_on_batch(patches)
    distance = {}
    for weight in (0.01, 100.0):
        student = replace(SMALL, distillation=weight, epochs=8, seed=2)
        run = training.train(student, tiny_store, teacher_run=teacher_run)
        vectors = runs_room.load_network(run).predict_on_batch(patches)
        distance[weight] = np.linalg.norm(vectors - taught, axis=1).mean()
    assert distance[100.0] < 0.9 * distance[0.01]


@pytest.mark.parametrize(
    ("changes", "given", "message"),
    [
        ({"joining": "sideways"}, {}, "There is no joining 'sideways': choose one of direct"),
        ({"joining": "end_to_end"}, {}, "End to end needs a denoiser"),
        ({"joining": "direct"}, {"denoiser_run": "a"}, "direct descriptor has no denoiser"),
        ({"joining": "direct", "distillation": 1.0}, {}, "Distillation and a teacher's run"),
        ({"joining": "direct"}, {"teacher_run": "a"}, "Distillation and a teacher's run"),
        ({"batch_options": {"relight": True}}, {}, "Views has no option relight: choose from"),
    ],
)
def test_settings_and_runs_that_do_not_fit_are_refused(
    changes, given, message, tiny_store, tmp_path
):
    given = {name: tmp_path / run for name, run in given.items()}
    with pytest.raises(InputError, match=message):
        training.train(replace(SMALL, **changes), tiny_store, **given)


def test_descriptors_that_become_alike_stop_the_training(tiny_store, monkeypatch):
    with pytest.raises(UntrainableError, match="All descriptors became alike by step 1"):
        training._require_variety(np.full((4, 4, 8), 0.3), step=1)
    training._require_variety(np.random.default_rng(0).normal(size=(4, 4, 8)), step=1)
    monkeypatch.setattr(training, "COLLAPSED", 2.0)  # more variety than there can be
    with pytest.raises(UntrainableError, match="lower the learning rate or the margin"):
        training.train(SMALL, tiny_store)


def test_level_weights_scale_the_loss_of_their_patches(tiny_store):
    losses = {}
    for weights in (None, [1, 1, 1, 1], [0, 0, 0, 0]):
        settings = replace(SMALL_DENOISER, batch_options={"level_weights": weights})
        run = training.train(settings, tiny_store)
        losses[str(weights)] = pd.read_csv(run / "history.csv")["validation_loss"].iloc[-1]
    assert losses["[0, 0, 0, 0]"] == 0
    assert losses["None"] == pytest.approx(losses["[1, 1, 1, 1]"], rel=1e-4)
