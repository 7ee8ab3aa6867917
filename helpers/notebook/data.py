"""From the parameters of a notebook, which are the command line's options, to profile and data."""

from helpers import settings
from helpers.common import paths
from helpers.dataset import Choice, find_source
from helpers.dataset.store import PatchStore, Source, open_store


def open_data(
    profile: str,
    dataset: str = "photographs",
    split: str | None = None,
    scenes: str | None = None,
    winner: bool = False,
) -> tuple[settings.Profile, PatchStore]:
    """A profile and the dataset in its size, which is built on first use.

    Args:
        profile: its name.
        dataset, split, scenes: see `source`, `split` and `scenes` of `dataset.open_dataset`.
        winner: take the settings that the profile's search has found for this dataset, if any.

    Raises:
        InputError: the profile is unknown, or something in the dataset cannot be used.
    """
    found = settings.profile(profile)
    store = open_store(find_data(profile, dataset, split, scenes), paths.DATA)
    if winner:
        from helpers.search import with_winner  # imports Keras, which takes seconds

        found = with_winner(found, store)
    return found, store


def find_data(
    profile: str, dataset: str, split: str | None = None, scenes: str | None = None
) -> Source:
    """The source of a dataset in the size of a profile, of which nothing is built yet."""
    size = settings.profile(profile)
    return find_source(dataset, Choice(split, scenes, size.points_per_scene, size.seed))
