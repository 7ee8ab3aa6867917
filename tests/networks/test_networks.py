"""All networks, one by one: the checks that every network must pass."""

import re

import keras
import numpy as np
import pytest

from helpers.networks.blocks import macs
from helpers.networks.denoisers import DENOISERS
from helpers.networks.descriptors import DESCRIPTORS

# name -> (trainable parameters, multiply-adds of a patch); published or counted by hand
SIZES = {
    "shallow_unet": (59_777, 57_491_456),
    "residual_unet": (214_913, 30_703_616),
    "half_unet": (50_945, 5_111_808),
    "l2net": (1_336_032, 39_092_224),
    "hardnet": (1_334_560, 39_092_224),
}
# Without what experiments add to these dictionaries in the same process.
NETWORKS = {
    name: make
    for name, make in (DENOISERS | DESCRIPTORS).items()
    if make.__module__.startswith("helpers.")
}
numbers = keras.ops.convert_to_numpy


@pytest.fixture(scope="module")
def networks() -> dict[str, keras.Model]:
    keras.utils.set_random_seed(0)
    return {name: make() for name, make in NETWORKS.items()}


@pytest.fixture(scope="module")
def patches() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1)).astype(np.float32)


def trainable_parameters(network) -> int:
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


@pytest.mark.parametrize("name", NETWORKS)
def test_has_the_size_that_its_docstring_declares(name, networks):
    parameters, operations = SIZES[name]
    assert trainable_parameters(networks[name]) == parameters
    assert macs(networks[name]) == operations
    told = re.sub(r"\s+", " ", NETWORKS[name].__doc__)
    assert re.search(rf" {parameters:,} (trainable )?parameters", told)
    assert f" {operations / 1e6:.1f} M multiply-adds" in told


@pytest.mark.second_backend
@pytest.mark.parametrize("name", NETWORKS)
def test_keeps_the_declared_shape_and_type(name, networks, patches):
    answer = networks[name](patches)
    assert answer.shape == ((4, 32, 32, 1) if name in DENOISERS else (4, 128))
    assert keras.backend.standardize_dtype(answer.dtype) == "float32"
    assert networks[name].name.startswith(name)


@pytest.mark.parametrize("name", NETWORKS)
def test_three_steps_lower_the_loss_and_move_every_weight(name, patches):
    # Three steps: what lies before a layer that starts at zero moves only after that layer has.
    keras.utils.set_random_seed(1)
    options = {"dropout": 0.0} if name == "hardnet" else {}
    network = NETWORKS[name](**options)
    size = int(np.prod(network.output_shape[1:]))
    model = keras.Sequential([network, keras.layers.Reshape((size,))])
    # Clipped, since the baseline's gradients on raw grey levels are thousands; eager, which is
    # faster for so few steps than building a graph.
    optimizer = keras.optimizers.SGD(1e-2, clipnorm=1.0)
    model.compile(optimizer, "mean_squared_error", run_eagerly=True)
    before = network.get_weights()
    target = np.random.default_rng(1).normal(size=(4, size)).astype(np.float32)
    losses = [model.train_on_batch(patches, target) for _ in range(3)]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    for old, new, weight in zip(before, network.get_weights(), network.weights, strict=True):
        assert np.isfinite(new).all(), weight.path
        assert not np.array_equal(old, new), weight.path


@pytest.mark.parametrize("name", NETWORKS)
def test_saved_in_safe_mode_and_loaded_it_answers_the_same(name, networks, patches, tmp_path):
    network = networks[name]
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    before, after = numbers(network(patches)), numbers(loaded(patches))
    np.testing.assert_allclose(before, after, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_one_patch_is_not_influenced_by_the_others(name, networks, patches):
    together, alone = (numbers(networks[name](some)) for some in (patches, patches[2:3]))
    np.testing.assert_allclose(together[2:3], alone, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_constant_patch_gets_a_finite_answer(name, networks):
    flat = np.full((1, 32, 32, 1), 255, np.float32)
    assert np.isfinite(numbers(networks[name](flat))).all()


@pytest.mark.parametrize("name", ["residual_unet", "half_unet"])
def test_an_untrained_residual_denoiser_hands_the_patch_on_unchanged(name, networks, patches):
    np.testing.assert_array_equal(numbers(networks[name](patches)), patches)


def test_descriptors_have_unit_length(networks, patches):
    lengths = np.linalg.norm(numbers(networks["hardnet"](patches)), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


def test_descriptors_do_not_see_gain_and_bias_of_the_light(networks, patches):
    network = networks["hardnet"]
    bright, dim = (numbers(network(some)) for some in (patches, 0.5 * patches + 40))
    np.testing.assert_allclose(bright, dim, atol=2e-3)


def test_half_the_width_costs_about_a_quarter(networks):
    narrow, full = macs(DESCRIPTORS["hardnet"](width=16)), macs(networks["hardnet"])
    assert 0.24 * full < narrow < 0.28 * full


# Counted by hand, for width 16: the convolutions in their order, and the last one.
BODY_COSTS = {
    "halving": 9 * (256 * (16 + 256) + 64 * (512 + 1024 + 2048 + 4096)) + 64 * 64 * 128,
    "desdis": 9 * (256 * 16 + 64 * 512 + 16 * (2048 + 4096)) + 16 * 64 * 128,
}


@pytest.mark.parametrize(("body", "cost"), BODY_COSTS.items())
def test_a_body_that_begins_with_a_stride_is_cheaper(body, cost, patches):
    network = DESCRIPTORS["hardnet"](width=16, body=body)
    assert macs(network) == cost < macs(DESCRIPTORS["hardnet"](width=16)) * 0.6
    np.testing.assert_allclose(np.linalg.norm(numbers(network(patches)), axis=1), 1, atol=1e-5)
