"""Batches of views that are changed one by one, or that come with their clean twins."""

from dataclasses import dataclass

import numpy as np

from helpers.dataset.cutting.extractor import frames
from helpers.dataset.cutting.sampling import bilinear
from helpers.dataset.noise import downsample
from helpers.training.augmentation import turn
from helpers.training.batches import BATCHES, Views, as_input, with_noise

SLANT = 0.5  # at the patch's edge: the strongest gradient of light across it, as a share
ANGLE = np.radians(10.0)
SCALE = 0.1  # natural logarithm
SHIFT = 2.0  # pixels of 65


@dataclass(frozen=True)
class ChangedViews(Views):
    """`Views`, each changed by itself before the noise is drawn."""

    photometric: bool = False  # other light; needs `redraw`, as the next one
    geometric: bool = False  # turned, scaled and shifted a little
    clean: bool = False  # no noise, for a teacher
    twins: bool = False  # targets are the points and the views' clean twins (B, K, 32, 32, 1)

    def __call__(self, step: int) -> tuple:
        rng, point = self.rng(step), self.shuffled(step)
        rows, strips = self.store.rows(self.part)[point, None], self.strips(rng)
        if self.redraw:
            patches = self.store.clean65[rows, strips]
            patches = geometric(rng, patches) if self.geometric else patches
            patches = photometric(rng, patches) if self.photometric else patches
            noisy = None if self.clean else with_noise(rng, patches, strips)
            clean = downsample(patches)
        else:
            noisy, clean = self.store.noisy[rows, strips], self.store.clean[rows, strips]
        stacks = [clean if self.clean else noisy, clean]
        views, clean = map(as_input, turn(rng, *stacks) if self.augment else stacks)
        point = point.astype(np.int32)
        return views, (point, clean) if self.twins else point


def photometric(rng: np.random.Generator, patches: np.ndarray) -> np.ndarray:
    """Other light on each patch: gamma, gain, bias, and a gradient across it.

    Args:
        patches: bytes (..., side, side), before any noise; bright light may burn out.
    """
    flat = patches.reshape(-1, *patches.shape[-2:])
    count, half = len(flat), (patches.shape[-1] - 1) / 2
    gamma = np.exp(rng.uniform(-0.4, 0.4, (count, 1)))
    gain, bias = np.exp(rng.uniform(-0.4, 0.2, (count, 1))), rng.uniform(-20, 20, (count, 1))
    curves = (255 * gain * (np.arange(256) / 255) ** gamma + bias).astype(np.float32)
    slants = rng.uniform(-SLANT, SLANT, (count, 2)).astype(np.float32)
    rows, columns = (np.mgrid[-half : half + 1, -half : half + 1] / half / 2)[:, None]
    light = 1 + slants[:, :1, None] * rows + slants[:, 1:, None] * columns
    values = curves[np.arange(count)[:, None, None], flat] * light
    return (np.clip(values, 0, 255) + 0.5).astype(np.uint8).reshape(patches.shape)


def geometric(rng: np.random.Generator, patches: np.ndarray) -> np.ndarray:
    """Turns, scales and shifts each patch a little, about as far as "easy" does.

    Args:
        patches: bytes (..., side, side), sampled bilinearly; what lies outside repeats the edge.
    """
    flat, side = patches.reshape(-1, *patches.shape[-2:]), patches.shape[-1]
    count, half = len(flat), (side - 1) / 2
    angle, log_scale = rng.uniform(-ANGLE, ANGLE, count), rng.uniform(-SCALE, SCALE, count)
    down, right = half + rng.uniform(-SHIFT, SHIFT, (2, count))
    squares = frames(np.column_stack([right, down, np.exp(log_scale), -angle]))
    grid, pairs = np.arange(side) - half, zip(np.float32(flat), squares[:, None], strict=True)
    return np.reshape([bilinear(*pair, grid, grid) for pair in pairs], patches.shape)


BATCHES["ChangedViews"] = ChangedViews
