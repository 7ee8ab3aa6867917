"""What the notebooks leave for each other beside figures: the search's winner, runs, scores."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from helpers import search, settings
from helpers.dataset.store import PatchStore
from helpers.training.runs import run_folder, upstream_run


def needed(profile: settings.Profile, store: PatchStore) -> Iterator[Path]:
    """Every file that a finished report stands on, and the place of each that is not there.

    Args:
        profile: as it is in `settings`, without a winner.

    Raises:
        InputError: the winner's file is damaged.
    """
    winner = search.winner_path(profile, store)
    yield from (winner, winner.with_suffix(".db"))
    if winner.is_file():
        profile = replace(profile, improved_descriptor=search.read_winner(winner))
    for approach in profile.approaches:
        denoiser, descriptor = profile.trainings(approach)
        in_front = run_folder(denoiser, store)
        for run in (in_front, run_folder(descriptor, store, upstream_run(descriptor, in_front))):
            yield from [run, *sorted(run.glob("[!.]*"))]
