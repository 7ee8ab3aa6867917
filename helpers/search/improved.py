"""The search for the settings of a profile's improved descriptor, and what comes of it.

Its study and winner lie in `runs/search/`, under a name that ends in a hash of all that decides
the search: so the winner of another space, dataset or profile is never found.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import optuna

from helpers.common import files, paths
from helpers.common.errors import InputError
from helpers.common.keys import key
from helpers.dataset.store import with_fewer_points
from helpers.search.searching import search
from helpers.search.space import Space, values_inside
from helpers.search.studies import describe_search
from helpers.search.winner import read_winner, verdict, write_winner
from helpers.settings import Profile, TrainingSettings

if TYPE_CHECKING:
    from helpers.dataset.store import PatchStore


def search_improved(
    profile: Profile,
    store: "PatchStore",
    denoiser_run: Path | None = None,
    storage: str | None = None,
) -> tuple[optuna.Study, Path]:
    """Searches as `profile.search` says, with any other workers, and writes the winner's settings.

    Args:
        store: the profile's whole dataset; the search takes `points_per_scene` of it.
        denoiser_run: of the denoiser in front, unless the descriptor is joined "direct".
        storage: None for a file in `runs/search/`, which all workers on this machine share; else
            as in `search`.

    Returns:
        The study, and the path of the winner's file.

    Raises:
        InputError: as `search`; the profile's own settings are not inside the space, so that no
            trial could tell whether the winner is better; or no trial was trained to its end.
    """
    base, plan = profile.improved_descriptor, profile.search
    _require_inside(plan.space, base)
    winner = winner_path(profile, store)
    # A path may hold what means something else in an address, such as ? and %.
    storage = storage or f"sqlite:///{quote(str(winner.with_suffix('.db')))}"
    study = search(
        winner.stem,
        base,
        plan.space,
        with_fewer_points(store, plan.points_per_scene),
        plan.trials,
        storage,
        denoiser_run,
        seed=profile.seed,
        budget=plan.budget,
        measure=plan.measure,
    )
    write_winner(winner, study, storage)
    return study, winner


def with_winner(profile: Profile, store: "PatchStore") -> Profile:
    """The profile with the settings that its search found for this dataset, and says so.

    Args:
        store: the profile's whole dataset.

    Returns:
        The profile as it is if that search has not been made.

    Raises:
        InputError: the winner's file is damaged.
    """
    path = winner_path(profile, store)
    if not path.is_file():
        print(f"Improved descriptor: settings of the profile; no search has left {path}.")
        return profile
    found = read_winner(path)
    print(f"Improved descriptor: settings of the search; {verdict(files.read_json(path))}")
    return replace(profile, improved_descriptor=found)


def winner_path(profile: Profile, store: "PatchStore") -> Path:
    """Where the winner of a profile's search on a dataset is kept.

    Args:
        profile: as it is in `settings`, not as `with_winner` returns it: what a search begins with
            is part of its name.
        store: the profile's whole dataset.
    """
    base = profile.improved_descriptor
    plan = asdict(profile.search)
    del plan["trials"]  # more of them go on with the same search
    decisive = {
        **describe_search(profile.search.space, base, store, None),
        "denoiser": None if base.joining == "direct" else asdict(profile.improved_denoiser),
        "search": plan,
        "seed": profile.seed,
    }
    return paths.RUNS / "search" / f"{profile.name}-{key(decisive, 10)}.json"


def _require_inside(space: Space, base: TrainingSettings) -> None:
    if outside := set(space) - set(values_inside(space, base)):
        raise InputError(
            f"improved_descriptor has no value of {', '.join(sorted(outside))} that the search "
            "space allows: give it one (a function's default does not count), or widen the space."
        )
