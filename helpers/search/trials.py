"""One trial: from its settings to a finished run and the number it is judged by."""

import logging
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import optuna

from helpers.common import files
from helpers.common.errors import InputError, UntrainableError
from helpers.search.space import Space, suggest
from helpers.settings import TrainingSettings

if TYPE_CHECKING:
    from helpers.dataset.store import PatchStore

PAIRS = 100_000  # of each kind, for verification
APPROACH = "search"  # so that the folders of trials are told from those of approaches


def run_trial(
    space: Space,
    base: TrainingSettings,
    budget: float,
    measure: str,
    train: Callable[..., Path],
    store: "PatchStore",
    denoiser_run: Path | None,
    trial: optuna.Trial,
) -> float:
    """Trains the settings of a trial, and measures the run; lower is better.

    Args: as in `search`.

    Raises:
        TrialPruned: the training was given up.
    """
    settings = suggest(trial, space, base)
    settings = replace(settings, approach=APPROACH, epochs=settings.epochs * budget)
    if "patience" not in space:  # so short a training may look stuck before it gets going
        settings = replace(settings, patience=0)
    report = reporter(trial, settings.validations)
    folder = train(settings, store, denoiser_run, on_validation=report)
    trial.set_user_attr("run", folder.name)
    return MEASURES[measure](folder, store)


def reporter(trial: optuna.Trial, validations: int) -> Callable[[list[float]], None]:
    """A function that hands on validation losses, and ends a training that looks hopeless.

    Args:
        validations: how many there will be; after the last one there is nothing to give up.

    Returns:
        A function of all validation losses so far; the first is from before any training and says
        nothing about it.
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


def train_or_give_up(
    settings: TrainingSettings, store: "PatchStore", denoiser_run: Path | None, on_validation
) -> Path:
    """Trains a run, or finds it; a training that was given up leaves nothing behind.

    Raises:
        TrialPruned: `on_validation` raised it, the loss became NaN or the batch is too large.
        InputError: something else is wrong, such as a full disk; what was trained stays.
    """
    from helpers import training  # only here: the rest of a search needs no Keras
    from helpers.training import runs

    # TensorFlow warns of each further network that one process trains.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    folder = runs.run_folder(settings, store, denoiser_run)
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    try:
        return training.train(settings, store, denoiser_run, on_validation=on_validation)
    except (optuna.TrialPruned, UntrainableError) as error:
        with files.locked(folder.with_name(f".{folder.name}.lock")):
            shutil.rmtree(unfinished, ignore_errors=True)
        raise optuna.TrialPruned(str(error)) from error


def validation_loss(run: Path, store: "PatchStore") -> float:
    """The validation loss of the weights that a run has kept."""
    return files.read_json(run / "outcome.json")["kept_validation_loss"]


def validation_error(run: Path, store: "PatchStore") -> float:
    """1 - S of the benchmark on the validation scenes, in [0, 1].

    Where these have too few points to fill a pool of retrieval, 1 - the mean of V and M: so it is
    for all trials on the same data.
    """
    from helpers import benchmark
    from helpers.evaluation import scoring
    from helpers.evaluation.scoring import describe
    from helpers.training import runs

    descriptors = describe(runs.load_pipeline(run), store, store.parts["validation"])
    tasks = scoring.make_tasks(store, PAIRS, part="validation")
    scores = benchmark.evaluate(descriptors, tasks)
    found = [score for score in (scores.V, scores.M, scores.R) if score is not None]
    return 1 - sum(found) / len(found)


MEASURES = {"validation_loss": validation_loss, "validation_error": validation_error}


def check_measure(measure: str, space: Space, base: TrainingSettings) -> None:
    """Checks that a measure can compare all runs of a search.

    Raises:
        InputError: it is unknown, or would compare what cannot be compared.
    """
    if measure not in MEASURES:
        raise InputError(f"There is no measure {measure!r}: use {' or '.join(MEASURES)}.")
    if measure == "validation_error" and base.role != "descriptor":
        raise InputError(f"A {base.role} cannot be scored by itself: use validation_loss.")
    searched = {name.partition(".")[0] for name in space}
    if measure == "validation_loss" and (found := searched & _meanings_of_loss(base)):
        raise InputError(
            f"Validation losses for different {', '.join(sorted(found))} mean different things: "
            "leave that out of the space, or for descriptors take validation_error as the measure."
        )


def _meanings_of_loss(base: TrainingSettings) -> set[str]:
    """Settings that change what the validation loss is, not only how low it gets."""
    meanings = {"loss", "loss_options", "batches", "batch_options", "validation_batches"}
    meanings |= {"reconstruction", "distillation"}
    # The hardest negative of a larger batch is harder.
    return meanings | {"batch"} if base.batches == "Views" else meanings
