"""Datasets: from photographs, image sequences or strips of patches to one PatchStore."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from helpers.common import paths
from helpers.common.errors import InputError
from helpers.dataset.building import open_store
from helpers.dataset.parts import OWN_SPLIT, Choice, check_names, split_name
from helpers.dataset.sources.joined import Joined, split_names
from helpers.dataset.sources.photographs import Photographs
from helpers.dataset.sources.sequences import Sequences
from helpers.dataset.sources.strips import SIDES, Strips, write_strips
from helpers.dataset.store import PatchStore, Source, with_fewer_points

__all__ = [
    "Choice",
    "PatchStore",
    "find_source",
    "open_dataset",
    "with_fewer_points",
    "write_strips",
]


def open_dataset(
    source: str = "photographs",
    folder: Path | str | None = None,
    seed: int = 0,
    points_per_scene: int | None = None,
    split: str | None = None,
    scenes: str | Sequence[str] | None = None,
    keep65: bool = True,
) -> PatchStore:
    """Opens a dataset, building its store on first use: once for all splits.

    Args:
        source: one of these, or several joined by +, where PATH is a folder or zip file:
            "photographs": those inside scikit-image and scikit-learn;
            "n-hpatches:PATH": 32 px strips with noisy twins;
            "hpatches:PATH": 65 px strips, noise added by the recipe;
            "sequences:PATH": images 1..6 and H_1_2..H_1_6, cut here;
            "hpatches-32:PATH", "sequences-32:PATH": the same without their 65 px patches.
        folder: where the stores are kept; None for `paths.DATA`.
        seed: of homographies, lighting, jitter and noise, where the source needs them made.
        points_per_scene: at most, None for the usual number; `with_fewer_points` is cheaper.
        split: a, b, c, illum, view, full or the path of a JSON file, see parts.choose_parts; None
            for the dataset's own split.json, else a. The photographs have a split of their own.
        scenes: only these scenes, as a list or as "v_boat, i_leuven"; all where None.
        keep65: keep clean 65 px patches where the source has them (three times the disk space), so
            that noise can be drawn anew while training.

    Raises:
        InputError: the source is unknown or something in it cannot be used.
    """
    choice = Choice(split, scenes, points_per_scene, seed, keep65)
    return open_store(find_source(source, choice), folder or paths.DATA)


def find_source(source: str, choice: Choice) -> Source:
    """Makes the source that a name stands for; see `open_dataset`."""
    found = _find(source, choice)
    check_names(found.choosable, choice.split, choice.scenes)
    return found


def _find(source: str, choice: Choice) -> Source:
    if len(names := split_names(source)) > 1:
        own = {"photographs": replace(choice, split=None, scenes=None)}  # a split is the others'
        sources = [_find(name, own.get(name, choice)) for name in names]
        return Joined(sources, split_name(choice.split or OWN_SPLIT, choice.scenes))
    kind, _, place = source.partition(":")
    if source == "photographs":
        if choice.split or choice.scenes:
            raise InputError("The photographs have one fixed split: leave split and scenes out.")
        return Photographs(choice.seed, choice.points_per_scene)
    if kind in ("hpatches-32", "sequences-32"):
        kind, choice = kind.removesuffix("-32"), replace(choice, keep65=False)
    if place and kind == "sequences":
        return Sequences(place, choice)
    if place and kind in SIDES:
        return Strips(kind, place, choice)
    raise InputError(
        f"{source!r} is no dataset: use photographs, n-hpatches:PATH, hpatches[-32]:PATH, "
        "sequences[-32]:PATH, or several joined by +."
    )
