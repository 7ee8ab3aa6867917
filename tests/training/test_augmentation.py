"""Turned, relit and jittered patches: what changes, by how much, and what does not."""

import numpy as np
import pytest

from helpers.training import augmentation

CHANGES = {"relight": augmentation.relight, "jitter": augmentation.jitter}


def rng():
    return np.random.default_rng(5)


@pytest.fixture
def patches():
    """Smooth patches whose grey levels stay away from black and white."""
    rows, columns = np.mgrid[:65, :65]
    return np.stack(
        [(128 + 40 * np.sin(rows / (5 + k)) + 20 * np.cos(columns / 7)) for k in range(64)]
    ).astype(np.uint8)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_patch_is_changed_by_itself_and_by_the_generator_alone(change, patches):
    same = np.repeat(patches[:1], 8, axis=0).reshape(2, 4, 65, 65)
    changed = change(rng(), same)
    assert changed.shape == same.shape and changed.dtype == np.uint8
    assert len({patch.tobytes() for patch in changed.reshape(8, -1)}) == 8
    np.testing.assert_array_equal(changed, change(rng(), same))


def test_other_light_keeps_the_order_of_dark_and_bright_nearby(patches):
    changed = augmentation.relight(rng(), patches)
    correlations = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(patches, changed, strict=True)
    ]
    assert np.median(correlations) > 0.8
    means = changed.mean(axis=(1, 2))
    assert means.min() < 105 and means.max() > 150


def test_extreme_light_burns_out_instead_of_wrapping_round():
    white = np.full((200, 65, 65), 250, np.uint8)
    assert augmentation.relight(rng(), white).min() > 60


def test_jitter_moves_what_it_shows_by_a_few_pixels(patches):
    spot = np.zeros((100, 65, 65), np.uint8)
    spot[:, 44:47, 30:35] = 255
    moved = augmentation.jitter(rng(), spot).astype(float)
    weights = moved / moved.sum(axis=(1, 2), keepdims=True)
    rows = (weights * np.arange(65)[:, None]).sum(axis=(1, 2)) - 45
    columns = (weights * np.arange(65)).sum(axis=(1, 2)) - 32
    assert 1 < np.hypot(rows, columns).mean() < 4 and np.hypot(rows, columns).max() < 8
    assert abs(rows.mean()) < 0.7 and abs(columns.mean()) < 0.7


def test_jitter_repeats_the_edge_instead_of_bringing_in_black():
    grey = np.full((50, 65, 65), 90, np.uint8)
    np.testing.assert_array_equal(augmentation.jitter(rng(), grey), grey)


def test_turns_treat_all_stacks_alike(patches):
    first, second = augmentation.turn(rng(), patches, 255 - patches)
    np.testing.assert_array_equal(first, 255 - second)
    assert not np.array_equal(first, patches)
