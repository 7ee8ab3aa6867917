"""Trials: what one is, and how workers that share only a storage finish a number of them.

A trial may take several attempts, each of which the storage keeps and numbers. The numbers give all
workers the same order, from which each can tell without a lock what there is to do:

* the first attempts, up to the number of trials, are the trials;
* of several attempts at one trial the oldest that was not abandoned counts, others are surplus;
* an attempt that has given no sign of life for a while is abandoned; when all at a trial are, a new
  one with the same settings is put up for whoever asks next.

So no trial is lost and none is done twice, whenever a worker is killed.
"""

# Optuna's heartbeat, its retry callback and MaxTrialsCallback would break that promise. They lose
# a trial that was interrupted by Ctrl-C, or whose worker was killed before its first heartbeat, or
# while it put up the trial of another; the heartbeat ends for good when a database is once too
# busy; each worker begins one trial too many; and none waits to see whether the last ones are lost.

import itertools
import math
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from helpers import benchmark, training
from helpers.common import files
from helpers.common.errors import InputError, UntrainableError
from helpers.common.keys import code_key, deciding
from helpers.dataset.store import PatchStore
from helpers.evaluation import scoring
from helpers.search.space import Space, check_space, suggest
from helpers.search.studies import FAILURES
from helpers.settings import TrainingSettings
from helpers.training import runs
from helpers.training.registry import outside_sources

PAIRS = 100_000  # of each kind, for verification
APPROACH = "search"  # so that the folders of trials are told from those of approaches
MISSED_SIGNS = 6  # until a trial is given to another worker
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
# What changes the meaning of a validation loss, not only how low it gets; in batches of views the
# hardest negative of a larger batch is harder.
CHANGE_MEANING = {"loss", "loss_options", "batches", "batch_options", "validation_batches"}
CHANGE_MEANING |= {"assembly", "assembly_options", "batch"}

# --- one trial -----------------------------------------------------------------------------------


def train_or_give_up(
    settings: TrainingSettings, store: PatchStore, denoiser_run: Path | None, on_validation
) -> Path:
    """Trains a run, or finds it; a training that was given up leaves nothing behind.

    Raises:
        TrialPruned: `on_validation` raised it, the loss became NaN or the batch is too large.
    """
    folder = runs.run_folder(settings, store, denoiser_run)
    try:
        return training.train(settings, store, denoiser_run, on_validation=on_validation)
    except (optuna.TrialPruned, UntrainableError) as error:
        with files.locked(folder.with_name(f".{folder.name}.lock")):
            shutil.rmtree(runs.unfinished_folder(folder), ignore_errors=True)
        raise optuna.TrialPruned(str(error)) from error


@dataclass(frozen=True)
class Objective:
    """What a search makes small: called with a trial, it trains and measures a run.

    Of the measures "validation_error", 1 - S of the benchmark on validation scenes, is for
    descriptors; it compares runs of different losses and batches, too, but gives no trial up.
    """

    base: TrainingSettings  # what trial 0 has, as far as the space allows it
    space: Space  # see `helpers.search.space`
    store: PatchStore  # of which only the parts "train" and "validation" are looked at
    denoiser_run: Path | None = None  # the denoiser in front of a descriptor
    budget: float = 1.0  # share of the training of `base` that trials get, in (0, 1]
    measure: str = "validation_loss"
    train: Callable[..., Path] = train_or_give_up

    def __call__(self, trial: optuna.Trial) -> float:
        """The measure of the run with a trial's settings; TrialPruned if it was given up."""
        settings = suggest(trial, self.space, self.base)
        settings = replace(settings.shortened(self.budget), approach=APPROACH)
        if "patience" not in self.space:  # so short a training may look stuck before it gets going
            settings = replace(settings, patience=0)
        if self.measure == "validation_error":  # no validation loss decides, and each takes time
            settings = replace(settings, validations=2)
        report = _reporter(trial, settings.validations)
        folder = self.train(settings, self.store, self.denoiser_run, on_validation=report)
        trial.set_user_attr("run", folder.name)
        return MEASURES[self.measure](folder, self.store)

    def check(self) -> None:
        """Raises an InputError unless all trials can be made, and compared with one another."""
        check_space(self.space, self.base)
        if not 0 < self.budget <= 1:
            raise InputError(f"A budget of {self.budget} cannot be: give one in (0, 1].")
        changed = {name.partition(".")[0] for name in self.space} & CHANGE_MEANING
        if self.base.batches != "Views":
            changed -= {"batch"}
        if self.measure not in MEASURES:
            raise InputError(f"There is no measure {self.measure!r}: use {' or '.join(MEASURES)}.")
        if self.measure == "validation_error" and self.base.role != "descriptor":
            raise InputError(f"A {self.base.role} cannot be scored by itself: use validation_loss.")
        if self.measure == "validation_loss" and changed:
            raise InputError(
                f"Validation losses for different {', '.join(sorted(changed))} mean different "
                "things: leave that out of the space, or for descriptors take validation_error as "
                "the measure."
            )

    def describe(self) -> dict:
        """All that decides the result of a trial, as JSON-able values."""
        scored = scoring.SCORING_CODE if self.measure == "validation_error" else ()
        return {
            "space": self.space,
            "settings": deciding(self.base),
            "dataset": {"name": self.store.name, "fingerprint": self.store.fingerprint},
            "denoiser": self.denoiser_run.name if self.denoiser_run else None,
            "code": [code_key(*runs.TRAINING_CODE, *scored), *outside_sources(self.base)],
            "budget": self.budget,
            "measure": self.measure,
        }


def _reporter(trial: optuna.Trial, validations: int) -> Callable[[list[float]], None]:
    """A function that takes all validation losses so far, and ends a training that looks hopeless.

    The first loss, from before any training, says nothing; after the last none is given up.
    """
    known = 1

    def report(losses: list[float]) -> None:
        nonlocal known
        new = range(known, len(losses))  # several when an interrupted training goes on
        for step in new:
            if not math.isfinite(losses[step]):
                raise optuna.TrialPruned(f"The validation loss became {losses[step]}.")
            trial.report(losses[step], step)
        known = max(known, len(losses))
        if new and known <= validations and trial.should_prune():
            raise optuna.TrialPruned(f"Given up at validation {known - 1}: worse than the median.")

    return report


def validation_loss(run: Path, store: PatchStore) -> float:
    """The validation loss of the weights that a run has kept."""
    return files.read_json(run / "outcome.json")["kept_validation_loss"]


def validation_error(run: Path, store: PatchStore) -> float:
    """1 - S of the benchmark on the validation scenes, in [0, 1].

    Without R, and so for all trials, where these have too few points to fill a pool of retrieval.
    """
    descriptors = scoring.describe(runs.load_pipeline(run), store, store.parts["validation"])
    tasks = scoring.make_tasks(store, PAIRS, part="validation")
    scores = benchmark.evaluate(dict(descriptors), tasks)
    found = [score for score in (scores.V, scores.M, scores.R) if score is not None]
    return 1 - sum(found) / len(found)


MEASURES = {"validation_loss": validation_loss, "validation_error": validation_error}


# --- attempts ------------------------------------------------------------------------------------


def work(study: optuna.Study, objective: Callable, trials: int, sign_seconds: float) -> None:
    """Makes attempts until `trials` trials are finished, by this worker or by others.

    What the objective raises is raised here, but for `optuna.TrialPruned`, which finishes a trial.
    """
    seen = {}  # by the number of an attempt: its latest sign of life, and since when it is known
    while True:
        _take_over_silent(study, trials, seen, MISSED_SIGNS * sign_seconds)
        states = [attempt.state for attempt in counting(study, trials).values()]
        if len(states) < trials or TrialState.WAITING in states:
            _make_attempt(study, objective, trials, sign_seconds)
        elif all(state in FINISHED for state in states):
            return
        else:
            time.sleep(sign_seconds)  # others are at the last ones, and may yet be killed


def slots_of(study: optuna.Study, trials: int | None = None) -> dict[int, list[FrozenTrial]]:
    """All attempts at the first `trials` trials, oldest first, by the number of the first one."""
    slots = {}
    for attempt in study.get_trials(deepcopy=False):
        if "surplus" not in attempt.user_attrs:
            slots.setdefault(number_of(attempt), []).append(attempt)
    return dict(itertools.islice(slots.items(), trials))


def number_of(attempt: FrozenTrial) -> int:
    """The number of the trial that an attempt is made at."""
    return attempt.user_attrs.get("repeats", attempt.number)


def counting(study: optuna.Study, trials: int | None = None) -> dict[int, FrozenTrial]:
    """Of the attempts at each trial the oldest that was not abandoned; else the last one."""
    return {
        number: next((one for one in attempts if one.state != TrialState.FAIL), attempts[-1])
        for number, attempts in slots_of(study, trials).items()
    }


def _take_over_silent(study: optuna.Study, trials: int, seen: dict, seconds: float) -> None:
    """Abandons the attempts of silent workers, and puts up new ones where all are abandoned."""
    for attempt in itertools.chain(*slots_of(study, trials).values()):
        if attempt.state == TrialState.RUNNING and is_silent(attempt, seen, seconds):
            _tell(study, attempt.number, TrialState.FAIL)
    for number, attempts in slots_of(study, trials).items():
        if all(attempt.state == TrialState.FAIL for attempt in attempts):
            values = {name: value for one in attempts for name, value in one.params.items()}
            study.enqueue_trial(values, user_attrs={"repeats": number})


def is_silent(attempt: FrozenTrial, seen: dict, seconds: float) -> bool:
    """Whether it has given no new sign of life for so long; compares no clocks of two machines."""
    sign, now = attempt.user_attrs.get("sign"), time.monotonic()
    last, since = seen.get(attempt.number, (None, now))
    seen[attempt.number] = sign, since if sign == last else now
    return now - seen[attempt.number][1] > seconds


@contextmanager
def _signs_of_life(trial: optuna.Trial, seconds: float) -> Iterator[None]:
    """Counts up in the storage, from a second thread, as long as the block runs."""
    over = threading.Event()
    trial.set_user_attr("sign", 0)

    def count():
        for sign in itertools.count(1):
            if over.wait(seconds):
                return
            with suppress(UpdateFinishedTrialError, *FAILURES):
                trial.set_user_attr("sign", sign)

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _make_attempt(study: optuna.Study, objective: Callable, trials: int, seconds: float) -> None:
    """Takes the attempt that waits longest, or else begins a trial, and sees it through."""
    trial = study.ask()
    if trial.number not in {attempt.number for attempt in counting(study, trials).values()}:
        trial.set_user_attr("surplus", True)  # others were quicker
        _tell(study, trial.number, TrialState.FAIL)
        return
    state, loss = TrialState.FAIL, None  # after Ctrl-C, too: so others need not wait for signs
    with _signs_of_life(trial, seconds):
        try:
            loss = objective(trial)
            state = TrialState.COMPLETE
        except optuna.TrialPruned as error:
            print(f"  {error}")
            state = TrialState.PRUNED
        except UpdateFinishedTrialError:
            print("  This worker was silent for too long: another one has the trial now.")
        finally:
            _tell(study, trial.number, state, loss)
    states = [attempt.state for attempt in counting(study, trials).values()]
    words = "none trained to its end"
    if TrialState.COMPLETE in states:
        best = study.best_trial
        words = f"best {best.value:.5f}, trial {number_of(best)}: {best.params}"
    finished = sum(state in FINISHED for state in states)
    print(f"{study.study_name}: {finished} of {trials} trials finished; {words}.", flush=True)


def _tell(study: optuna.Study, number: int, state: TrialState, loss: float | None = None) -> None:
    with suppress(UpdateFinishedTrialError):  # another worker has told it first
        study.tell(number, loss, state, skip_if_finished=True)
