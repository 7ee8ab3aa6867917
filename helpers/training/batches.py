"""Batches of patches for training; batch number `step` is a pure function of (seed, step).

Nothing here keeps a position, so that a training run can be taken up again at any step. Patches
leave as float32 grey levels 0..255 with a last axis of one channel.
"""

import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import keras
import numpy as np

from helpers.benchmark.layout import IMAGES, LEVELS, STRIPS
from helpers.benchmark.workers import cores
from helpers.common.errors import InputError
from helpers.common.values import PerLevel
from helpers.dataset.noise import STRIP_SIGMA, add_noise, downsample
from helpers.dataset.store import PatchStore
from helpers.settings import TrainingSettings
from helpers.training.augmentation import turn
from helpers.training.registry import BATCHES, find

BATCHES_AHEAD = 4  # made while the network is busy with those before
THREADS = max(1, min(4, cores() - 1))  # a core is left to the network


@dataclass(frozen=True)
class Batches:
    """What all kinds of batches share; each is called with a step and gives inputs and targets."""

    store: PatchStore
    part: str  # "train" or "validation"
    batch: int  # patches, triplets or points, as each kind says
    seed: int
    redraw: bool = False  # noise from the clean 65 px patches instead of the stored twins
    augment: bool = False  # flips and quarter turns, all patches of an item alike

    @property
    def items(self) -> int:
        """How many items an epoch visits."""
        return len(self.store.rows(self.part))

    @property
    def per_epoch(self) -> int:
        """Batches an epoch; a last, incomplete one is left out."""
        return self.items // self.batch

    def rng(self, step: int) -> np.random.Generator:
        """The generator of all that is random in a batch but its items."""
        return np.random.default_rng((self.seed, step))

    def shuffled(self, step: int) -> np.ndarray:
        """The items of a batch, (B,); they are shuffled anew for each epoch."""
        epoch, index = divmod(step, self.per_epoch)
        order = _order(self.items, self.seed, epoch)
        return order[index * self.batch : (index + 1) * self.batch]

    def noisy(self, rng: np.random.Generator, rows: np.ndarray, strips: np.ndarray) -> np.ndarray:
        """Noisy patches of these rows and strips, stored or drawn: bytes (..., 32, 32)."""
        if not self.redraw:
            return self.store.noisy[rows, strips]
        return with_noise(rng, self.store.clean65[rows, strips], strips)


@dataclass(frozen=True)
class DenoisingPairs(Batches):
    """Noisy and clean twins: ((B, 32, 32, 1), (B, 32, 32, 1)).

    Each epoch visits every patch of the part once, `ref` patches included, because a denoiser
    must leave clean patches alone.
    """

    @property
    def items(self) -> int:
        return len(self.store.rows(self.part)) * len(STRIPS)

    def __call__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        rng = self.rng(step)
        points, strips = np.divmod(self.shuffled(step), len(STRIPS))
        rows = self.store.rows(self.part)[points]
        noisy, clean = self.noisy(rng, rows, strips), self.store.clean[rows, strips]
        if self.augment:
            noisy, clean = turn(rng, noisy, clean)
        return as_input(noisy), as_input(clean)


@dataclass(frozen=True)
class Triplets(Batches):
    """Anchor, positive and negative as the coursework draws them: ((B, 3, 32, 32, 1), (B,)).

    Anchor and positive are two different strips of one point, the negative any strip of any other
    point. The second array holds the numbers of the anchors' points. Noise is the stored one.
    """

    count: int = 0  # triplets an epoch

    @property
    def items(self) -> int:
        return self.count

    def __call__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        rng, rows, size = self.rng(step), self.store.rows(self.part), self.batch
        point = rng.integers(len(rows), size=size)
        other = (point + rng.integers(1, len(rows), size=size)) % len(rows)
        first = rng.integers(len(STRIPS), size=size)
        second = (first + rng.integers(1, len(STRIPS), size=size)) % len(STRIPS)
        strips = np.stack([first, second, rng.integers(len(STRIPS), size=size)], axis=1)
        points = rows[np.stack([point, point, other], axis=1)]
        return as_input(self.store.noisy[points, strips]), point.astype(np.int32)


@dataclass(frozen=True)
class Views(Batches):
    """Several views of each point: `ref` and patches of each level, ((B, K, 32, 32, 1), (B,)).

    So pairs of views are pairs as the benchmark draws them: `ref` with each, and those of one level
    with each other. The second array holds the numbers of the points. Each epoch visits every point
    once.
    """

    views_per_level: PerLevel = 1  # K = 1 + 3 * views_per_level

    def __call__(self, step: int) -> tuple:
        rng, point = self.rng(step), self.shuffled(step)
        strips = self.strips(rng)
        views = self.noisy(rng, self.store.rows(self.part)[point, None], strips)
        if self.augment:
            (views,) = turn(rng, views)
        return as_input(views), point.astype(np.int32)

    def strips(self, rng: np.random.Generator) -> np.ndarray:
        """`ref` and different strips of each level, for each point: (B, K)."""
        chosen = [np.zeros((self.batch, 1), np.intp)]
        for level in range(len(LEVELS)):
            images = np.tile(np.arange(1, IMAGES + 1), (self.batch, 1))
            shuffled = rng.permuted(images, axis=1)
            chosen.append(IMAGES * level + shuffled[:, : self.views_per_level])
        return np.concatenate(chosen, axis=1)


@lru_cache(maxsize=4)  # an epoch of training and one of validation, and their followers
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, 0, epoch)).permutation(count)


def with_noise(rng: np.random.Generator, patches65: np.ndarray, strips: np.ndarray) -> np.ndarray:
    """Noisy 32 px twins of bytes (..., 65, 65) that stand for these strips (...)."""
    return downsample(add_noise(patches65, STRIP_SIGMA[strips][..., None, None], rng))


def as_input(patches: np.ndarray) -> np.ndarray:
    """Bytes (..., 32, 32) -> float32 grey levels (..., 32, 32, 1)."""
    return patches[..., None].astype(np.float32)


BATCHES |= {"DenoisingPairs": DenoisingPairs, "Triplets": Triplets, "Views": Views}


def make_batches(settings: TrainingSettings, store: PatchStore, part: str) -> Batches:
    """Training or validation batches; validation ones have stored noise and are not turned.

    Raises:
        InputError: the part holds less than one batch.
    """
    points, training = len(store.rows(part)), part == "train"
    batch, more = settings.batch, {}
    if settings.batches == "Triplets":
        more["count"] = settings.triplets
    elif settings.role == "descriptor" and not training:
        batch = max(2, min(batch, points))
    kind = find("batches", settings.batches, BATCHES, settings.batch_options)
    redraw = training and settings.redraw and store.clean65 is not None
    augment = training and settings.augment
    batches = kind(store, part, batch, settings.seed, redraw=redraw, augment=augment, **more)
    if points < 2 or not batches.per_epoch:
        raise InputError(
            f"The {part} part of {store.name} has {points} points, less than one batch of "
            f"{settings.batch}: use another split, more scenes or a smaller batch."
        )
    return batches


def stream(batches: Batches, first: int, count: int) -> Iterator[tuple]:
    """Batches `first` to `first + count - 1`, in order, made ahead in other threads."""
    steps = iter(range(first, first + count))
    with ThreadPoolExecutor(THREADS) as pool:
        ahead = deque(pool.submit(batches, next(steps)) for _ in range(min(BATCHES_AHEAD, count)))
        while ahead:
            batch = ahead.popleft().result()
            ahead.extend(pool.submit(batches, step) for step in itertools.islice(steps, 1))
            yield batch


def validation_set(batches: Batches, count: int) -> tuple:
    """The first `count` batches (or all there are) as arrays: the same ones at each validation."""
    made = map(batches, range(min(count, batches.per_epoch)))
    return keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *made)
