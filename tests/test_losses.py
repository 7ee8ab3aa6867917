"""Each loss against a naive double loop, and its gradient."""

import keras
import numpy as np
import pytest

from helpers import losses

POINTS, DIMENSIONS = 6, 8


def unit_views(views: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(POINTS, views, DIMENSIONS))
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def test_mean_absolute_error_by_hand():
    clean, denoised = np.array([[10.0, 20.0]]), np.array([[13.0, 19.0]])
    assert float(losses.mean_absolute_error(clean, denoised)) == 2.0


def test_charbonnier_is_near_the_absolute_error_for_large_errors():
    assert float(losses.charbonnier(np.zeros(3), np.full(3, 100.0))) == pytest.approx(
        100.005, abs=1e-3
    )


def test_charbonnier_of_no_error_is_epsilon():
    assert float(losses.charbonnier(np.ones(3), np.ones(3), epsilon=0.5)) == pytest.approx(0.5)


def test_triplet_equals_a_loop_over_triplets():
    views = unit_views(3)
    expected = np.mean(
        [max(0, np.mean((a - p) ** 2) - np.mean((a - n) ** 2) + 1) for a, p, n in views]
    )
    assert float(losses.triplet(np.arange(POINTS), views)) == pytest.approx(expected, rel=1e-6)


def naive_hardest(points, views, margin):
    def distance(u, v):
        return np.sqrt(2 - 2 * float(u @ v) + 1e-6)

    terms = []
    for k in range(1, views.shape[1]):
        for i in range(POINTS):
            negatives = []
            for j in range(POINTS):
                if points[i] != points[j]:
                    negatives.append(distance(views[i, 0], views[j, k]))
                    negatives.append(distance(views[j, 0], views[i, k]))
            terms.append(max(0, margin + distance(views[i, 0], views[i, k]) - min(negatives)))
    return np.mean(terms)


@pytest.mark.parametrize("views", [2, 4])
def test_hardest_in_batch_equals_a_double_loop(views):
    points, vectors = np.arange(POINTS), unit_views(views)
    loss = float(losses.hardest_in_batch(points, vectors))
    assert loss == pytest.approx(naive_hardest(points, vectors, 1.0), rel=1e-5)


def test_hardest_in_batch_takes_no_other_row_of_the_same_point_as_negative():
    points, vectors = np.array([0, 0, 1, 2, 3, 4]), unit_views(2)
    loss = float(losses.hardest_in_batch(points, vectors))
    assert loss == pytest.approx(naive_hardest(points, vectors, 1.0), rel=1e-5)


def test_hardest_in_batch_takes_no_near_duplicate_as_negative():
    vectors = unit_views(2)
    vectors[1] = vectors[0]  # the same structure under another number
    vectors[:, 1] = vectors[:, 0]
    loss = float(losses.hardest_in_batch(np.arange(POINTS), vectors))
    expected = naive_hardest([0, 0, 2, 3, 4, 5], vectors, 1.0)
    assert loss == pytest.approx(expected, rel=1e-3)  # distances near 0 are float32 noise


def unit_length_model(views: int) -> keras.Model:
    entry = keras.Input((views, DIMENSIONS))
    vectors = keras.layers.Dense(DIMENSIONS)(entry)
    return keras.Model(entry, keras.layers.UnitNormalization()(vectors))


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_step_against_the_gradient_lowers_the_loss(name):
    loss = losses.LOSSES[name]
    if name in ("triplet", "hardest_in_batch"):
        target = np.arange(POINTS)
    else:
        target = np.zeros((POINTS, 3, DIMENSIONS), np.float32)
    model = unit_length_model(3)
    model.compile(keras.optimizers.SGD(0.05), loss, jit_compile=False)
    views = unit_views(3)
    before = model.evaluate(views, target, verbose=0)
    for _ in range(5):
        assert np.isfinite(model.train_on_batch(views, target))
    assert model.evaluate(views, target, verbose=0) < before


def test_gradient_is_finite_where_two_descriptors_are_equal():
    model = unit_length_model(2)
    model.compile(keras.optimizers.SGD(0.1), losses.hardest_in_batch, jit_compile=False)
    views = unit_views(2)
    views[:, 1] = views[:, 0]
    model.train_on_batch(views, np.arange(POINTS))
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
