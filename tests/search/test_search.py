"""Search: spaces, studies, workers that are killed, and what is found."""

import collections
import json
import math
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import optuna
import pytest
import sqlalchemy
from PIL import Image

from helpers import search
from helpers.benchmark.layout import STRIPS
from helpers.common import files, paths
from helpers.common.errors import InputError
from helpers.dataset import PatchStore, open_dataset
from helpers.search import improved, results, sampling, space, studies, trials, workers
from helpers.settings import PROFILES, SMOKE, SearchSettings

BASE = replace(
    SMOKE.improved_descriptor, network_options={"width": 8}, loss_options={}, learning_rate=3e-3
)
SPACE = {
    "learning_rate": ("log", 1e-4, 1e-1),
    "network_options.width": ("choice", [8, 16, 24]),
    "patience": ("integer", 2, 64),
    "weight_decay": ("uniform", 0.0, 0.5),
}
RATES = {"learning_rate": ("log", 1e-4, 1e-1)}
WEIGHTS = {"alike": [1, 1, 1], "to tough": [0.5, 1, 1.5], "none": None}
NAMED = {"loss_options.level_weights": ("choice", WEIGHTS), **RATES}


@pytest.fixture
def storage(tmp_path) -> str:
    return f"journal:{tmp_path / 'search.journal'}"


class Trainer:
    """Stands in for training: the loss is the distance of the learning rate from 1e-2."""

    def __init__(self, folder: Path, act=lambda number, on_validation: None):
        self.folder, self.act, self.settings = folder, act, []

    def __call__(self, settings, store, denoiser_run, on_validation):
        self.settings.append(settings)
        self.act(len(self.settings) - 1, on_validation)
        run = self.folder / f"run-{settings.learning_rate:.9f}"
        loss = abs(math.log10(settings.learning_rate) + 2)
        files.write_json(run / "outcome.json", {"kept_validation_loss": loss})
        return run

    @property
    def rates(self) -> list[float]:
        return [settings.learning_rate for settings in self.settings]


@pytest.fixture
def look(tmp_path, tiny_store, storage):
    """Searches with a stand-in for training; returns the study."""

    def look(train, count=6, **changes):
        arguments = {"base": BASE, "space": RATES, "store": tiny_store, "sign_seconds": 0.01}
        arguments |= {"name": "rates", "trials": count, "storage": storage} | changes
        return search.search(train=train, **arguments)

    return look


@pytest.fixture
def look_by_score(look, monkeypatch):
    """The same where weights of the loss may be searched, with a stand-in for the benchmark."""
    monkeypatch.setitem(trials.MEASURES, "validation_error", trials.validation_loss)
    return partial(look, measure="validation_error")


def finished(study) -> int:
    return sum(map(workers.is_finished, workers.slots_of(study).values()))


# --- Spaces


def test_a_suggestion_changes_fields_and_options_and_nothing_else():
    values = {
        "learning_rate": 1e-3,
        "network_options.width": 24,
        "patience": 17,
        "weight_decay": 0.25,
    }
    base = replace(BASE, network_options={"width": 8, "depth": 2})
    suggested = search.suggest(optuna.trial.FixedTrial(values), SPACE, base)
    assert suggested == replace(
        base,
        learning_rate=1e-3,
        network_options={"width": 24, "depth": 2},
        patience=17,
        weight_decay=0.25,
    )
    assert base.network_options == {"width": 8, "depth": 2}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"learning_rat": ("log", 1e-3, 1e-2)},
        {"learning_rate.width": ("log", 1e-3, 1e-2)},
        {"learning_rate.": ("log", 1e-3, 1e-2)},
        {"network_options": ("choice", [8, 16])},
        {"network_options.": ("choice", [8, 16])},
        {"learning_rate": ()},
        {"learning_rate": ("logarithmic", 1e-3, 1e-2)},
        {"learning_rate": ("log", 0.0, 1e-2)},
        {"learning_rate": ("log", 1e-2, 1e-3)},
        {"learning_rate": ("log", 1e-3)},
        {"learning_rate": ("uniform", "0", "1")},
        {"patience": ("integer", 1.5, 3)},
        {"network_options.width": ("choice", [])},
        {"network_options.width": ("choice", "wide")},
        {"network_options.width": ("choice", 8, 16)},
        {"network_options.widths": ("choice", [[8, 16], [16, 32]])},
        {"loss_options.level_weights": ("choice", {})},
        {"loss_options.level_weights": ("choice", {1: [1, 1, 1]})},
        {"loss_options.level_weights": ("choice", {"odd": [1, 1, math.nan]})},
        {"loss_options.level_weights": ("choice", {"odd": object})},
    ],
    ids=str,
)
def test_what_is_no_space_is_refused_in_one_sentence(wrong):
    with pytest.raises(InputError, match=r"(name|use|give it as) .*[.]$"):
        space.check_space(wrong, BASE)


def test_a_space_read_from_json_is_as_good(look, tmp_path):
    train = Trainer(tmp_path)
    look(train, 2, space=SPACE)
    study = look(train, 3, space=json.loads(json.dumps(SPACE)))
    assert len(train.settings) == finished(study) == 3


def test_only_values_that_a_space_allows_are_inside_it():
    base = replace(BASE, learning_rate=1.0, patience=16)
    assert space.values_inside(SPACE, base) == {
        "network_options.width": 8,
        "patience": 16,
        "weight_decay": base.weight_decay,
    }
    assert space.values_inside({"network_options.depth": ("integer", 1, 3)}, base) == {}


def test_a_named_choice_gives_the_trial_its_name_and_the_settings_its_value():
    trial = optuna.trial.FixedTrial(
        {"loss_options.level_weights": "to tough", "learning_rate": 1e-3}
    )
    suggested = search.suggest(trial, NAMED, BASE)
    assert suggested.loss_options == {"level_weights": [0.5, 1, 1.5]}
    assert trial.params["loss_options.level_weights"] == "to tough"


@pytest.mark.parametrize(
    ("weights", "name"),
    [((1.0, 1.0, 1.0), "alike"), ([0.5, 1, 1.5], "to tough"), (None, "none"), ([1, 2, 3], None)],
)
def test_a_named_choice_is_recognised_by_its_value(weights, name):
    base = replace(BASE, loss_options={"level_weights": weights})
    found = space.values_inside(NAMED, base)
    assert found.get("loss_options.level_weights") == name


def test_a_setting_that_is_left_out_is_inside_no_space():
    assert "loss_options.level_weights" not in space.values_inside(NAMED, BASE)


def test_the_table_of_a_space_says_what_is_tried_and_what_settings_have():
    table = search.space_table(NAMED | SPACE, own=replace(BASE, loss_options={}))
    assert table.loc["loss_options.level_weights", "tried"].startswith("alike [1, 1, 1], to tough")
    assert table.loc["learning_rate", "tried"] == "0.0001 to 0.1, log scale"
    assert table["own"].to_dict() == {
        "loss_options.level_weights": "–",
        "learning_rate": "0.003",
        "network_options.width": "8",
        "patience": "4",
        "weight_decay": "0.0001",
    }


# --- Smaller datasets


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> PatchStore:
    """A real store of three scenes; the points of each are numbered by their grey level."""
    folder = tmp_path_factory.mktemp("strips")
    for name, points in {"v_a": 9, "v_b": 6, "v_c": 7}.items():
        grey = np.arange(points, dtype=np.uint8).repeat(32)[:, None] * np.ones((1, 32), np.uint8)
        for strip in STRIPS:
            for end in ("", "_noise"):
                (folder / name).mkdir(exist_ok=True)
                Image.fromarray(grey).save(folder / name / f"{strip}{end}.png")
    files.write_json(
        folder / "split.json", {"train": ["v_a"], "validation": ["v_b"], "test": ["v_c"]}
    )
    return open_dataset(f"n-hpatches:{folder}", folder=folder / "stores")


def test_a_smaller_store_has_the_first_points_of_each_scene_and_the_same_parts(store):
    smaller = search.with_fewer_points(store, 6)
    assert smaller.parts == store.parts and smaller.name == store.name
    for part, name in (("train", "v_a"), ("validation", "v_b"), ("test", "v_c")):
        assert smaller.lengths(part) == {name: 6}
        assert smaller.noisy[smaller.rows(part), 3, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
        assert np.array_equal(smaller.clean[smaller.scenes[name]], store.clean[smaller.rows(part)])
    assert smaller.summary()["total"]["points"] == 18


def test_a_smaller_store_leaves_the_other_one_as_it_was(store):
    search.with_fewer_points(store, 2)
    assert len(store.rows("train")) == 9


def test_stores_of_different_size_are_never_taken_for_one_another(store):
    sizes = [search.with_fewer_points(store, count) for count in (2, 3, None)]
    assert len({size.fingerprint for size in sizes}) == 3


@pytest.mark.parametrize("count", [None, 9, 100])
def test_a_store_without_more_points_stays_itself(store, count):
    assert search.with_fewer_points(store, count) is store


# --- Studies


def test_the_first_trial_is_the_base_settings(look, tmp_path):
    train = Trainer(tmp_path)
    look(train, 1, space=SPACE, base=replace(BASE, patience=20))
    assert train.settings == [replace(BASE, patience=20, approach="search")]


def test_a_trial_is_trained_to_its_end_unless_patience_is_searched(look, tmp_path):
    train = Trainer(tmp_path)
    look(train, 1, space={"seed": ("choice", [1, 2])}, base=replace(BASE, patience=4))
    assert train.settings[0].patience == 0


def test_the_same_seed_chooses_the_same_settings_and_another_one_others(look, tmp_path, storage):
    chosen = []
    for number, seed in enumerate((1, 1, 2)):
        train = Trainer(tmp_path)
        look(train, 16, space=SPACE, seed=seed, storage=f"{storage}{number}")
        chosen.append(train.settings)
    assert chosen[0] == chosen[1]
    assert chosen[0] != chosen[2]


def test_stopping_between_trials_changes_no_settings(look, tmp_path, storage):
    at_once, in_parts = Trainer(tmp_path), Trainer(tmp_path)
    look(at_once, 14)
    for count in (3, 11, 14):
        look(in_parts, count, storage=f"{storage}2")
    assert in_parts.rates == at_once.rates


def test_named_choices_reach_training_as_values(look_by_score, tmp_path, storage):
    train, base = Trainer(tmp_path), replace(BASE, loss_options={"level_weights": (1, 1, 1)})
    study = look_by_score(train, 8, space=NAMED, base=base)
    found = [one.loss_options["level_weights"] for one in train.settings]
    names = search.trials_table(study)["loss_options.level_weights"].tolist()
    assert found == [WEIGHTS[name] for name in names]
    assert names[0] == "alike" and set(names) == set(WEIGHTS)
    best = search.best_settings(search.open_study("rates", storage))
    rates = [abs(math.log10(rate) + 2) for rate in train.rates]
    assert best.loss_options["level_weights"] == found[rates.index(min(rates))]


def test_a_space_with_names_read_from_json_goes_on_with_the_study(look_by_score, tmp_path):
    train = Trainer(tmp_path)
    look_by_score(train, 2, space=NAMED)
    look_by_score(train, 3, space=json.loads(json.dumps(NAMED)))
    assert len(train.settings) == 3


def test_a_worker_with_the_same_named_choices_in_another_order_joins(look_by_score, tmp_path):
    turned = {"loss_options.level_weights": ("choice", dict(reversed(WEIGHTS.items())))}
    look_by_score(Trainer(tmp_path), 2, space=NAMED)
    assert finished(look_by_score(Trainer(tmp_path), 4, space=turned | RATES)) == 4


def test_settings_of_one_trial_are_drawn_independently(look, tmp_path):
    train = Trainer(tmp_path)
    both = {"learning_rate": ("uniform", 0.001, 1.0), "weight_decay": ("uniform", 0.001, 1.0)}
    look(train, 4, space=both, base=replace(BASE, learning_rate=2.0, weight_decay=2.0))
    assert all(abs(s.learning_rate - s.weight_decay) > 1e-6 for s in train.settings)


def test_trials_after_the_random_ones_are_better(look, tmp_path):
    train = Trainer(tmp_path)
    look(train, 40)
    losses = [abs(math.log10(rate) + 2) for rate in train.rates]
    assert sum(losses[20:]) / 20 < 0.5 * sum(losses[1:11]) / 10


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"space": {"learning_rate": ("log", 1e-4, 2e-1)}}, "space"),
        ({"base": replace(BASE, batch=16)}, "settings"),
        ({"budget": 0.5}, "budget"),
        ({"seed": 2}, "seed"),
        ({"denoiser_run": Path("runs/denoiser-1")}, "denoiser"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_search_of_the_same_name_is_refused(look, tmp_path, change, named):
    train = Trainer(tmp_path)
    look(train, 1)
    with pytest.raises(InputError, match=f"other values of: {named}; choose a new name"):
        look(train, 2, **change)
    assert len(train.settings) == 1


def test_a_search_on_other_data_of_the_same_name_is_refused(look, tmp_path, tiny_store):
    look(Trainer(tmp_path), 1)
    with pytest.raises(InputError, match="other values of: dataset;"):
        look(Trainer(tmp_path), 2, store=replace(tiny_store, fingerprint="other"))


def test_training_code_that_was_changed_is_refused(look, tmp_path, monkeypatch):
    look(Trainer(tmp_path), 1)
    monkeypatch.setattr(studies, "code_fingerprint", lambda: "other")
    with pytest.raises(InputError, match="other values of: training code;"):
        look(Trainer(tmp_path), 2)


@pytest.mark.parametrize(
    "change",
    [
        {"count": 0},
        {"budget": 0.0},
        {"budget": 1.5},
        {"seed": -1},
        {"measure": "test_error"},
        {"measure": "validation_error", "base": replace(BASE, part="denoiser")},
        {"space": {"loss": ("choice", ["hardest_in_batch", "triplet"])}},
        {"space": {"loss_options.margin": ("uniform", 0.5, 1.5)}},
        {"space": {"batch": ("choice", [64, 128])}},
        {"space": {"reconstruction": ("uniform", 0.0, 1.0)}},
        {"space": {"batch_options.views_per_level": ("integer", 1, 2)}},
    ],
    ids=str,
)
def test_what_cannot_be_searched_is_refused_before_a_study_is_begun(look, tmp_path, change):
    with pytest.raises(InputError, match=r"[.]$"):
        look(Trainer(tmp_path), **change)
    assert not (tmp_path / "search.journal").exists()


def test_a_score_compares_what_a_loss_cannot():
    for base, measure in ((BASE, "validation_error"), (SMOKE.improved_denoiser, "validation_loss")):
        trials.check_measure(measure, {"batch": ("choice", [64, 128])}, base)


def test_a_storage_that_cannot_be_opened_is_named_without_its_password(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for wrong in ("database", "sqlite:////dev/null/x.db", f"journal:{tmp_path}/file/x"):
        with pytest.raises(InputError, match=r"cannot be opened .*: give sqlite:///FILE"):
            search.open_study("rates", wrong)
    assert studies.shown("postgresql://me:secret@host/x") == "postgresql://me:***@host/x"


def test_a_study_that_is_not_there_is_an_input_error(storage):
    with pytest.raises(InputError, match="holds no study 'rates': search first"):
        search.open_study("rates", storage)


# --- One worker


def test_the_budget_shortens_trials_but_not_the_winner(look, tmp_path):
    train = Trainer(tmp_path)
    study = look(train, 3, budget=0.25)
    assert {settings.epochs for settings in train.settings} == {BASE.epochs / 4}
    assert search.best_settings(study).epochs == BASE.epochs


def test_a_second_search_adds_only_what_is_missing(look, tmp_path):
    train = Trainer(tmp_path)
    assert finished(look(train, 3)) == 3
    assert finished(look(train, 5)) == 5
    assert finished(look(train, 4)) == 5
    assert len(train.settings) == len(set(train.rates)) == 5


def test_a_training_worse_than_the_median_is_given_up_and_counts(look, tmp_path):
    def act(number, on_validation):
        for validation in range(4):
            on_validation([9.0] + [float(number)] * (validation + 1))
            seen.append((number, validation))

    seen = []
    study = look(Trainer(tmp_path, act), 7, base=replace(BASE, validations=4))
    table = search.trials_table(study)
    assert table["state"].tolist() == ["complete"] * 5 + ["pruned"] * 2
    assert (5, 0) in seen and (5, 1) not in seen  # the first quarter is let be
    assert finished(study) == 7 and table["loss"].notna().sum() == 5


def test_a_training_at_its_last_validation_is_not_given_up(look, tmp_path):
    def act(number, on_validation):
        on_validation([9.0, float(number), float(number)])

    study = look(Trainer(tmp_path, act), 7, base=replace(BASE, validations=2))
    assert set(search.trials_table(study)["state"]) == {"complete"}


def test_a_score_lets_every_training_end():
    assert isinstance(sampling.pruner(BASE, "validation_error"), optuna.pruners.NopPruner)


def test_a_validation_loss_of_nan_gives_a_trial_up(look, tmp_path):
    def act(number, on_validation):
        on_validation([1.0, math.nan if number == 1 else 1.0])

    study = look(Trainer(tmp_path, act), 3)
    assert search.trials_table(study)["state"].tolist() == ["complete", "pruned", "complete"]


def test_a_training_that_goes_on_reports_what_it_had_reached_before(look, tmp_path):
    study = look(Trainer(tmp_path, lambda _, report: report([3.0, 2.0, 1.0])), 1)
    assert study.trials[0].intermediate_values == {1: 2.0, 2: 1.0}


def test_an_error_ends_the_worker_and_the_trial_is_made_again(look, tmp_path):
    def act(number, on_validation):
        if number == 1:
            raise MemoryError

    train = Trainer(tmp_path, act)
    with pytest.raises(MemoryError):
        look(train, 3)
    study = look(train, 3)
    assert train.rates[1] == train.rates[2] and len(set(train.rates)) == 3
    assert search.trials_table(study)["attempts"].tolist() == [1, 2, 1]
    assert finished(study) == 3


def test_a_worker_taken_for_dead_leaves_its_trial_to_another(look, tmp_path, storage):
    def act(number, on_validation):
        if number == 1:
            search.open_study("rates", storage).tell(1, state=optuna.trial.TrialState.FAIL)
            on_validation([3.0, 2.0])

    train = Trainer(tmp_path, act)
    study = look(train, 3)
    assert train.rates[1] == train.rates[2] and finished(study) == 3
    assert [t.state.name for t in study.trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]


# --- Several workers


def test_a_trial_begun_after_the_last_one_is_surplus(look, tmp_path):
    study = look(Trainer(tmp_path), 3)
    workers._make_attempt(study, 3, lambda trial: pytest.fail("was trained"), 0.01)
    assert finished(study) == len(workers.slots_of(study)) == 3
    assert finished(look(Trainer(tmp_path), 4)) == 4


def test_of_two_repetitions_only_one_is_made(look, tmp_path):
    study, made = look(Trainer(tmp_path), 2), []
    study.ask()
    study.tell(2, state=optuna.trial.TrialState.FAIL)
    for _ in range(2):
        study.enqueue_trial({"learning_rate": 0.05}, user_attrs={"repeats": 2})
    workers.work(study, 3, lambda trial: made.append(trial.number) or 1.0, 0.01)
    workers._make_attempt(study, 3, lambda trial: pytest.fail("was made twice"), 0.01)
    assert made == [3] and finished(study) == 3


def test_silence_is_measured_from_the_last_sign_that_was_seen(monkeypatch):
    watch, now = workers.Watch(seconds=10), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def is_silent(at, sign):
        now[0] = at
        return watch.is_silent(optuna.create_trial(value=1.0, user_attrs=sign))

    assert not is_silent(100, {})  # seen for the first time
    assert not is_silent(105, {"sign": 0})
    assert not is_silent(115, {"sign": 0})
    assert is_silent(116, {"sign": 0})
    assert not is_silent(117, {"sign": 1})


def test_workers_that_begin_at_once_wait_for_the_tables_of_the_first(tmp_path, monkeypatch):
    def storage(*arguments, **options):
        if errors:
            raise errors.pop()("", None, Exception("being made"))
        return make(*arguments, **options)

    errors = [sqlalchemy.exc.IntegrityError, sqlalchemy.exc.OperationalError]
    make = studies.RDBStorage
    monkeypatch.setattr(studies, "RDBStorage", storage)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    assert studies.begin_study("first", f"sqlite:///{tmp_path / 'search.db'}", {}).trials == []
    assert not errors


def test_no_waiting_trial_of_an_sqlite_file_is_taken_twice(tmp_path):
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    study = studies.begin_study("queue", storage, {})
    for number in range(30):
        study.enqueue_trial({"number": number})
    taken, start = [], threading.Barrier(3)

    def take():
        mine = search.open_study("queue", storage)
        start.wait()
        while (number := mine.ask().number) < 30:
            taken.append(number)

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(30))


WORKER = """
import os, sys, time
from dataclasses import dataclass
from pathlib import Path

from helpers.common import files
from helpers.search import search
from helpers.settings import SMOKE

folder, storage, hangs_at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
calls = []

@dataclass
class Store:
    name: str = "tiny"
    fingerprint: str = "0"

def note(*words):
    with open(folder / "log", "a") as log:
        log.write(" ".join(map(str, words)) + "\\n")

def train(settings, store, denoiser_run, on_validation):
    rate = repr(settings.learning_rate)
    note("began", rate, os.getpid())
    calls.append(rate)
    if len(calls) == hangs_at:
        (folder / "hangs").touch()
        print("in the middle", flush=True)
        time.sleep(600)
    while not (hangs_at or (folder / "hangs").exists()):
        time.sleep(0.05)  # else they might be done before the one to be killed has begun
    time.sleep(0.1)
    run = folder / f"run-{rate}"
    files.write_json(run / "outcome.json", {"kept_validation_loss": settings.learning_rate})
    note("trained", rate, os.getpid())
    return run

space = {"learning_rate": ("log", 1e-4, 1e-1)}
search("rates", SMOKE.improved_descriptor, space, Store(), 12, storage, train=train,
       sign_seconds=0.5)
assert not {"keras", "tensorflow", "jax"} & set(sys.modules)
"""


@pytest.mark.parametrize("kind", ["sqlite:///", "journal:"])
def test_three_workers_one_of_them_killed_finish_each_trial_once(tmp_path, kind):
    storage = f"{kind}{tmp_path / 'search'}"

    def start(hangs_at=0):
        command = [sys.executable, "-c", WORKER, str(tmp_path), storage, str(hangs_at)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=paths.ROOT)

    others, killed = [start(), start()], start(hangs_at=2)
    while "in the middle" not in (line := killed.stdout.readline()):
        assert line, "the worker to be killed ended by itself"
    killed.kill()
    killed.wait()
    killed.stdout.close()
    for worker in others:
        worker.communicate(timeout=60)
        assert worker.returncode == 0

    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    began = collections.Counter(rate for what, rate, _ in lines if what == "began")
    trained = collections.Counter(rate for what, rate, _ in lines if what == "trained")
    table = search.trials_table(search.open_study("rates", storage))
    assert table["state"].tolist() == ["complete"] * 12
    assert trained == collections.Counter(map(repr, table["learning_rate"]))
    assert set(trained.values()) == {1}
    [left] = [rate for what, rate, pid in lines if int(pid) == killed.pid and what == "began"][1:]
    assert began == trained + collections.Counter([left])
    assert sorted(table["attempts"]) == [1] * 11 + [2]


# --- What is found


def test_the_winner_is_written_and_read_again(look, tmp_path, storage):
    study = look(Trainer(tmp_path), 8, space=SPACE)
    path = tmp_path / "winner.json"
    search.write_winner(path, study, "postgresql://me:secret@host/x")
    assert search.read_winner(path) == search.best_settings(search.open_study("rates", storage))
    written = json.loads(path.read_text())
    table = search.trials_table(study).set_index("trial")
    assert written["validation_loss"] == table["loss"].min() == table["loss"][written["trial"]]
    assert written["run"] == table["run"][written["trial"]]
    rate = table["learning_rate"][written["trial"]]
    assert written["settings"]["learning_rate"] == rate != BASE.learning_rate
    assert written["trials"] == {"complete": 8}
    assert written["storage"] == "postgresql://me:***@host/x"
    assert written["searched"]["dataset"]["fingerprint"] == "0123456789abcdef"
    assert written["provenance"]["optuna"] == optuna.__version__


def test_of_equally_good_trials_the_first_one_wins(look, tmp_path):
    decays = {"weight_decay": ("uniform", 0.0, 0.5)}  # nothing to the stand-in for training
    study = look(Trainer(tmp_path), 5, space=decays, base=replace(BASE, weight_decay=0.2))
    assert results.best_trial(study).number == 0
    assert search.best_settings(study).weight_decay == 0.2


def written(path, study) -> dict:
    search.write_winner(path, study, "sqlite:///studies.db")
    return files.read_json(path)


def test_the_winner_is_compared_with_the_settings_it_began_with(look, tmp_path):
    study = look(Trainer(tmp_path), 8)
    winner = written(tmp_path / "winner.json", study)
    assert winner["base"] == study.trials[0].value > winner["validation_loss"]
    sentence = search.verdict(winner)
    assert re.match(r"trial \d of 8 won: validation loss 0\.\d+, 0\.5229 with those it", sentence)
    assert f"learning_rate {winner['changed']['learning_rate']:.3g}" in sentence
    best = winner["validation_loss"]
    assert search.summary(winner) == {"trials": 8, "best": best, "base": winner["base"]}


def test_a_search_that_found_nothing_better_says_so(look, tmp_path):
    study = look(Trainer(tmp_path), 3, base=replace(BASE, learning_rate=0.01))
    winner = written(tmp_path / "winner.json", study)
    assert search.verdict(winner).startswith("none of 3 trials was better than the settings it beg")


def test_without_its_base_settings_or_their_loss_a_search_compares_with_nothing(look, tmp_path):
    outside = look(Trainer(tmp_path), 3, base=replace(BASE, learning_rate=1.0))
    assert written(tmp_path / "winner.json", outside)["base"] is None

    def act(number, on_validation):
        on_validation([1.0, 0.5] + [math.nan] * (number == 0))

    given_up = look(Trainer(tmp_path, act), 3, name="given up")
    winner = written(tmp_path / "winner.json", given_up)
    assert winner["base"] is None and "unknown for those" in search.verdict(winner)


def test_importances_find_what_matters_and_are_the_same_twice(look, tmp_path):
    study = look(Trainer(tmp_path), 30, space=SPACE)
    found = search.importances(study)
    assert found == search.importances(study) and set(found) == set(SPACE)
    assert next(iter(found)) == "learning_rate" and found["learning_rate"] > 0.5
    assert sum(found.values()) == pytest.approx(1)


def test_there_are_no_importances_of_few_or_equal_trials(look, tmp_path):
    assert search.importances(look(Trainer(tmp_path), results.FEWEST - 1)) == {}
    same = {"weight_decay": ("uniform", 0.0, 0.5)}
    assert search.importances(look(Trainer(tmp_path), 6, space=same, name="same")) == {}


def test_a_file_without_settings_is_no_winner(tmp_path):
    path = tmp_path / "winner.json"
    for content in ({}, {"settings": {"speed": 3}}, [], {"settings": None}):
        files.write_json(path, content)
        with pytest.raises(InputError, match="holds no settings that are known here"):
            search.read_winner(path)


def test_a_search_that_gave_all_trials_up_has_no_winner(look, tmp_path):
    study = look(Trainer(tmp_path, lambda _, report: report([1.0, math.nan])), 2)
    with pytest.raises(InputError, match="No trial of the study 'rates' has been trained"):
        search.best_settings(study)


# --- The search of a profile


@pytest.fixture
def profile():
    base = replace(BASE, loss_options={"level_weights": [1, 1, 1]}, joining="direct")
    plan = SearchSettings(trials=6, budget=0.5, points_per_scene=4, space=NAMED)
    return replace(SMOKE, improved_descriptor=base, search=plan)


@pytest.fixture
def search_with(monkeypatch, tmp_path, store):
    """Searches as a profile says, with stand-ins for training and benchmark."""
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setitem(trials.MEASURES, "validation_error", trials.validation_loss)

    def run(profile, train, **options):
        quick = partial(search.search, train=train, sign_seconds=0.01)
        monkeypatch.setattr(improved, "search", quick)
        return search.search_improved(profile, store, **options)

    return run


def test_a_profile_gets_the_winner_of_its_own_search(profile, search_with, store, tmp_path, capsys):
    assert search.with_winner(profile, store) is profile
    assert "settings of the profile; no search has left" in capsys.readouterr().out
    train = Trainer(tmp_path)
    study, winner = search_with(profile, train)
    found = search.with_winner(profile, store)
    assert found.improved_descriptor == search.best_settings(study) == search.read_winner(winner)
    assert replace(found, improved_descriptor=profile.improved_descriptor) == profile
    assert capsys.readouterr().out.splitlines()[-1].startswith("Improved descriptor: settings of")
    assert found.improved_descriptor.epochs == BASE.epochs == 2 * train.settings[0].epochs
    assert found.improved_descriptor.name == "improved-descriptor"


def test_a_profile_searches_on_few_points_of_each_scene(profile, search_with, store, tmp_path):
    stores = []

    class Looks(Trainer):
        def __call__(self, settings, store, denoiser_run, on_validation):
            stores.append(store)
            return super().__call__(settings, store, denoiser_run, on_validation)

    search_with(profile, Looks(tmp_path))
    assert {one.lengths("train")["v_a"] for one in stores} == {4}


def test_a_profile_that_wants_more_trials_goes_on_with_its_search(profile, search_with, tmp_path):
    train = Trainer(tmp_path)
    study, winner = search_with(profile, train)
    more = replace(profile, search=replace(profile.search, trials=8))
    study, again = search_with(more, train)
    assert again == winner and len(train.settings) == finished(study) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"seed": 2},
        {"search": {"budget": 1.0}},
        {"search": {"points_per_scene": None}},
        {"search": {"space": RATES}},
        {"improved_descriptor": {"batch": 16}},
        {"improved_descriptor": {"joining": "frozen"}},
    ],
    ids=str,
)
def test_the_winner_of_another_search_is_not_found(profile, search_with, store, tmp_path, change):
    search_with(profile, Trainer(tmp_path))
    nested = {
        name: replace(getattr(profile, name), **value) if isinstance(value, dict) else value
        for name, value in change.items()
    }
    other = replace(profile, **nested)
    assert search.with_winner(other, store) is other


def test_the_winner_on_other_data_or_behind_another_denoiser_is_not_found(profile, store):
    fewer = search.with_fewer_points(store, 3)
    assert search.winner_path(profile, store) != search.winner_path(profile, fewer)
    frozen = replace(profile, improved_descriptor=replace(BASE, joining="frozen"))
    other = replace(frozen, improved_denoiser=replace(frozen.improved_denoiser, batch=16))
    assert search.winner_path(frozen, store) != search.winner_path(other, store)
    without = replace(profile, improved_denoiser=other.improved_denoiser)  # joined "direct"
    assert search.winner_path(profile, store) == search.winner_path(without, store)


def test_trial_0_must_be_the_profiles_own_settings(profile, search_with, tmp_path):
    for options in ({}, {"level_weights": [3, 2, 1]}):
        base = replace(profile.improved_descriptor, loss_options=options)
        with pytest.raises(InputError, match=r"has no value of loss_options\.level_weights that"):
            search_with(replace(profile, improved_descriptor=base), Trainer(tmp_path))
    assert not (tmp_path / "runs").exists()


def test_the_storage_of_a_profiles_search_can_be_chosen(profile, search_with, tmp_path):
    storage = f"journal:{tmp_path / 'shared'}"
    study, winner = search_with(profile, Trainer(tmp_path), storage=storage)
    assert finished(search.open_study(winner.stem, storage)) == finished(study) == 6
    assert [path.name for path in winner.parent.iterdir()] == [winner.name]


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_can_begin_its_search(name):
    base, plan = PROFILES[name].improved_descriptor, PROFILES[name].search
    space.check_space(plan.space, base)
    trials.check_measure(plan.measure, plan.space, base)
    assert set(space.values_inside(plan.space, base)) == set(plan.space)


# --- With real trainings


def test_real_trainings_are_searched_given_up_and_loaded(tiny_store, tmp_path, monkeypatch):
    from helpers import training
    from helpers.training import runs

    def look(name, rate):
        space = {"learning_rate": ("choice", [rate])}
        return search.search(name, base, space, tiny_store, 1, storage, budget=0.5)

    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    base = replace(SMOKE.improved_denoiser, batch=16, epochs=1, redraw=False)
    storage = f"journal:{tmp_path / 'journal'}"
    trained, given_up = look("good", base.learning_rate), look("hopeless", 1e30)
    assert search.trials_table(trained)["state"].tolist() == ["complete"]
    assert search.trials_table(given_up)["state"].tolist() == ["pruned"]

    run = runs.find_run(replace(base, approach="search", epochs=0.5, patience=0), tiny_store)
    assert [path for path in paths.RUNS.iterdir() if path.is_dir()] == [run]  # no .unfinished
    assert trained.best_value == files.read_json(run / "outcome.json")["kept_validation_loss"]
    assert set(trained.trials[0].intermediate_values) == {1, 2}

    monkeypatch.setattr(training, "_train_in", lambda *_: pytest.fail("trained again"))
    assert look("again", base.learning_rate).best_value == trained.best_value


def test_data_that_fit_no_settings_end_the_search(tiny_store, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    base = replace(SMOKE.improved_descriptor, batch=4096)
    storage = f"journal:{tmp_path / 'journal'}"
    with pytest.raises(InputError, match="less than one batch"):
        search.search("large", base, RATES, tiny_store, 2, storage)
    assert finished(search.open_study("large", storage)) == 0


def test_the_validation_error_is_that_of_the_validation_scenes(tiny_store, tmp_path, monkeypatch):
    from helpers import benchmark, training
    from helpers.evaluation import scoring
    from helpers.networks import pipeline
    from helpers.training import runs

    run, pairs = tmp_path / "run", 200
    settings = replace(SMOKE.improved_descriptor, joining="direct")
    files.write_json(run / "settings.json", runs.describe_run(settings, tiny_store))
    training.make_network(settings).save(run / "model.keras")
    monkeypatch.setattr(trials, "PAIRS", pairs)
    descriptors = pipeline.describe(runs.load_network(run), tiny_store, ("i_1", "v_1"))
    tasks = scoring.make_tasks(tiny_store, pairs, part="validation")
    scores = benchmark.evaluate(descriptors, tasks)
    assert scores.R is None  # 24 points fill no pool
    error = trials.validation_error(run, tiny_store)
    assert error == pytest.approx(1 - (scores.V + scores.M) / 2)

    monkeypatch.setattr(benchmark, "evaluate", partial(benchmark.evaluate, pools=(10,)))
    error = 1 - benchmark.evaluate(descriptors, tasks).S
    assert trials.validation_error(run, tiny_store) == pytest.approx(error)
    assert 0 < error < 1


@pytest.mark.parametrize(
    "space",
    [[1], 5, {"learning_rate": 5}, {"learning_rate": {"a": 1}}, {"learning_rate": [["log"]]}],
)
def test_a_space_of_another_form_is_refused(space):
    with pytest.raises(InputError, match=r"write|give it as"):
        search.check_space(space, SMOKE.improved_descriptor)


def test_a_database_without_its_driver_is_refused():
    with pytest.raises(InputError, match=r"storage mysql\+nosuchdriver.* cannot be opened"):
        studies.open_study("name", "mysql+nosuchdriver://host/db")
