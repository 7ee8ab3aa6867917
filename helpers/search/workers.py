"""Workers: how processes that share nothing but a storage finish a number of trials between them.

A trial may take several attempts, each of which the storage keeps and numbers. The numbers give all
workers the same order, from which each can tell without a lock what there is to do:

* the first attempts, up to the number of trials, are the trials;
* of several attempts at one trial the oldest that was not abandoned counts, others are surplus;
* an attempt that has given no sign of life for a while is abandoned; when all at a trial are, a new
  one with the same settings is put up for whoever asks next.

So no trial is lost and none is done twice, whenever a worker is killed. Optuna can repeat trials
too, but only with a database, and loses one if a worker is killed between giving it up and putting
it up anew.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

MISSED_SIGNS = 6  # until a trial is given to another worker
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def work(
    study: optuna.Study,
    trials: int,
    run: Callable[[optuna.Trial], float],
    sign_seconds: float,
) -> None:
    """Makes attempts until `trials` trials are finished, by this worker or by others.

    Args:
        run: trains and measures a trial; what it raises is raised here, except for
            `optuna.TrialPruned`, which finishes the trial.
        sign_seconds: between two signs of life.
    """
    watch = Watch(MISSED_SIGNS * sign_seconds)
    while True:
        _abandon_silent(study, trials, watch)
        _repeat_abandoned(study, trials)
        slots = slots_of(study, trials)
        unfinished = [attempts for attempts in slots.values() if not is_finished(attempts)]
        waiting = any(a.state == TrialState.WAITING for attempts in unfinished for a in attempts)
        if len(slots) < trials or waiting:
            _make_attempt(study, trials, run, sign_seconds)
        elif unfinished:
            time.sleep(sign_seconds)  # others are at the last ones, and may yet be killed
        else:
            return


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


def is_finished(attempts: list[FrozenTrial]) -> bool:
    """Whether one of the attempts at a trial was seen through."""
    return any(attempt.state in FINISHED for attempt in attempts)


def counting(attempts: list[FrozenTrial]) -> FrozenTrial | None:
    """The attempt that counts: the oldest that was not abandoned."""
    return next((attempt for attempt in attempts if attempt.state != TrialState.FAIL), None)


def _abandon_silent(study: optuna.Study, trials: int, watch: "Watch") -> None:
    for attempt in itertools.chain(*slots_of(study, trials).values()):
        if attempt.state == TrialState.RUNNING and watch.is_silent(attempt):
            _tell(study, attempt.number, TrialState.FAIL)


def _repeat_abandoned(study: optuna.Study, trials: int) -> None:
    for number, attempts in slots_of(study, trials).items():
        if counting(attempts) is None:
            values = {name: value for a in attempts for name, value in a.params.items()}
            study.enqueue_trial(values, user_attrs={"repeats": number})


class Watch:
    """Notices attempts without signs of life; compares no clocks of different machines.

    Args:
        seconds: of silence until an attempt counts as abandoned.
    """

    def __init__(self, seconds: float):
        self.seconds, self.seen = seconds, {}

    def is_silent(self, attempt: FrozenTrial) -> bool:
        """Whether it has given no sign since it was first looked at, and that long ago."""
        sign, now = attempt.user_attrs.get("sign"), time.monotonic()
        last, since = self.seen.get(attempt.number, (None, now))
        since = since if sign == last else now
        self.seen[attempt.number] = sign, since
        return now - since > self.seconds


@contextmanager
def _signs_of_life(trial: optuna.Trial, seconds: float) -> Iterator[None]:
    """Counts up in the storage, from a second thread, as long as the block runs."""
    over = threading.Event()
    trial.set_user_attr("sign", 0)

    def count():
        for sign in itertools.count(1):
            if over.wait(seconds):
                return
            with suppress(UpdateFinishedTrialError, StorageInternalError, OSError):
                trial.set_user_attr("sign", sign)

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _make_attempt(study: optuna.Study, trials: int, run: Callable, sign_seconds: float) -> None:
    """Takes the attempt that waits longest, or else begins a trial, and sees it through."""
    trial = study.ask()
    if not _counts(study, trials, trial.number):  # others were quicker
        trial.set_user_attr("surplus", True)
        _tell(study, trial.number, TrialState.FAIL)
        return
    with _signs_of_life(trial, sign_seconds):
        try:
            loss = run(trial)
        except optuna.TrialPruned as error:
            print(f"  {error}")
            _tell(study, trial.number, TrialState.PRUNED)
        except UpdateFinishedTrialError:
            print("  This worker was silent for too long: another one has the trial now.")
        except BaseException:  # Ctrl-C, too: so others need not wait until they notice
            _tell(study, trial.number, TrialState.FAIL)
            raise
        else:
            _tell(study, trial.number, TrialState.COMPLETE, loss)
    _say(study, trials)


def _counts(study: optuna.Study, trials: int, number: int) -> bool:
    found = (counting(attempts) for attempts in slots_of(study, trials).values())
    return any(attempt is not None and attempt.number == number for attempt in found)


def _tell(study: optuna.Study, number: int, state: TrialState, loss: float | None = None) -> None:
    with suppress(UpdateFinishedTrialError):  # another worker has told it first
        study.tell(number, loss, state, skip_if_finished=True)


def _say(study: optuna.Study, trials: int) -> None:
    finished = sum(map(is_finished, slots_of(study, trials).values()))
    words = "none trained to its end"
    if study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        best = study.best_trial
        words = f"best {best.value:.5f}, trial {number_of(best)}: {best.params}"
    print(f"{study.study_name}: {finished} of {trials} trials finished; {words}.", flush=True)
