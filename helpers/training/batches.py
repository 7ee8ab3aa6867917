"""Batches of patches for training; batch number `step` is a pure function of (seed, step).

Nothing here keeps a position, so that a training run can be taken up again at any step. Patches
leave as float32 grey levels 0..255 with a last axis of one channel.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from helpers.common.errors import InputError
from helpers.dataset.noise import STRIP_SIGMA, add_noise, downsample
from helpers.dataset.store import PatchStore
from helpers.settings import TrainingSettings
from helpers.training import augmentation
from helpers.training.registry import BATCHES, find

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
        level_weights: how much a patch of ref, easy, hard and tough counts, given out as a third
            array (B,); None: all alike, without it.
    """

    store: PatchStore
    part: str
    batch: int
    seed: int
    redraw: bool = False
    augment: bool = False
    level_weights: tuple[float, float, float, float] | None = None

    @property
    def per_epoch(self) -> int:
        """Batches an epoch; a last, incomplete one is left out."""
        return len(self.store.rows(self.part)) * 16 // self.batch

    def __call__(self, step: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng((self.seed, step))
        chosen = _shuffled(len(self.store.rows(self.part)) * 16, self, step)
        rows, strips = self.store.rows(self.part)[chosen // 16], chosen % 16
        noisy = _noisy(self.store, rows, strips, rng if self.redraw else None)
        clean = self.store.clean[rows, strips]
        if self.augment:
            noisy, clean = augmentation.turn(rng, noisy, clean)
        if self.level_weights is None:
            return _as_input(noisy), _as_input(clean)
        weights = np.asarray(self.level_weights, np.float32)[(strips + 4) // 5]
        return _as_input(noisy), _as_input(clean), weights


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
    """Several views of each point: `ref` and patches of each level, ((B, K, 32, 32, 1), (B,)).

    So pairs of views are pairs as the benchmark draws them: `ref` with each, and those of one level
    with each other. The second array holds the numbers of the points. Each epoch visits every point
    once.

    Args:
        batch: points a batch.
        redraw, augment: as in `DenoisingPairs`; all views of a point are turned alike.
        views_per_level: strips of each level, K = 1 + 3 * views_per_level.
        relit, jittered: change each view by itself before the noise is drawn, see `augmentation`;
            only together with `redraw`.
        noisy: False gives clean patches, for a teacher.
        twins: the second is a pair, the points and the clean twins of the first array.
    """

    store: PatchStore
    part: str
    batch: int
    seed: int
    redraw: bool = False
    augment: bool = False
    views_per_level: int = 1
    relit: bool = False
    jittered: bool = False
    noisy: bool = True
    twins: bool = False

    @property
    def per_epoch(self) -> int:
        """Batches an epoch; a last, incomplete one is left out."""
        return len(self.store.rows(self.part)) // self.batch

    def __call__(self, step: int) -> tuple:
        rng = np.random.default_rng((self.seed, step))
        point = _shuffled(len(self.store.rows(self.part)), self, step)
        rows = self.store.rows(self.part)[point, None]
        strips = self._strips(rng)
        stacks = (self._redrawn if self.redraw else self._stored)(rng, rows, strips)
        if self.augment:
            stacks = augmentation.turn(rng, *stacks)
        views, *clean = map(_as_input, stacks)
        point = point.astype(np.int32)
        return views, (point, *clean) if clean else point

    def _strips(self, rng: np.random.Generator) -> np.ndarray:
        """`ref` and different strips of each level, for each point: (B, K)."""
        count = self.views_per_level
        of_levels = [
            rng.permuted(np.tile(np.arange(first, first + 5), (self.batch, 1)), axis=1)[:, :count]
            for first in (1, 6, 11)
        ]
        return np.concatenate([np.full((self.batch, 1), REF), *of_levels], axis=1)

    def _stored(self, rng, rows: np.ndarray, strips: np.ndarray) -> list[np.ndarray]:
        """The views, and their clean twins if wanted."""
        stacks = [self.store.noisy[rows, strips]] if self.noisy else []
        if self.twins or not self.noisy:
            stacks.append(self.store.clean[rows, strips])
        return stacks

    def _redrawn(self, rng, rows: np.ndarray, strips: np.ndarray) -> list[np.ndarray]:
        """The same, changed at random and with new noise."""
        patches = self.store.clean65[rows, strips]
        if self.jittered:
            patches = augmentation.jitter(rng, patches)
        if self.relit:
            patches = augmentation.relight(rng, patches)
        stacks = [_with_noise(patches, strips, rng)] if self.noisy else []
        if self.twins or not self.noisy:
            stacks.append(downsample(patches))
        return stacks


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
    return _with_noise(store.clean65[rows, strips], strips, rng)


def _with_noise(patches65: np.ndarray, strips, rng: np.random.Generator) -> np.ndarray:
    return downsample(add_noise(patches65, STRIP_SIGMA[strips][..., None, None], rng))


def _as_input(patches: np.ndarray) -> np.ndarray:
    return patches[..., None].astype(np.float32)


BATCHES |= {"DenoisingPairs": DenoisingPairs, "Triplets": Triplets, "Views": Views}


def make_batches(settings: TrainingSettings, store: PatchStore, part: str):
    """Training or validation batches; validation ones have stored noise and are not turned.

    Raises:
        InputError: the part holds less than one batch.
    """
    points, training = len(store.rows(part)), part == "train"
    options = {"store": store, "part": part, "batch": settings.batch, "seed": settings.seed}
    if settings.batches == "Triplets":
        options["count"] = settings.triplets
    else:
        options["redraw"] = training and settings.redraw and store.clean65 is not None
        options["augment"] = training and settings.augment
    if settings.role == "descriptor" and settings.batches != "Triplets" and not training:
        options["batch"] = max(2, min(settings.batch, points))
    kind = find("batches", settings.batches, BATCHES, settings.batch_options)
    batches = kind(**options, **settings.batch_options)
    if points < 2 or not batches.per_epoch:
        raise InputError(
            f"The {part} part of {store.name} has {points} points, less than one batch of "
            f"{settings.batch}: use another split, more scenes or a smaller batch."
        )
    return batches
