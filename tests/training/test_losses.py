"""Each loss against a naive double loop, and its gradient."""

from functools import partial

import keras
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from helpers.common.errors import InputError
from helpers.training import losses
from helpers.training.losses import LOSSES

POINTS, DIMENSIONS = 6, 8
POINT = np.arange(POINTS)
MINING = ("hardest_in_batch", "next_in_batch", "second_order", "hybrid", "info_nce")
DENOISING = ("mean_absolute_error", "charbonnier", "dssim", "charbonnier_dssim")
numbers = keras.ops.convert_to_numpy


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def raw_views(views: int, seed: int = 0) -> np.ndarray:
    shape = (POINTS, views, DIMENSIONS)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def unit_views(views: int, seed: int = 0) -> np.ndarray:
    return unit(raw_views(views, seed))


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


def test_dssim_equals_that_of_scikit_image():
    clean, noisy = patch_pair()
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = [
        (1 - structural_similarity(a[..., 0], b[..., 0], data_range=255, **settings)) / 2
        for a, b in zip(clean.astype(float), noisy.astype(float), strict=True)
    ]
    np.testing.assert_allclose(numbers(losses.dssim(clean, noisy)), expected, rtol=1e-4)


def test_dssim_of_equal_patches_is_zero_and_of_opposite_ones_near_one():
    clean, _ = patch_pair()
    np.testing.assert_allclose(numbers(losses.dssim(clean, clean)), 0, atol=1e-6)
    stripes = np.indices((1, 32, 32, 1))[1] % 2 * 100.0 + 50
    assert 0.9 < float(losses.dssim(stripes, 200 - stripes)[0]) <= 1


def test_charbonnier_dssim_is_the_share_of_both():
    clean, noisy = patch_pair()
    both = numbers(losses.charbonnier_dssim(clean, noisy, share=0.25))
    smooth, structural = losses.charbonnier(clean, noisy), losses.dssim(clean, noisy)
    np.testing.assert_allclose(
        both, 0.75 * numbers(smooth) + 0.25 * 255 * numbers(structural), rtol=1e-6
    )


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


def naive_hardest(points, u, v, i, within):
    """Distance of the hardest negative of row i, by loops."""
    found = []
    for j in range(len(points)):
        if points[i] != points[j]:
            found += [distance(u[i], v[j]), distance(u[j], v[i])]
            if within:
                found += [distance(u[i], u[j]), distance(v[i], v[j])]
    return min((d for d in found if d >= 0.008), default=0.0)


def naive_hinge(points, u, v, margin, within=False, power=1, alpha=0.0):
    terms = []
    for i in range(len(points)):
        near, far = distance(u[i], v[i]), naive_hardest(points, u, v, i, within)
        similarity = near + alpha * near**2 / 2, far + alpha * far**2 / 2
        terms.append(max(0, margin + similarity[0] - similarity[1]) ** power)
    return np.mean(terms)


def naive_structure(points, u, v, neighbours):
    rows = []
    for i in range(len(points)):
        others = [j for j in range(len(points)) if points[j] != points[i]]
        near = set()
        for w in (u, v):
            near |= set(sorted(others, key=lambda j, w=w: distance(w[i], w[j]))[:neighbours])
        change = sum((distance(u[i], u[j]) - distance(v[i], v[j])) ** 2 for j in near)
        rows.append(np.sqrt(change + 1e-6))
    return np.mean(rows)


def naive_info_nce(points, u, v, temperature):
    terms = []
    for i in range(len(points)):
        allowed = [j for j in range(len(points)) if j == i or points[j] != points[i]]
        for first, second in ((u, v), (v, u)):
            logits = np.array([float(first[i] @ second[j]) / temperature for j in allowed])
            terms.append(np.log(np.exp(logits).sum()) - logits[allowed.index(i)])
    return np.mean(terms)


def naive(name, points, u, v):
    if name == "hardest_in_batch":
        return naive_hinge(points, u, v, 1.0)
    if name == "next_in_batch":
        terms = [
            max(0, 1 + distance(u[i], v[i]) - distance(u[i], v[i - 1]))
            * (points[i] != points[i - 1])
            for i in range(len(points))
        ]
        return np.mean(terms)
    if name == "second_order":
        hinge = naive_hinge(points, u, v, 1.0, within=True, power=2)
        return hinge + naive_structure(points, u, v, 3)
    if name == "hybrid":
        lengths = np.linalg.norm(u, axis=-1), np.linalg.norm(v, axis=-1)
        norm = 0.1 * np.mean((lengths[0] - lengths[1]) ** 2)
        return naive_hinge(points, unit(u), unit(v), 1.2, within=True, alpha=2.0) + norm
    return naive_info_nce(points, u, v, 0.07)


def mined_views(name: str, count: int) -> np.ndarray:
    return raw_views(count) if name == "hybrid" else unit_views(count)


def mining_loss(name: str, **options):
    if name == "second_order":
        options = {"neighbours": 3} | options
    return partial(LOSSES[name], **options)


@pytest.mark.parametrize("points", [POINT, np.array([0, 0, 1, 2, 3, 4])], ids=["own", "twice"])
@pytest.mark.parametrize("name", MINING)
def test_a_mining_loss_equals_a_double_loop_over_each_pair_of_views(name, points):
    views = mined_views(name, 3)
    expected = np.mean([naive(name, points, views[:, 0], views[:, k]) for k in (1, 2)])
    assert float(mining_loss(name)(points, views)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", MINING)
def test_levels_count_by_their_weights(name):
    views = mined_views(name, 4)
    weighted = float(mining_loss(name, level_weights=[1, 0, 3])(POINT, views))
    easy, tough = (naive(name, POINT, views[:, 0], views[:, k]) for k in (1, 3))
    assert weighted == pytest.approx((easy + 3 * tough) / 4, rel=1e-5)


@pytest.mark.parametrize("name", MINING)
def test_views_of_one_level_are_compared_with_each_other_and_with_ref(name):
    views = mined_views(name, 5)
    loss = float(mining_loss(name, views_per_level=2, level_weights=[1, 2])(POINT, views))
    weights = {(0, 1): 1, (0, 2): 1, (1, 2): 1, (0, 3): 2, (0, 4): 2, (3, 4): 2}
    terms = [w * naive(name, POINT, views[:, i], views[:, j]) for (i, j), w in weights.items()]
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
    expected = naive_hinge([0, 0, 2, 3, 4, 5], vectors[:, 0], vectors[:, 1], 1.0)
    assert loss == pytest.approx(expected, rel=1e-3)  # distances near 0 are float32 noise


def test_hardest_in_batch_looks_within_the_views_if_told_to():
    views = unit_views(2)
    loss = float(losses.hardest_in_batch(POINT, views, within=True))
    expected = naive_hinge(POINT, views[:, 0], views[:, 1], 1.0, within=True)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert loss > float(losses.hardest_in_batch(POINT, views))


def test_second_order_takes_all_points_when_there_are_fewer_than_neighbours():
    views = unit_views(2)
    eight, five = (
        float(losses.second_order(POINT, views, neighbours=count)) for count in (8, POINTS - 1)
    )
    assert eight == pytest.approx(five, rel=1e-6)


def test_hybrid_of_unit_vectors_has_no_term_for_their_lengths():
    views = unit_views(2)
    with_term, without = (
        float(losses.hybrid(POINT, views, regularisation=weight)) for weight in (0.1, 0.0)
    )
    assert with_term == pytest.approx(without, abs=1e-6)


@pytest.mark.parametrize("name", sorted({*MINING} - {"next_in_batch"}))  # takes them in order
def test_a_rotation_of_all_descriptors_or_another_order_of_points_changes_nothing(name):
    views = mined_views(name, 3)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(DIMENSIONS, DIMENSIONS)))[0]
    loss, order = mining_loss(name), np.random.default_rng(2).permutation(POINTS)
    before = float(loss(POINT, views))
    turned = float(loss(POINT, (views @ rotation).astype(np.float32)))
    assert turned == pytest.approx(before, rel=1e-4)
    assert float(loss(POINT[order], views[order])) == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize("name", MINING)
def test_collapsed_descriptors_have_a_larger_loss_than_random_ones(name):
    views = mined_views(name, 2)
    collapsed = np.broadcast_to(views[:1, :1], views.shape)
    assert float(mining_loss(name)(POINT, collapsed)) > 0.9
    spread = np.stack([unit_views(1)[:, 0]] * 2, axis=1)
    assert float(mining_loss(name)(POINT, spread)) < float(mining_loss(name)(POINT, collapsed))


def test_distillation_equals_a_loop_with_one_teacher_for_each_view_or_for_all():
    student, teacher = unit_views(3), unit_views(3, seed=1)
    each = np.mean([np.sum((s - t) ** 2) for s, t in zip(student, teacher, strict=True)]) / 3
    assert float(losses.distillation(teacher, student)) == pytest.approx(each, rel=1e-6)
    one = np.repeat(teacher[:, :1], 3, axis=1)
    assert float(losses.distillation(teacher[:, 0], student)) == pytest.approx(
        float(losses.distillation(one, student)), rel=1e-6
    )


def small_model(views: int, normalised: bool) -> keras.Model:
    entry = keras.Input((views, DIMENSIONS))
    vectors = keras.layers.Dense(DIMENSIONS)(entry)
    if normalised:
        vectors = keras.layers.UnitNormalization()(vectors)
    return keras.Model(entry, vectors)


@pytest.mark.parametrize("name", ("triplet", *MINING, "distillation"))
def test_steps_against_the_gradient_lower_the_descriptor_loss(name):
    keras.utils.set_random_seed(0)
    model = small_model(3, normalised=name != "hybrid")
    options = {"level_weights": [1, 2]} if name in MINING else {}
    model.compile(keras.optimizers.SGD(0.05), partial(LOSSES[name], **options), jit_compile=False)
    target = unit_views(3, seed=1) if name == "distillation" else POINT
    values = [model.train_on_batch(unit_views(3), target) for _ in range(6)]
    assert np.isfinite(values).all() and values[-1] < values[0]


@pytest.mark.parametrize("case", ["two views coincide", "all descriptors coincide"])
@pytest.mark.parametrize("name", ("triplet", *MINING))
def test_gradients_are_finite_where_descriptors_coincide(name, case):
    views = unit_views(3)
    views[:, 1] = views[:, 0]
    if case == "all descriptors coincide":
        views[:] = views[0, 0]
    assert_one_step_stays_finite(name, views)


def test_gradients_of_hybrid_are_finite_where_raw_vectors_are_zero():
    assert_one_step_stays_finite("hybrid", np.zeros((POINTS, 3, DIMENSIONS), np.float32))


def assert_one_step_stays_finite(name: str, views: np.ndarray) -> None:
    model = small_model(3, normalised=name != "hybrid")
    model.compile(keras.optimizers.SGD(0.1), LOSSES[name], run_eagerly=True)
    assert np.isfinite(model.train_on_batch(views, POINT))
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
