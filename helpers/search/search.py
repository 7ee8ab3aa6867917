"""Searches: of any space, and of the profile for the settings of its improved descriptor."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import optuna

from helpers.common import paths
from helpers.common.errors import InputError
from helpers.common.keys import deciding, key
from helpers.dataset.store import PatchStore, with_fewer_points
from helpers.search.results import verdict, winner_file, write_winner
from helpers.search.space import Space, fitting, values_inside
from helpers.search.studies import begin_study, usable
from helpers.search.trials import Objective, number_of, work
from helpers.settings import Profile, TrainingSettings

SIGN_SECONDS = 30.0  # between two signs of life of a worker


def search(
    name: str,
    objective: Objective,
    trials: int,
    storage: str,
    seed: int = 1,
    sign_seconds: float = SIGN_SECONDS,
) -> optuna.Study:
    """Works on a search until all its trials are finished, together with any other workers.

    A trial is finished when its run is trained and measured, or given up: worse half-way than the
    median of the trials before it, a loss that became NaN, a batch too large for the device.

    Args:
        name: of the study. A second search of that name goes on with it.
        trials: how many finished trials there shall be in all, >= 1.
        storage: shared by all workers: "sqlite:///FILE" on one machine, for several the URL of a
            database ("postgresql://...").
        seed: of the choice of settings, >= 0; the training has its own, in the objective's `base`.
        sign_seconds: between two signs of life. An attempt that misses six is made again.

    Raises:
        InputError: an argument cannot be used, or the study of that name is of another search.
    """
    objective.check()
    if trials < 1 or seed < 0:
        raise InputError(
            f"A search of {trials} trials with seed {seed} cannot be: give at least 1 trial and a "
            "seed of 0 or more."
        )
    study = begin_study(
        name,
        storage,
        objective.describe() | {"seed": seed},
        sampler=Sampler(seed, values_inside(objective.space, objective.base)),
        pruner=pruner(objective.base, objective.measure),
    )
    space = study.user_attrs["description"]["space"]  # its choices in the order of all workers
    with usable(storage):
        work(study, replace(objective, space=space), trials, sign_seconds)
    return study


class Sampler(optuna.samplers.TPESampler):
    """Optuna's tree-structured Parzen estimator (Bergstra et al., NIPS 2011), seeded by trial.

    So what is tried depends on the seed and on the trials before, not on which worker asks or how
    often it was started. Trial 0 has the values `first`, of the base settings, as far as the space
    allows them, so that the winner is not worse than they are.
    """

    def __init__(self, seed: int, first: dict):
        super().__init__(seed=seed)  # a worker may tell of another's trial before it asks for one
        self.search_seed, self.first = seed, first

    def before_trial(self, study, trial):
        seed = np.random.SeedSequence([self.search_seed, number_of(trial)]).generate_state(1)
        super().__init__(seed=int(seed[0]))  # its random state is all that it remembers

    def sample_independent(self, study, trial, param_name, param_distribution):
        if number_of(trial) == 0 and param_name in self.first:
            return self.first[param_name]
        return super().sample_independent(study, trial, param_name, param_distribution)


def pruner(base: TrainingSettings, measure: str) -> optuna.pruners.BasePruner:
    """Gives a training up that is worse than the median of five others at the same validation.

    Not during the first quarter of the validations, and not where another measure than the loss
    counts, since a bad loss need not be a bad score.
    """
    if measure != "validation_loss":
        return optuna.pruners.NopPruner()
    first = base.validations // 4 + 1  # the earliest validation that may end a training
    return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=first)


# --- the search of a profile ---------------------------------------------------------------------


def search_improved(
    profile: Profile,
    store: PatchStore,
    denoiser_run: Path | None = None,
    storage: str | None = None,
    **options,
) -> tuple[optuna.Study, Path]:
    """Searches as `profile.search` says, with any other workers, and writes the winner's settings.

    Args:
        store: the profile's whole dataset; the search takes `points_per_scene` of it.
        denoiser_run: of the denoiser in front, unless the descriptor is joined "direct".
        storage: as in `search`; None for a file in `runs/search/`.
        options: others of `Objective`.

    Returns:
        The study, and the path of the winner's file.

    Raises:
        InputError: as `search`; the space does not allow the profile's own settings, so that no
            trial could tell whether the winner is better; or no trial was trained to its end.
    """
    wanted, space = profile.search, space_of(profile)
    smaller = with_fewer_points(store, wanted.points_per_scene)
    objective = replace(_objective(profile, smaller), denoiser_run=denoiser_run, **options)
    if dropped := set(wanted.space) - set(space):
        base = objective.base
        print(f"Not searched: {', '.join(sorted(dropped))}; {base.network} has no such option.")
    if outside := set(space) - set(values_inside(space, objective.base)):
        raise InputError(
            f"improved_descriptor has no value of {', '.join(sorted(outside))} that the search "
            "space allows: give it one (a function's default does not count), or widen the space."
        )
    winner = winner_path(profile, store)
    # A path may hold what means something else in an address: ? or %.
    storage = storage or f"sqlite:///{quote(str(winner.with_suffix('.db')))}"
    study = search(winner.stem, objective, wanted.trials, storage, profile.seed)
    write_winner(winner, study, storage)
    return study, winner


def with_winner(profile: Profile, store: PatchStore) -> Profile:
    """The profile with the settings that its search found for its whole dataset; prints which.

    If that search has not been made, the profile as it is. A damaged winner is an InputError.
    """
    path = winner_path(profile, store)
    if not path.is_file():
        print(f"Improved descriptor: settings of the profile; no search has left {path}.")
        return profile
    winner = winner_file(path)
    print(f"Improved descriptor: settings of the search; {verdict(winner)}")
    return replace(profile, improved_descriptor=TrainingSettings(**winner["settings"]))


def space_of(profile: Profile) -> Space:
    """What the profile's search varies: its space as far as the improved descriptor takes it."""
    return fitting(profile.search.space, profile.improved_descriptor)


def winner_path(profile: Profile, store: PatchStore) -> Path:
    """Where the winner of a profile's search on its whole dataset is kept, the study beside it.

    The name ends in a hash of all that decides the search (what it begins with, too: give the
    profile as it is in `settings`, not as `with_winner` returns it) but the number of trials, with
    more of which the same search goes on.
    """
    direct = profile.improved_descriptor.joining == "direct"
    decisive = _objective(profile, store).describe() | {
        "denoiser": None if direct else deciding(profile.improved_denoiser),
        "points per scene": profile.search.points_per_scene,
        "seed": profile.seed,
    }
    return paths.RUNS / "search" / f"{profile.name}-{key(decisive, 10)}.json"


def _objective(profile: Profile, store: PatchStore) -> Objective:
    wanted, space = profile.search, space_of(profile)
    base = profile.improved_descriptor
    return Objective(base, space, store, budget=wanted.budget, measure=wanted.measure)
