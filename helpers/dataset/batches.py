"""Batches of patches for training; batch number `step` is a pure function of (seed, step).

Nothing here keeps a position, so that a training run can be taken up again at any step. Patches
leave as float32 grey levels 0..255 with a last axis of one channel.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from helpers.dataset.noise import STRIP_SIGMA, add_noise, downsample
from helpers.dataset.store import PatchStore

REF = 0  # the strip that is neither jittered nor noisy


@dataclass(frozen=True)
class DenoisingPairs:
    """Noisy and clean twins: ((B, 32, 32, 1), (B, 32, 32, 1)).

    Each epoch visits every patch of the part once, `ref` patches included, because a denoiser
    must leave clean patches alone.

    Args:
        part: "train" or "validation".
        batch: patches a batch.
        redraw: draw the noise anew from the clean 65 px patches instead of using the stored twins.
        augment: flip and turn each pair by quarters at random.
    """

    store: PatchStore
    part: str
    batch: int
    seed: int
    redraw: bool = False
    augment: bool = False

    @property
    def per_epoch(self) -> int:
        """Batches an epoch; a last, incomplete one is left out."""
        return len(self.store.rows(self.part)) * 16 // self.batch

    def __call__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng((self.seed, step))
        chosen = _shuffled(len(self.store.rows(self.part)) * 16, self, step)
        rows, strips = self.store.rows(self.part)[chosen // 16], chosen % 16
        noisy = _noisy(self.store, rows, strips, rng if self.redraw else None)
        clean = self.store.clean[rows, strips]
        if self.augment:
            noisy, clean = _turn(rng, noisy, clean)
        return _as_input(noisy), _as_input(clean)


@dataclass(frozen=True)
class Triplets:
    """Anchor, positive and negative as the coursework draws them: ((B, 3, 32, 32, 1), (B,)).

    Anchor and positive are two different strips of one point, the negative any strip of any other
    point. The second array holds the numbers of the anchors' points.

    Args:
        count: triplets an epoch.
    """

    store: PatchStore
    part: str
    batch: int
    seed: int
    count: int

    @property
    def per_epoch(self) -> int:
        """Batches an epoch."""
        return self.count // self.batch

    def __call__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng((self.seed, step))
        rows = self.store.rows(self.part)
        point = rng.integers(len(rows), size=self.batch)
        other = (point + rng.integers(1, len(rows), size=self.batch)) % len(rows)
        first = rng.integers(16, size=self.batch)
        second = (first + rng.integers(1, 16, size=self.batch)) % 16
        strips = np.stack([first, second, rng.integers(16, size=self.batch)], axis=1)
        points = rows[np.stack([point, point, other], axis=1)]
        return _as_input(self.store.noisy[points, strips]), point.astype(np.int32)


@dataclass(frozen=True)
class Views:
    """Several views of each point: `ref` and one patch of each level, ((B, 4, 32, 32, 1), (B,)).

    So every further view forms with `ref` a pair as the benchmark draws them. Each epoch visits
    every point once; a batch holds many points of each sequence, so that negatives of the own
    sequence occur.

    Args:
        batch: points a batch.
        redraw, augment: as in `DenoisingPairs`; all views of a point are turned alike.
    """

    store: PatchStore
    part: str
    batch: int
    seed: int
    redraw: bool = False
    augment: bool = False

    @property
    def per_epoch(self) -> int:
        """Batches an epoch; a last, incomplete one is left out."""
        return len(self.store.rows(self.part)) // self.batch

    def __call__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng((self.seed, step))
        point = _shuffled(len(self.store.rows(self.part)), self, step)
        rows = self.store.rows(self.part)[point]
        of_levels = rng.integers(5, size=(self.batch, 3)) + np.array([1, 6, 11])
        strips = np.concatenate([np.full((self.batch, 1), REF), of_levels], axis=1)
        patches = _noisy(self.store, rows[:, None], strips, rng if self.redraw else None)
        if self.augment:
            (patches,) = _turn(rng, patches)
        return _as_input(patches), point.astype(np.int32)


def _shuffled(count: int, batches, step: int) -> np.ndarray:
    """The items of batch `step` when all `count` items are shuffled anew for each epoch."""
    epoch, index = divmod(step, batches.per_epoch)
    return _order(count, batches.seed, epoch)[index * batches.batch : (index + 1) * batches.batch]


@lru_cache(maxsize=4)  # an epoch of training and one of validation, and their followers
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, 0, epoch)).permutation(count)


def _noisy(store: PatchStore, rows, strips, rng: np.random.Generator | None) -> np.ndarray:
    """Stored noisy patches, or newly drawn ones if a generator is given."""
    if rng is None:
        return store.noisy[rows, strips]
    sigma = STRIP_SIGMA[strips][..., None, None]
    return downsample(add_noise(store.clean65[rows, strips], sigma, rng))


def _turn(rng: np.random.Generator, *stacks: np.ndarray) -> list[np.ndarray]:
    """The same random flip and quarter turn for the patches at the same first index of each stack.

    The eight symmetries of the square are cut into the batch by index, not drawn one by one:
    whole slices are views, which costs next to nothing.
    """
    turned = [np.empty_like(stack) for stack in stacks]
    symmetry = rng.integers(8, size=len(stacks[0]))
    for number in range(8):
        rows = np.flatnonzero(symmetry == number)
        for stack, target in zip(stacks, turned, strict=True):
            part = np.rot90(stack[rows], number % 4, axes=(-2, -1))
            target[rows] = part[..., ::-1] if number >= 4 else part
    return turned


def _as_input(patches: np.ndarray) -> np.ndarray:
    return patches[..., None].astype(np.float32)
