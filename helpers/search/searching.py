"""A search: any number of workers make the trials of one study."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import optuna

from helpers.common.errors import InputError
from helpers.search.sampling import Sampler, pruner
from helpers.search.space import Space, check_space, values_inside
from helpers.search.studies import begin_study, describe_search
from helpers.search.trials import check_measure, run_trial, train_or_give_up
from helpers.search.workers import work
from helpers.settings import TrainingSettings

if TYPE_CHECKING:  # loads far more than a search needs
    from helpers.dataset.store import PatchStore

SIGN_SECONDS = 30.0  # between two signs of life of a worker


def search(
    name: str,
    base: TrainingSettings,
    space: Space,
    store: "PatchStore",
    trials: int,
    storage: str,
    denoiser_run: Path | None = None,
    seed: int = 1,
    budget: float = 1.0,
    measure: str = "validation_loss",
    train: Callable[..., Path] = train_or_give_up,
    sign_seconds: float = SIGN_SECONDS,
) -> optuna.Study:
    """Works on a search until all its trials are finished, together with any other workers.

    A trial is finished when its run is trained and measured, or given up: worse half-way than the
    median of the trials before it, a loss that became NaN, a batch too large for the device.

    Args:
        name: of the study. A second search of that name goes on with it.
        base: settings that the space changes; trial 0 has them as they are where the space allows.
        space: see `helpers.search.space`.
        store: patches; only its "train" and "validation" parts are looked at.
        trials: how many finished trials there shall be in all. More than before continues.
        storage: shared by all workers: "sqlite:///FILE" on one machine, "journal:FILE" for machines
            with a common folder, or the URL of a database ("postgresql://...").
        denoiser_run: for a descriptor: the run folder of the denoiser in front of it.
        seed: of the choice of settings, >= 0; the training has its own, in `base`.
        budget: part of the epochs of `base` that trials are trained for, in (0, 1].
        measure: "validation_loss", or for descriptors "validation_error", 1 - S of the benchmark on
            validation scenes, which compares runs of different losses and batches too, but gives no
            trial up half-way.
        train: (settings, store, denoiser_run, on_validation) -> run folder.
        sign_seconds: between two signs of life. An attempt that misses six is made again.

    Returns:
        The study, with at least `trials` finished trials.

    Raises:
        InputError: an argument cannot be used, or the study of that name is of another space, base,
            dataset, denoiser, budget, measure, seed or training code.
    """
    check_space(space, base)
    _check(trials, seed, budget)
    check_measure(measure, space, base)
    choices = {"budget": budget, "measure": measure, "seed": seed}
    study = begin_study(
        name,
        storage,
        describe_search(space, base, store, denoiser_run) | choices,
        sampler=Sampler(seed, values_inside(space, base)),
        pruner=pruner(base, measure),
    )
    space = study.user_attrs["description"]["space"]  # its choices in the order of all workers
    run = partial(run_trial, space, base, budget, measure, train, store, denoiser_run)
    work(study, trials, run, sign_seconds)
    return study


def _check(trials: int, seed: int, budget: float) -> None:
    if not (0 < budget <= 1 and trials >= 1 and seed >= 0):
        raise InputError(
            f"A search of {trials} trials with seed {seed} and budget {budget} cannot be: "
            "give at least 1 trial, a seed of 0 or more and a budget in (0, 1]."
        )
