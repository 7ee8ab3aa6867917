"""Training on a tiny store: what a run folder holds, what stops it, what is loaded again."""

import fcntl
import json
import re
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import training
from helpers.common import files, paths
from helpers.common.errors import InputError, UntrainableError
from helpers.settings import SMOKE
from helpers.training import checkpoints, loop, plan, runs, workplace
from helpers.training.registry import networks

SMALL = {"redraw": False, "network_options": {}}
DENOISER = replace(SMOKE.improved_denoiser, network="tiny_denoiser", batch=16, epochs=0.5, **SMALL)
DESCRIPTOR = replace(
    SMOKE.improved_descriptor, network="tiny_descriptor", batch=8, epochs=1, **SMALL
)
TRIPLETS = {"loss": "triplet", "loss_options": {}, "batches": "Triplets", "triplets": 32}
SETTINGS = {
    "denoiser": DENOISER,
    "frozen": DESCRIPTOR,
    "end_to_end": replace(DESCRIPTOR, joining="end_to_end"),
    "two views of a level": replace(
        DESCRIPTOR, joining="direct", batch_options={"views_per_level": 2}
    ),
    "triplets": replace(DESCRIPTOR, joining="direct", optimizer="sgd", **TRIPLETS),
}
PIPELINES = ("frozen", "end_to_end", "two views of a level")


class Trained(dict):
    """Finished runs by their names in SETTINGS, each trained when it is first asked for."""

    def __init__(self, folder, store):
        super().__init__()
        self.folder, self.store = folder, store

    def __missing__(self, name):
        settings = SETTINGS[name]
        alone = settings.role == "denoiser" or settings.joining == "direct"
        in_front = None if alone else self["denoiser"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(paths, "RUNS", self.folder)
            self[name] = training.train(settings, self.store, in_front)
        return self[name]


pytestmark = pytest.mark.usefixtures("tiny_networks")


@pytest.fixture(scope="module")
def tiny_networks():
    """Lets settings choose the networks beside this file, while the tests here run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)
        from tiny_networks import NETWORKS

        for role, network in NETWORKS.items():
            patch.setitem(networks(role), network.__name__, network)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_store, tiny_networks):
    return Trained(tmp_path_factory.mktemp("trained"), tiny_store)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for runs."""
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    return tmp_path / "runs"


def curves(run):
    return pd.read_csv(run / "steps.csv"), pd.read_csv(run / "history.csv")


def outcome(run):
    return json.loads((run / "outcome.json").read_text())


def assert_same_network(one, other):
    weights = (runs.load_network(run).get_weights() for run in (one, other))
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.second_backend
@pytest.mark.parametrize("name", ["denoiser", "frozen", "triplets"])
def test_a_run_folder_holds_settings_curves_network_and_outcome(name, trained):
    settings, folder = SETTINGS[name], trained[name]
    described = json.loads((folder / "settings.json").read_text())
    assert described["dataset"] == {"name": "tiny", "fingerprint": "0123456789abcdef"}
    assert described["settings"]["seed"] == 1 and described["backend"] == keras.backend.backend()
    assert described["versions"]["keras"] and described["device"] and described["commit"]
    steps, history = curves(folder)
    assert len(steps) == history["step"].iloc[-1] == outcome(folder)["steps"]
    assert np.isfinite(steps["loss"]).all() and np.isfinite(history["validation_loss"]).all()
    assert len(history) == settings.validations + 1  # the first before any step
    assert runs.load_network(folder).name.startswith(settings.network)
    assert not list(folder.glob("*checkpoint*"))


def test_the_loss_of_each_step_averages_to_the_loss_of_its_interval(trained):
    steps, history = curves(trained["denoiser"])
    first = history["step"].iloc[1]
    assert steps["loss"][:first].mean() == pytest.approx(history["loss"].iloc[1], rel=1e-4)


@pytest.mark.second_backend
def test_training_lowers_the_validation_loss(trained):
    _, history = curves(trained["denoiser"])
    assert history["validation_loss"].iloc[-1] < 0.99 * history["validation_loss"].iloc[0]


def test_a_finished_run_is_loaded_not_trained_again(trained, tiny_store, monkeypatch, capsys):
    finished = trained["denoiser"]
    monkeypatch.setattr(paths, "RUNS", trained.folder)
    monkeypatch.setattr(loop, "compiled", lambda *_: pytest.fail("trained again"))
    assert training.train(DENOISER, tiny_store) == finished
    assert "loaded" in capsys.readouterr().out


class Recorded:
    """Batches that remember which steps were asked for, one of which may hold a NaN."""

    def __init__(self, batches, poisoned=None):
        self.batches, self.poisoned, self.steps = batches, poisoned, []

    def __getattr__(self, name):
        return getattr(self.batches, name)

    def __call__(self, step):
        self.steps.append(step)
        inputs, targets = self.batches(step)
        return (inputs * np.nan if step == self.poisoned else inputs), targets


@pytest.mark.second_backend
def test_interrupted_and_taken_up_it_takes_each_step_once_and_ends_with_the_same_bits(
    trained, tiny_store, folder, monkeypatch
):
    made, make = [], training.make_batches
    monkeypatch.setattr(
        loop, "make_batches", lambda *args: made.append(Recorded(make(*args))) or made[-1]
    )

    def interrupt(losses):
        if len(losses) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(DENOISER, tiny_store, on_validation=interrupt)
    resumed = training.train(DENOISER, tiny_store)
    first, _, second, held_out = made
    assert first.steps and second.steps and held_out.steps == [0, 1]
    # Threads make them, so that they may be asked for in another order.
    assert sorted(first.steps + second.steps) == list(range(outcome(resumed)["steps"]))
    for name in ("steps.csv", "history.csv"):
        assert (resumed / name).read_bytes() == (trained["denoiser"] / name).read_bytes()
    assert_same_network(resumed, trained["denoiser"])


def test_nan_loss_stops_at_the_step_and_keeps_the_last_good_weights(
    tiny_store, folder, monkeypatch
):
    make = training.make_batches
    monkeypatch.setattr(plan, "CHECKPOINT_STEPS", 3)
    monkeypatch.setattr(loop, "make_batches", lambda *args: Recorded(make(*args), poisoned=6))
    message = r"became nan at step 7: lower the learning rate \(the weights of step 6 are kept\)"
    with pytest.raises(InputError, match=message):
        training.train(DENOISER, tiny_store)
    (unfinished,) = folder.glob("*.unfinished")
    kept = sorted(path.name for path in unfinished.glob("checkpoint-*"))
    assert kept == ["checkpoint-000000003.npz", "checkpoint-000000006.npz"]
    saved = checkpoints.numbered(checkpoints.read(unfinished / kept[-1]), "variable")
    assert all(np.isfinite(array).all() for array in saved)


def test_without_locks_two_that_train_the_same_run_both_end_well(
    trained, tiny_store, folder, monkeypatch, capsys
):
    def no_locks(*_):
        raise OSError(95, "Operation not supported")

    def train_elsewhere(losses):
        if len(losses) == 2:
            with monkeypatch.context() as patch:
                patch.setattr(files, "owner", lambda: "0123ab-77")
                training.train(DENOISER, tiny_store)

    monkeypatch.setattr(fcntl, "flock", no_locks)
    run = training.train(DENOISER, tiny_store, on_validation=train_elsewhere)
    assert "goes on from step" in capsys.readouterr().out  # the second, from a copy
    assert [path for path in folder.iterdir() if path.is_dir()] == [run]
    assert_same_network(run, trained["denoiser"])


def test_a_checkpoint_is_made_after_some_seconds_as_well(trained, tiny_store, folder, monkeypatch):
    saved, save = [], checkpoints.save
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(
        checkpoints, "save", lambda *given: saved.append(given[2].step) or save(*given)
    )
    run = training.train(DENOISER, tiny_store)
    assert saved == list(range(outcome(run)["steps"] + 1))
    assert_same_network(run, trained["denoiser"])


SMALL_FILES = ("settings.json", "steps.csv", "history.csv", "outcome.json")


@pytest.fixture
def finished(trained, folder):
    """A copy of a finished run, to be damaged."""
    return Path(shutil.copytree(trained["denoiser"], folder / trained["denoiser"].name))


@pytest.mark.parametrize("name", [*SMALL_FILES, "model.keras", "checksums.json"])
def test_a_damaged_file_of_a_run_is_named_and_the_cure_works(name, finished, tiny_store):
    def load():
        return runs.load_network(training.train(DENOISER, tiny_store))

    (finished / name).write_bytes((finished / name).read_bytes()[:-9])
    with pytest.raises(InputError, match=rf"{name} .*delete the folder {finished} and start again"):
        load()
    if name == "outcome.json":  # the cures are all the same
        shutil.rmtree(finished)
        assert load().count_params() and outcome(finished)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    name=st.sampled_from([*SMALL_FILES, "model.keras", "checksums.json"]),
    place=st.floats(0, 1, exclude_max=True),
    flip=st.integers(0, 255),
)
def test_no_damage_by_a_byte_or_a_cut_goes_unnoticed(trained, tiny_store, name, place, flip):
    folder = trained["denoiser"]
    whole = (folder / name).read_bytes()
    at = int(place * len(whole))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "RUNS", trained.folder)
        damaged = whole[:at] + (bytes([whole[at] ^ flip]) + whole[at + 1 :] if flip else b"")
        (folder / name).write_bytes(damaged)
        try:
            runs.load_network(runs.find_run(DENOISER, tiny_store))
        except InputError as error:
            assert re.fullmatch(r".* delete the folder .* and start again\.", str(error))
        else:  # other white space
            assert name == "checksums.json" and json.loads(damaged) == json.loads(whole)
        finally:
            (folder / name).write_bytes(whole)


def test_the_network_of_another_run_is_refused(finished, trained):
    shutil.copy(trained["frozen"] / "model.keras", finished)
    with pytest.raises(InputError, match=r"model\.keras .* changed since training: delete"):
        runs.load_network(finished)


def test_a_run_of_older_code_without_check_sums_is_loaded(finished, tiny_store):
    (finished / "checksums.json").unlink()
    assert runs.load_network(training.train(DENOISER, tiny_store)).count_params()


def test_a_run_whose_settings_have_changed_is_not_taken_for_this_one(finished, tiny_store):
    described = files.read_json(finished / "settings.json")
    described["settings"]["validations"] += 1  # as if another default had been there
    files.write_json(finished / "settings.json", described)
    runs.seal(finished)
    with pytest.raises(InputError, match="holds a training of other settings: delete"):
        training.train(DENOISER, tiny_store)


def interrupted(*_):
    raise KeyboardInterrupt


def test_settings_with_tuples_are_taken_up_and_another_device_is_written_down(
    tiny_store, folder, monkeypatch, capsys
):
    settings = replace(
        DESCRIPTOR, joining="direct", validations=1, loss_options={"level_weights": (1, 1, 2)}
    )
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop.Training, "_finish", interrupted)
        training.train(settings, tiny_store)
    now = workplace.provenance() | {"device": "another one"}
    monkeypatch.setattr(workplace, "provenance", lambda: now)
    run = training.train(settings, tiny_store)
    described = json.loads((run / "settings.json").read_text())
    assert described["continued_on"] == [{"device": "another one"}]
    assert "Not on the same device" in capsys.readouterr().out


def test_a_full_disk_stops_with_a_sentence_and_loses_nothing(
    trained, tiny_store, monkeypatch, small_disk
):
    monkeypatch.setattr(paths, "RUNS", small_disk)
    monkeypatch.setattr(plan, "CHECKPOINT_STEPS", 3)
    save, ballast = checkpoints.save, small_disk / "ballast"

    def save_on_a_full_disk(folder, model, progress):
        if progress.step == 6:
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        return save(folder, model, progress)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", save_on_a_full_disk)
        sentence = r"checkpoint-000000006.npz could not be written \(No space"
        with pytest.raises(InputError, match=sentence):
            training.train(DENOISER, tiny_store)
    ballast.unlink()
    run = training.train(DENOISER, tiny_store)
    assert (run / "steps.csv").read_bytes() == (trained["denoiser"] / "steps.csv").read_bytes()


class Memory:
    """A device that has room for `room` patches; stands in for `Model`'s methods."""

    def __init__(self, method, room):
        self.method, self.room = method, room

    def __get__(self, model, kind):
        def call(inputs, *args, **kwargs):
            if len(inputs) > self.room:
                raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
            return self.method(model, inputs, *args, **kwargs)

        return call


def test_a_full_device_says_so(tiny_store, folder, monkeypatch):
    for name in ("evaluate", "train_on_batch"):
        monkeypatch.setattr(keras.Model, name, Memory(getattr(keras.Model, name), room=5))
    with pytest.raises(InputError, match=r"A batch of 16 does not fit .*: set a smaller one"):
        training.train(DENOISER, tiny_store)


def test_a_training_of_other_settings_in_the_folder_is_refused(tiny_store, folder):
    unfinished = runs.unfinished_folder(runs.run_folder(DENOISER, tiny_store))
    described = runs.describe_run(replace(DENOISER, seed=9), tiny_store)
    files.write_json(unfinished / "settings.json", described)
    with pytest.raises(InputError, match="holds a training of other settings"):
        training.train(DENOISER, tiny_store)


@pytest.mark.parametrize("name", PIPELINES)
def test_each_way_of_joining_gives_one_network_for_noisy_patches(name, trained):
    vectors = training.load_pipeline(trained[name]).predict_on_batch(np.full((2, 32, 32, 1), 9.0))
    assert vectors.shape == (2, 128)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


@pytest.mark.second_backend
def test_end_to_end_moves_the_denoiser_and_a_frozen_one_stays(trained):
    before = runs.load_network(trained["denoiser"]).get_weights()
    for joining, same in (("frozen", True), ("end_to_end", False)):
        inside = training.load_pipeline(trained[joining])
        if joining == "end_to_end":
            inside = inside.get_layer("end_to_end")
        (denoiser,) = [layer for layer in inside.layers if "tiny_denoiser" in layer.name]
        pairs = zip(before, denoiser.get_weights(), strict=True)
        assert all(np.array_equal(old, new) for old, new in pairs) == same


def test_it_stops_early_and_the_best_weights_are_kept_not_the_last(tiny_store, folder):
    from tiny_networks import with_rate

    settings = replace(DENOISER, validations=4, patience=2, optimizer="sgd", schedule="constant")
    settings = with_rate(settings, -1e-4)  # worse at each step
    run = training.train(settings, tiny_store)
    history = pd.read_csv(run / "history.csv")["validation_loss"][1:]
    assert len(history) == 3 and history.iloc[-1] > history.iloc[0] == history.min()
    assert outcome(run)["stopped"] == "early, after 2 validations without a better loss"
    assert outcome(run)["kept_validation_loss"] == history.min()
    held_out = training.make_batches(settings, tiny_store, "validation")
    inputs, clean = loop.validation_set(held_out, settings.validation_batches)
    answers = runs.load_network(run).predict_on_batch(inputs)
    charbonnier = np.sqrt((answers - clean) ** 2 + 1).mean()
    assert charbonnier == pytest.approx(history.min(), rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "given", "message"),
    [
        ({"joining": "end_to_end"}, {}, "End to end needs a denoiser"),
        ({"joining": "direct"}, {"denoiser_run": "a"}, "direct descriptor has no denoiser"),
        ({"batch_options": {"relight": True}}, {}, "Views has no option relight: choose from"),
        ({"batch": 10_000}, {}, "less than one batch of 10000"),
        ({**TRIPLETS, "joining": "direct", "triplets": 0}, {}, "triplets cannot be 0"),
        ({**TRIPLETS, "joining": "direct", "batches": "DenoisingPairs"}, {}, "do not fit together"),
        ({"network_options": {"width": 0}, "network": "hardnet"}, {}, "width of hardnet cannot"),
    ],
)
def test_settings_and_runs_that_do_not_fit_are_refused(changes, given, message, tiny_store, folder):
    given = {name: folder / run for name, run in given.items()}
    with pytest.raises(InputError, match=message):
        training.train(replace(DESCRIPTOR, **changes), tiny_store, **given)


def test_descriptors_that_are_alike_are_noticed():
    with pytest.raises(UntrainableError, match="All descriptors became alike by step 1"):
        loop.require_variety(np.full((4, 4, 8), 0.3), step=1)
    loop.require_variety(np.random.default_rng(0).normal(size=(4, 4, 8)), step=1)


def test_descriptors_that_become_alike_stop_the_training(tiny_store, folder, monkeypatch):
    monkeypatch.setattr(loop, "COLLAPSED", 2.0)  # more variety than there can be
    with pytest.raises(UntrainableError, match="lower the learning rate or the margin"):
        training.train(replace(DESCRIPTOR, joining="direct"), tiny_store)
