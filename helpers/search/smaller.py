"""A smaller dataset to search on: the same scenes and parts, fewer points of each."""

import copy
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.dataset.store import PatchStore


def with_fewer_points(store: "PatchStore", points_per_scene: int | None) -> "PatchStore":
    """A view of a store that shows the first points of each scene only.

    Nothing is built or copied. The photographs and the scenes that are cut here have their points
    in random order; strips keep theirs.

    Args:
        points_per_scene: at most so many; None for all.

    Returns:
        A store whose `sequences`, `rows` and `lengths` are shorter, with a fingerprint of its own;
        the one given if no scene has more points.
    """
    spans = store.sequences
    longest = max(span.stop - span.start for span in spans.values())
    if points_per_scene is None or points_per_scene >= longest:
        return store
    smaller = copy.copy(store)
    smaller.sequences = {
        name: slice(span.start, min(span.stop, span.start + points_per_scene))
        for name, span in spans.items()
    }
    decisive = f"{store.fingerprint}, {points_per_scene} points of each scene"
    smaller.fingerprint = hashlib.sha256(decisive.encode()).hexdigest()
    return smaller
