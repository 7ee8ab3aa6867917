"""Batches that look like the test: several points of the same scene, all told apart."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.sparse.csgraph import connected_components

from helpers.training.batches import BATCHES, Views


@dataclass(frozen=True)
class SceneViews(Views):
    """`Views` of few scenes at a time, as matching has points of one scene only.

    He et al., DOAP, CVPR 2018, do so with two scenes, and leave out negatives that look alike.

    Args:
        scenes: places of a batch; each is filled with batch / scenes points of one scene.
        alike: points whose clean `ref` patches correlate by more are not told apart; 1: all are.
    """

    scenes: Annotated[int, Field(ge=1)] = 4
    alike: Annotated[float, Field(ge=0, le=1)] = 1.0

    @property
    def per_epoch(self) -> int:
        return len(self._groups(0)) // self.scenes

    def shuffled(self, step: int) -> np.ndarray:
        epoch, index = divmod(step, self.per_epoch)
        return self._groups(epoch)[index * self.scenes : (index + 1) * self.scenes].ravel()

    def _groups(self, epoch: int) -> np.ndarray:
        lengths = tuple(self.store.lengths(self.part).values())
        return _groups(lengths, self.batch // self.scenes, self.seed, epoch)

    def __call__(self, step: int) -> tuple:
        views, point = super().__call__(step)
        if self.alike < 1:
            point = point[one_for_all(self._clean(point), self.alike)]
        return views, point

    def _clean(self, point: np.ndarray) -> np.ndarray:
        return self.store.clean[self.store.rows(self.part)[point], 0]


@lru_cache(maxsize=4)
def _groups(lengths: tuple[int, ...], size: int, seed: int, epoch: int) -> np.ndarray:
    """Points in groups of one scene each, in random order: (groups, size); the rest is left out."""
    rng, start, groups = np.random.default_rng((seed, 1, epoch)), 0, []
    for length in lengths:
        points = start + rng.permutation(length)
        groups.append(points[: length // size * size].reshape(-1, size))
        start += length
    return rng.permutation(np.concatenate(groups))


def one_for_all(patches: np.ndarray, alike: float) -> np.ndarray:
    """For each patch the first of those that look like it, directly or by way of others.

    Args:
        patches: (B, rows, columns).
        alike: correlation above which two patches look alike.

    Returns:
        (B,) indices into `patches`.
    """
    flat = patches.reshape(len(patches), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6
    _, group = connected_components(flat @ flat.T > alike, directed=False)
    _, first = np.unique(group, return_index=True)
    return first[group]


BATCHES["SceneViews"] = SceneViews
