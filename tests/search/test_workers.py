"""Workers: no trial is lost and none is done twice, whoever is killed."""

import collections
import subprocess
import sys
import threading
import time

import optuna
import pytest
import sqlalchemy

from helpers import search
from helpers.common import paths
from helpers.search import studies, trials
from tests.search.conftest import finished

WORKER = """
import os, sys, time
from dataclasses import dataclass
from pathlib import Path

from helpers.common import files
from helpers.search import Objective, search
from helpers.settings import SMOKE

folder, storage, hangs = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "hangs"
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
    if hangs and len(calls) == 2:
        (folder / "hangs").touch()
        print("in the middle", flush=True)
        time.sleep(600)
    while not hangs and not (folder / "hangs").exists():
        time.sleep(0.05)  # else it might be done before the one to be killed has begun
    run = folder / f"run-{rate}"
    files.write_json(run / "outcome.json", {"kept_validation_loss": settings.learning_rate})
    note("trained", rate, os.getpid())
    return run

space = {"learning_rate": ("log", 1e-4, 1e-1)}
search("rates", Objective(SMOKE.improved_descriptor, space, Store(), train=train), 8, storage,
       sign_seconds=0.5)
"""


@pytest.mark.kill
@pytest.mark.parametrize("others", [1, pytest.param(2, marks=pytest.mark.deep)])
def test_workers_one_of_them_killed_finish_each_trial_once(tmp_path, storage, others):

    def start(how):
        command = [sys.executable, "-c", WORKER, str(tmp_path), storage, how]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=paths.ROOT)

    working, killed = [start("works") for _ in range(others)], start("hangs")
    while "in the middle" not in (line := killed.stdout.readline()):
        assert line, "the worker to be killed ended by itself"
    killed.kill()
    killed.wait()
    killed.stdout.close()
    for worker in working:
        worker.communicate(timeout=120)
        assert worker.returncode == 0

    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    began = collections.Counter(rate for what, rate, _ in lines if what == "began")
    trained = collections.Counter(rate for what, rate, _ in lines if what == "trained")
    table = search.trials_table(studies.begin_study("rates", storage, {}))
    assert table["state"].tolist() == ["complete"] * 8
    assert trained == collections.Counter(map(repr, table["learning_rate"]))
    assert set(trained.values()) == {1}
    [left] = [rate for what, rate, pid in lines if int(pid) == killed.pid and what == "began"][1:]
    assert began == trained + collections.Counter([left])
    assert sorted(table["attempts"]) == [1] * 7 + [2]


def test_an_error_ends_the_worker_and_the_trial_is_made_again(look, make_trainer):
    def act(number, on_validation):
        if number == 1:
            raise KeyboardInterrupt

    train = make_trainer(act)
    with pytest.raises(KeyboardInterrupt):
        look(train, 3)
    study = look(train, 3)
    assert train.rates[1] == train.rates[2] and len(set(train.rates)) == 3
    assert search.trials_table(study)["attempts"].tolist() == [1, 2, 1]
    assert finished(study) == 3


def test_a_worker_killed_before_it_chose_its_settings_leaves_the_same_ones(look, make_trainer):
    other, train = make_trainer(), make_trainer()
    look(other, 3, name="other")
    study = look(train, 1)
    study.ask()
    study.tell(1, state=optuna.trial.TrialState.FAIL)
    look(train, 2)
    assert train.rates == other.rates[:2]


def test_a_new_worker_tells_of_a_killed_ones_trial_before_it_asks_for_one(look, make_trainer):
    look(make_trainer(), 1).ask()  # the last trial, of a worker that is killed at once
    study = look(make_trainer(), 2)
    assert finished(study) == 2
    assert search.trials_table(study)["attempts"].tolist() == [1, 2]


def test_a_worker_taken_for_dead_leaves_its_trial_to_another(look, make_trainer, storage):
    def act(number, on_validation):
        if number == 1:
            studies.begin_study("rates", storage, {}).tell(1, state=optuna.trial.TrialState.FAIL)
            on_validation([3.0, 2.0])

    train = make_trainer(act)
    study = look(train, 3)
    assert train.rates[1] == train.rates[2] and finished(study) == 3
    assert [t.state.name for t in study.trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]


def test_a_trial_begun_after_the_last_one_is_surplus(look, make_trainer):
    study = look(make_trainer(), 3)
    trials._make_attempt(study, lambda trial: pytest.fail("was trained"), 3, 0.01)
    assert finished(study) == len(trials.slots_of(study)) == 3
    assert finished(look(make_trainer(), 4)) == 4


def test_of_two_repetitions_only_one_is_made(look, make_trainer):
    study, made = look(make_trainer(), 2), []
    study.ask()
    study.tell(2, state=optuna.trial.TrialState.FAIL)
    for _ in range(2):
        study.enqueue_trial({"learning_rate": 0.05}, user_attrs={"repeats": 2})
    trials.work(study, lambda trial: made.append(trial.number) or 1.0, 3, 0.01)
    trials._make_attempt(study, lambda trial: pytest.fail("was made twice"), 3, 0.01)
    assert made == [3] and finished(study) == 3


def test_silence_is_measured_from_the_last_sign_that_was_seen(monkeypatch):
    seen, now = {}, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def is_silent(at, sign):
        now[0] = at
        return trials.is_silent(optuna.create_trial(value=1.0, user_attrs=sign), seen, 10)

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


def test_no_waiting_trial_is_taken_twice(storage):
    study = studies.begin_study("queue", storage, {})
    for number in range(20):
        study.enqueue_trial({"number": number})
    taken, start = [], threading.Barrier(3)

    def take():
        mine = studies.begin_study("queue", storage, {})
        start.wait()
        while (number := mine.ask().number) < 20:
            taken.append(number)

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(20))
