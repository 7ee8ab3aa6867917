"""Datasets: from photographs, image sequences or folders of strips to one PatchStore."""

from pathlib import Path

from helpers import paths
from helpers.dataset.photographs import POINTS_PER_SCENE, Photographs
from helpers.dataset.store import PatchStore, open_store
from helpers.errors import InputError

__all__ = ["PatchStore", "open_dataset"]


def open_dataset(
    source: str = "photographs",
    folder: Path | str = paths.DATA,
    seed: int = 0,
    points_per_scene: int | None = None,
) -> PatchStore:
    """Opens a dataset, building its store on first use.

    Args:
        source: "photographs" for the ones inside scikit-image and scikit-learn.
        folder: where the stores are kept.
        seed: of homographies, lighting, jitter and noise, where the source needs them made.
        points_per_scene: at most this many points of each scene; None for the usual number.

    Raises:
        InputError: the source is unknown or something in it cannot be used.
    """
    kind, _, place = source.partition(":")
    if kind == "photographs" and not place:
        return open_store(Photographs(seed, points_per_scene or POINTS_PER_SCENE), folder)
    raise InputError(f"{source!r} is no dataset: use photographs.")
