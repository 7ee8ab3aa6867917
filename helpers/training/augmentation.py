"""Changes made at random to patches while training, so that fewer scenes teach more."""

import numpy as np


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
            patches = np.rot90(stack[rows], number % 4, axes=(-2, -1))
            target[rows] = patches[..., ::-1] if number >= 4 else patches
    return turned
