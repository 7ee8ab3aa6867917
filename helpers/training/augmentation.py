"""Changes made at random to patches while training, so that fewer scenes teach more."""

import numba
import numpy as np

SLANT = 0.5  # at the patch's edge: the strongest gradient of light across it, as a share
ANGLE = np.radians(10.0)
SCALE = 0.1  # natural logarithm
SHIFT = 2.0  # pixels of 65


def turn(rng: np.random.Generator, *stacks: np.ndarray) -> list[np.ndarray]:
    """The same random flip and quarter turn for the patches at the same first index of each stack.

    The eight symmetries of the square are cut into the batch by index, not drawn one by one:
    whole slices are views, which costs next to nothing.

    Args:
        stacks: (B, ..., rows, columns) each.
    """
    turned = [np.empty_like(stack) for stack in stacks]
    symmetry = rng.integers(8, size=len(stacks[0]))
    for number in range(8):
        rows = np.flatnonzero(symmetry == number)
        for stack, target in zip(stacks, turned, strict=True):
            part = np.rot90(stack[rows], number % 4, axes=(-2, -1))
            target[rows] = part[..., ::-1] if number >= 4 else part
    return turned


def relight(rng: np.random.Generator, patches: np.ndarray) -> np.ndarray:
    """Other light on each patch by itself: gamma, gain, bias, and a gradient across the patch.

    Args:
        patches: uint8 (..., side, side), before any noise.

    Returns:
        uint8 of the same shape, clipped: bright light may burn out, as in photographs.
    """
    flat = patches.reshape(-1, *patches.shape[-2:])
    count = len(flat)
    gamma = np.exp(rng.uniform(-0.4, 0.4, (count, 1)))
    gain, bias = np.exp(rng.uniform(-0.4, 0.2, (count, 1))), rng.uniform(-20, 20, (count, 1))
    curves = 255 * gain * (np.arange(256) / 255) ** gamma + bias
    slants = rng.uniform(-SLANT, SLANT, (count, 2)).astype(np.float32)
    return _relight(flat, curves.astype(np.float32), slants).reshape(patches.shape)


@numba.njit(nogil=True, cache=True)
def _relight(patches: np.ndarray, curves: np.ndarray, slants: np.ndarray) -> np.ndarray:
    lit = np.empty_like(patches)
    half = (patches.shape[1] - 1) / 2
    for n in range(len(patches)):
        for i in range(patches.shape[1]):
            row = 1 + slants[n, 0] * (i - half) / half / 2
            for j in range(patches.shape[2]):
                light = row + slants[n, 1] * (j - half) / half / 2
                value = curves[n, patches[n, i, j]] * light
                lit[n, i, j] = np.uint8(min(max(value, 0.0), 255.0) + 0.5)
    return lit


def jitter(rng: np.random.Generator, patches: np.ndarray) -> np.ndarray:
    """Turns, scales and shifts each patch by itself a little, about as far as "easy" does.

    Args:
        patches: uint8 (..., side, side); what lies outside repeats the edge.

    Returns:
        uint8 of the same shape, sampled bilinearly.
    """
    flat = patches.reshape(-1, *patches.shape[-2:])
    angle = rng.uniform(-ANGLE, ANGLE, len(flat))
    scale = np.exp(rng.uniform(-SCALE, SCALE, len(flat)))
    maps = np.stack(
        [
            scale * np.cos(angle),
            scale * np.sin(angle),
            *rng.uniform(-SHIFT, SHIFT, (2, len(flat))),
        ],
        axis=1,
    )
    return _warp(np.ascontiguousarray(flat), maps.astype(np.float32)).reshape(patches.shape)


@numba.njit(nogil=True, cache=True)
def _warp(patches: np.ndarray, maps: np.ndarray) -> np.ndarray:
    warped = np.empty_like(patches)
    side = patches.shape[1]
    half = (side - 1) / 2
    for n in range(len(patches)):
        a, b, down, right = maps[n]
        for i in range(side):
            for j in range(side):
                y = min(max(a * (i - half) - b * (j - half) + half + down, 0.0), side - 1.001)
                x = min(max(b * (i - half) + a * (j - half) + half + right, 0.0), side - 1.001)
                top, left = int(y), int(x)
                y, x = y - top, x - left
                above = patches[n, top, left] * (1 - x) + patches[n, top, left + 1] * x
                below = patches[n, top + 1, left] * (1 - x) + patches[n, top + 1, left + 1] * x
                warped[n, i, j] = np.uint8(above * (1 - y) + below * y + 0.5)
    return warped
