"""Turned patches: all alike, by the generator alone."""

import numpy as np

from helpers.training import augmentation


def test_turns_treat_all_stacks_alike():
    patches = np.random.default_rng(0).integers(0, 256, (64, 2, 5, 5), dtype=np.uint8)
    first, second = augmentation.turn(np.random.default_rng(5), patches, 255 - patches)
    np.testing.assert_array_equal(first, 255 - second)
    assert not np.array_equal(first, patches)
    (again,) = augmentation.turn(np.random.default_rng(5), patches)
    np.testing.assert_array_equal(first, again)
