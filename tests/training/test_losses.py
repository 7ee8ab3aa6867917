"""Each loss against a naive double loop, and its gradient."""

from functools import partial

import keras
import numpy as np
import pytest

from helpers.common.errors import InputError
from helpers.training import losses
from helpers.training.losses import LOSSES

POINTS, DIMENSIONS = 6, 8
POINT = np.arange(POINTS)
DENOISING = ("mean_absolute_error", "charbonnier")
pytestmark = pytest.mark.second_backend
numbers = keras.ops.convert_to_numpy


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def unit_views(views: int) -> np.ndarray:
    return unit(np.random.default_rng(0).normal(size=(POINTS, views, DIMENSIONS)))


def patch_pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Clean and noisy patches, (3, 32, 32, 1) grey levels."""
    rng = np.random.default_rng(seed)
    clean = np.kron(rng.integers(0, 256, (3, 4, 4)), np.ones((8, 8)))[..., None]
    noisy = np.clip(clean + rng.normal(0, 25, clean.shape), 0, 255)
    return clean.astype(np.float32), noisy.astype(np.float32)


# --- denoising


def test_mean_absolute_error_by_hand_one_value_a_patch():
    clean = np.array([10.0, 20.0, 0.0, 0.0]).reshape(2, 1, 2, 1)
    denoised = np.array([13.0, 19.0, 1.0, 0.0]).reshape(2, 1, 2, 1)
    np.testing.assert_allclose(numbers(losses.mean_absolute_error(clean, denoised)), [2.0, 0.5])


def test_charbonnier_is_near_the_absolute_error_for_large_errors_and_epsilon_for_none():
    clean = np.zeros((2, 1, 1, 1), np.float32)
    denoised = np.array([100.0, 0.0], np.float32).reshape(2, 1, 1, 1)
    values = numbers(losses.charbonnier(clean, denoised, epsilon=0.5))
    np.testing.assert_allclose(values, [100.00125, 0.5], rtol=1e-6)


@pytest.mark.parametrize("name", DENOISING)
def test_a_step_with_the_denoising_loss_lowers_it(name):
    clean, noisy = patch_pair()
    model = keras.Sequential([keras.Input((32, 32, 1)), keras.layers.Conv2D(1, 3, padding="same")])
    model.compile(keras.optimizers.Adam(1e-3), LOSSES[name], jit_compile=False)
    values = [model.train_on_batch(noisy, clean) for _ in range(4)]
    assert np.isfinite(values).all() and values[-1] < values[0]


def test_denoising_losses_take_weights_of_single_patches():
    clean, noisy = patch_pair()
    model = keras.Sequential([keras.Input((32, 32, 1)), keras.layers.Identity()])
    model.compile(loss=losses.charbonnier, jit_compile=False)
    weighted = model.evaluate(noisy, clean, sample_weight=np.array([0.0, 3.0, 0.0]), verbose=0)
    assert weighted == pytest.approx(float(losses.charbonnier(clean, noisy)[1]), rel=1e-5)


# --- descriptors


def test_triplet_equals_a_loop_over_triplets():
    views = unit_views(3)
    expected = np.mean(
        [max(0, np.mean((a - p) ** 2) - np.mean((a - n) ** 2) + 1) for a, p, n in views]
    )
    assert float(losses.triplet(POINT, views)) == pytest.approx(expected, rel=1e-6)


def distance(u, v):
    return np.sqrt(max(0, 2 - 2 * float(u @ v)) + 1e-6)


def naive_hinge(points, u, v):
    """Mean hinge over the hardest negative of each row, by loops."""
    terms = []
    for i in range(len(points)):
        others = [j for j in range(len(points)) if points[i] != points[j]]
        found = [d for j in others for d in (distance(u[i], v[j]), distance(u[j], v[i]))]
        hardest = min((d for d in found if d >= 0.008), default=0.0)
        terms.append(max(0, 1 + distance(u[i], v[i]) - hardest))
    return np.mean(terms)


@pytest.mark.parametrize("points", [POINT, np.array([0, 0, 1, 2, 3, 4])], ids=["own", "twice"])
def test_hardest_in_batch_equals_a_double_loop_over_each_pair_of_views(points):
    views = unit_views(3)
    expected = np.mean([naive_hinge(points, views[:, 0], views[:, k]) for k in (1, 2)])
    assert float(losses.hardest_in_batch(points, views)) == pytest.approx(expected, rel=1e-5)


def test_levels_count_by_their_weights():
    views = unit_views(4)
    weighted = float(losses.hardest_in_batch(POINT, views, level_weights=[1, 0, 3]))
    easy, tough = (naive_hinge(POINT, views[:, 0], views[:, k]) for k in (1, 3))
    assert weighted == pytest.approx((easy + 3 * tough) / 4, rel=1e-5)


def test_views_of_one_level_are_compared_with_each_other_and_with_ref():
    views = unit_views(5)
    options = {"views_per_level": 2, "level_weights": [1, 2]}
    loss = float(losses.hardest_in_batch(POINT, views, **options))
    weights = {(0, 1): 1, (0, 2): 1, (1, 2): 1, (0, 3): 2, (0, 4): 2, (3, 4): 2}
    terms = [w * naive_hinge(POINT, views[:, i], views[:, j]) for (i, j), w in weights.items()]
    assert loss == pytest.approx(sum(terms) / sum(weights.values()), rel=1e-5)


def test_three_noisy_views_of_ref_form_three_pairs():
    assert losses.view_pairs(4) == [(0, 1, 0), (0, 2, 1), (0, 3, 2)]


def test_views_that_do_not_fill_their_levels_are_refused():
    with pytest.raises(InputError, match="4 views of a point are not ref and 2 of each level"):
        losses.hardest_in_batch(POINT, unit_views(4), views_per_level=2)


def test_a_wrong_number_of_level_weights_is_refused():
    with pytest.raises(InputError, match=r"level_weights \[1, 2\] should be 3"):
        losses.hardest_in_batch(POINT, unit_views(4), level_weights=[1, 2])


def test_hardest_in_batch_takes_no_near_duplicate_as_negative():
    vectors = unit_views(2)
    vectors[1] = vectors[0]  # the same structure under another number
    vectors[:, 1] = vectors[:, 0]
    loss = float(losses.hardest_in_batch(POINT, vectors))
    expected = naive_hinge([0, 0, 2, 3, 4, 5], vectors[:, 0], vectors[:, 1])
    assert loss == pytest.approx(expected, rel=1e-3)  # distances near 0 are float32 noise


def test_a_rotation_of_all_descriptors_or_another_order_of_points_changes_nothing():
    views, loss = unit_views(3), losses.hardest_in_batch
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(DIMENSIONS, DIMENSIONS)))[0]
    before, order = float(loss(POINT, views)), np.random.default_rng(2).permutation(POINTS)
    turned = float(loss(POINT, (views @ rotation).astype(np.float32)))
    assert turned == pytest.approx(before, rel=1e-4)
    assert float(loss(POINT[order], views[order])) == pytest.approx(before, rel=1e-5)


def test_collapsed_descriptors_have_a_larger_loss_than_random_ones():
    views = unit_views(2)
    collapsed = float(losses.hardest_in_batch(POINT, np.broadcast_to(views[:1, :1], views.shape)))
    spread = np.stack([views[:, 0]] * 2, axis=1)
    assert float(losses.hardest_in_batch(POINT, spread)) < collapsed > 0.9


def small_model() -> keras.Model:
    entry = keras.Input((3, DIMENSIONS))
    vectors = keras.layers.UnitNormalization()(keras.layers.Dense(DIMENSIONS)(entry))
    return keras.Model(entry, vectors)


@pytest.mark.parametrize(
    "loss", [losses.triplet, partial(losses.hardest_in_batch, level_weights=[1, 2])]
)
def test_steps_against_the_gradient_lower_the_descriptor_loss(loss):
    keras.utils.set_random_seed(0)
    model = small_model()
    model.compile(keras.optimizers.SGD(0.05), loss, run_eagerly=True)
    values = [model.train_on_batch(unit_views(3), POINT) for _ in range(6)]
    assert np.isfinite(values).all() and values[-1] < values[0]


@pytest.mark.parametrize("case", ["two views coincide", "all descriptors coincide"])
@pytest.mark.parametrize("loss", [losses.triplet, losses.hardest_in_batch])
def test_gradients_are_finite_where_descriptors_coincide(loss, case):
    views = unit_views(3)
    views[:, 1] = views[:, 0]
    if case == "all descriptors coincide":
        views[:] = views[0, 0]
    model = small_model()
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    assert np.isfinite(model.train_on_batch(views, POINT))
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
