"""From the parameters of a notebook, which are the command line's options, to profile and data."""

from helpers import settings
from helpers.common import paths
from helpers.dataset import Choice, find_source
from helpers.dataset.building import open_store
from helpers.dataset.parts import require
from helpers.dataset.store import PatchStore, Source, with_fewer_points

LIMITED = ("train", "validation")  # by a profile's points; test scenes are scored whole


def open_data(
    profile: str,
    dataset: str = "photographs",
    split: str | None = None,
    scenes: str | None = None,
    winner: bool = False,
    *,
    needs: str | None = None,
    whole: bool = False,
    say: bool = True,
) -> tuple[settings.Profile, PatchStore]:
    """A profile and the dataset in its size, which is built on first use.

    Args:
        profile: its name; dataset, split, scenes: see `dataset.open_dataset`.
        winner: take the settings that the profile's search has found for this dataset, if any.
        needs: what each part must have scenes enough for, as `parts.LEAST` names it: "train", say.
        whole: all points of training and validation scenes, too, whatever the profile.
        say: print the store's notes: what was left out or limited, and what looks wrong.

    Raises:
        InputError: the profile is unknown, something in the dataset cannot be used, or a part has
            too few scenes.
    """
    found, source = settings.profile(profile), find_data(profile, dataset, split, scenes)
    if needs:
        require(source, needs)  # before anything is built
    store = open_store(source, paths.DATA)
    store = store if whole else with_fewer_points(store, found.points_per_scene, LIMITED)
    if say and store.notes:
        print(*store.notes, sep="\n")
    if winner:
        from helpers.search import with_winner  # imports Keras, which takes seconds

        found = with_winner(found, store)
    return found, store


def find_data(
    profile: str, dataset: str, split: str | None = None, scenes: str | None = None
) -> Source:
    """The source of a dataset, of which nothing is built yet.

    It has all points, whatever the profile, unless that limits the test scenes, too.
    """
    size = settings.profile(profile)
    stored = size.points_per_scene if size.limits_test else None
    return find_source(dataset, Choice(split, scenes, stored, size.seed))
