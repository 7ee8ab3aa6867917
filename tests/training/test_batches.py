from types import SimpleNamespace

import numpy as np
import pytest

from helpers.dataset.noise import STRIP_SIGMA, noise_profile
from helpers.training.batches import DenoisingPairs, Triplets, Views, stream

KINDS = {
    "pairs": lambda store, **more: DenoisingPairs(store, "train", batch=16, seed=3, **more),
    "triplets": lambda store, **more: Triplets(store, "train", batch=16, seed=3, count=160),
    "views": lambda store, **more: Views(store, "train", batch=8, seed=3, **more),
}


@pytest.fixture(params=KINDS)
def make(request):
    return KINDS[request.param]


def test_a_batch_is_a_pure_function_of_seed_and_step(make, tiny_store):
    forward = [make(tiny_store, redraw=True, augment=True)(step) for step in range(4)]
    for step in reversed(range(4)):
        for first, again in zip(
            forward[step], make(tiny_store, redraw=True, augment=True)(step), strict=True
        ):
            np.testing.assert_array_equal(first, again)


def test_batches_differ_from_step_to_step(make, tiny_store):
    assert not np.array_equal(make(tiny_store)(0)[0], make(tiny_store)(1)[0])


def test_patches_leave_as_float_grey_levels_with_a_channel(make, tiny_store):
    inputs, _ = make(tiny_store)(0)
    assert inputs.dtype == np.float32 and inputs.shape[-3:] == (32, 32, 1)
    assert 1 < inputs.max() <= 255 and inputs.min() >= 0


def test_only_the_chosen_part_is_seen(make, tiny_store):
    train = {
        patch.tobytes() for patch in tiny_store.noisy[tiny_store.rows("train")].reshape(-1, 1024)
    }
    for step in range(5):
        patches = make(tiny_store)(step)[0].astype(np.uint8).reshape(-1, 1024)
        assert all(patch.tobytes() in train for patch in patches)


def test_an_epoch_of_pairs_visits_no_patch_twice(tiny_store):
    batches = KINDS["pairs"](tiny_store)
    seen = [patch.tobytes() for step in range(batches.per_epoch) for patch in batches(step)[0]]
    assert len(seen) == len(set(seen)) > 300


def test_a_denoising_pair_is_a_patch_and_its_own_twin(tiny_store):
    noisy, clean = KINDS["pairs"](tiny_store)(0)
    twins = {
        a.tobytes(): b.tobytes()
        for a, b in zip(
            tiny_store.noisy.reshape(-1, 1024), tiny_store.clean.reshape(-1, 1024), strict=True
        )
    }
    for patch, twin in zip(noisy.astype(np.uint8), clean.astype(np.uint8), strict=True):
        assert twins[patch.tobytes()] == twin.tobytes()


def test_noisy_and_clean_are_turned_alike(tiny_store):
    noisy, clean = KINDS["pairs"](tiny_store, augment=True)(0)
    plain_noisy, plain_clean = KINDS["pairs"](tiny_store)(0)
    np.testing.assert_allclose(
        np.abs(noisy - clean).mean(), np.abs(plain_noisy - plain_clean).mean()
    )
    assert not np.array_equal(noisy, plain_noisy)


def test_redrawn_noise_is_new_at_each_step_and_absent_from_ref(tiny_store):
    batches = KINDS["views"](tiny_store, redraw=True)
    inputs, points = batches(0)
    later, later_points = batches(batches.per_epoch)
    common = set(points) & set(later_points)
    assert common, "two epochs of 24 points share some in their first batch of 8"
    for point in common:
        a, b = inputs[list(points).index(point)], later[list(later_points).index(point)]
        assert np.array_equal(a[0], b[0]) and not np.array_equal(a[1:], b[1:])


def test_a_triplet_has_two_patches_of_one_point_and_one_of_another(tiny_store):
    rows = {
        patch.tobytes(): (index // 16, index % 16)
        for index, patch in enumerate(tiny_store.noisy.reshape(-1, 1024))
    }
    for triplet in KINDS["triplets"](tiny_store)(0)[0].astype(np.uint8):
        anchor, positive, negative = (rows[patch.tobytes()] for patch in triplet)
        assert anchor[0] == positive[0] != negative[0]
        assert anchor[1] != positive[1]


def test_views_are_ref_easy_hard_and_tough_of_one_point(tiny_store):
    strips = {
        patch.tobytes(): (index // 16, index % 16)
        for index, patch in enumerate(tiny_store.noisy.reshape(-1, 1024))
    }
    for views in KINDS["views"](tiny_store)(0)[0].astype(np.uint8):
        points, numbers = zip(*(strips[patch.tobytes()] for patch in views), strict=True)
        assert len(set(points)) == 1
        assert [(number + 4) // 5 for number in numbers] == [0, 1, 2, 3]


def test_all_eight_turns_of_a_patch_occur(tiny_store):
    plain, turned = (
        [KINDS["pairs"](tiny_store, augment=on)(step)[1] for step in range(8)]
        for on in (False, True)
    )
    found = set()
    for patch, other in zip(np.concatenate(plain), np.concatenate(turned), strict=True):
        for number in range(8):
            expected = np.rot90(patch, number % 4)
            expected = expected[:, ::-1] if number >= 4 else expected
            if np.array_equal(expected, other):
                found.add(number)
    assert found == set(range(8))


@pytest.mark.parametrize("view", range(4))
def test_redrawn_noise_has_the_spread_of_the_recipe(view):
    grey = SimpleNamespace(
        rows=lambda part: np.arange(2000),
        clean65=np.broadcast_to(np.uint8(127), (2000, 16, 65, 65)),
    )
    patches = Views(grey, "train", batch=2000, seed=3, redraw=True)(0)[0][:, view, ..., 0]
    sigma = STRIP_SIGMA[5 * view]  # of ref, easy, hard, tough
    np.testing.assert_allclose(patches.std(0), sigma * noise_profile(), rtol=0.08)
    assert abs(patches.mean() - 127) < 0.2


def test_two_views_of_a_level_are_different_strips_of_it(tiny_store):
    strips = {
        patch.tobytes(): index % 16
        for index, patch in enumerate(tiny_store.noisy.reshape(-1, 1024))
    }
    for views in KINDS["views"](tiny_store, views_per_level=2)(0)[0].astype(np.uint8):
        numbers = [strips[patch.tobytes()] for patch in views]
        assert [(number + 4) // 5 for number in numbers] == [0, 1, 1, 2, 2, 3, 3]
        assert len(set(numbers)) == 7


def test_a_stream_holds_the_batches_asked_for_in_their_order():
    assert list(stream(lambda step: step**2, 3, 9)) == [step**2 for step in range(3, 12)]
