"""All networks, one by one: the checks that every network must pass."""

import re

import keras
import numpy as np
import pytest

from helpers.dataset.noise import noise_profile
from helpers.networks.blocks import (
    FilterResponseNorm,
    NoiseProfile,
    ThresholdedUnit,
    gate,
    macs,
)
from helpers.networks.denoisers import DENOISERS
from helpers.networks.descriptors import DESCRIPTORS

# name -> (trainable parameters, multiply-adds of a patch); published or counted by hand
SIZES = {
    "shallow_unet": (59_777, 57_491_456),
    "residual_unet": (214_913, 30_703_616),
    "dncnn": (21_289, 21_676_032),
    "ffdnet": (86_641, 22_118_400),
    "nafnet_tiny": (72_433, 11_221_504),
    "l2net": (1_336_032, 39_092_224),
    "hardnet": (1_334_560, 39_092_224),
    "hynet": (1_336_355, 39_092_224),
    "resnet_descriptor": (732_176, 21_905_408),
}
BASELINE = ("shallow_unet", "l2net")
NETWORKS = DENOISERS | DESCRIPTORS
RESIDUAL = [name for name in DENOISERS if name not in BASELINE]
STANDARDISED = [name for name in DESCRIPTORS if name not in BASELINE]
BIAS_FREE = ("residual_unet", "dncnn", "ffdnet")
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


def randomise(network) -> None:
    """No layer starts at zero any more, so that every layer has a say."""
    rng = np.random.default_rng(1)
    network.set_weights([rng.normal(0, 0.1, w.shape) for w in network.get_weights()])


@pytest.mark.parametrize("name", NETWORKS)
def test_has_the_size_that_its_docstring_declares(name, networks):
    parameters, operations = SIZES[name]
    assert trainable_parameters(networks[name]) == parameters
    assert macs(networks[name]) == operations
    told = re.sub(r"\s+", " ", NETWORKS[name].__doc__)
    assert re.search(rf" {parameters:,} (trainable )?parameters", told)
    assert f" {operations / 1e6:.1f} M multiply-adds" in told


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
    options = {} if name in DENOISERS or name == "l2net" else {"dropout": 0.0}
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


@pytest.mark.parametrize("name", RESIDUAL)
def test_an_untrained_residual_denoiser_hands_the_patch_on_unchanged(name, networks, patches):
    np.testing.assert_array_equal(numbers(networks[name](patches)), patches)


@pytest.mark.parametrize("name", RESIDUAL)
def test_a_profile_and_its_weights_survive_saving(name, patches, tmp_path):
    network = DENOISERS[name](width=8, profile=True)
    randomise(network)
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    answer = numbers(network(patches))
    np.testing.assert_allclose(answer, numbers(loaded(patches)), rtol=1e-5, atol=1e-3)
    more = trainable_parameters(network) - trainable_parameters(DENOISERS[name](width=8))
    assert more == {"ffdnet": 36 * 8}.get(name, 9 * 8)  # one more channel into the first layer


@pytest.mark.parametrize("name", BIAS_FREE)
def test_a_bias_free_denoiser_is_proportional_to_its_input(name, patches):
    network = DENOISERS[name](width=8, bias=False)
    randomise(network)
    once, twice = numbers(network(patches)), numbers(network(2 * patches))
    assert np.abs(once - patches).max() > 1  # it does something
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("name", STANDARDISED)
def test_descriptors_have_unit_length(name, networks, patches):
    lengths = np.linalg.norm(numbers(networks[name](patches)), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


@pytest.mark.parametrize("name", STANDARDISED)
def test_descriptors_do_not_see_gain_and_bias_of_the_light(name, networks, patches):
    bright, dim = (numbers(networks[name](some)) for some in (patches, 0.5 * patches + 40))
    np.testing.assert_allclose(bright, dim, atol=2e-3)


@pytest.mark.parametrize("name", STANDARDISED)
def test_half_the_width_costs_about_a_quarter(name, networks):
    width = {"resnet_descriptor": 8}.get(name, 16)
    narrow, full = macs(DESCRIPTORS[name](width=width)), macs(networks[name])
    assert 0.24 * full < narrow < 0.28 * full


def test_depth_adds_convolutions_or_blocks():
    assert macs(DENOISERS["dncnn"](width=8, depth=4)) == 9 * 1024 * (8 + 2 * 64 + 8)
    assert macs(DENOISERS["ffdnet"](width=8, depth=4)) == 256 * (36 * 16 + 2 * 9 * 64)
    one, two = (trainable_parameters(DENOISERS["nafnet_tiny"](depth=depth)) for depth in (1, 2))
    block = {c: 7 * c**2 + 31 * c for c in (16, 32, 64)}
    assert two - one == 2 * block[16] + 2 * block[32] + block[64]


def test_the_noise_profile_is_added_as_a_channel(patches):
    seen = numbers(NoiseProfile()(patches))
    np.testing.assert_array_equal(seen[..., :1], patches)
    np.testing.assert_array_equal(seen[..., 1], np.broadcast_to(noise_profile(), (4, 32, 32)))


def test_filter_response_norm_by_hand():
    norm = FilterResponseNorm()
    norm.build((None, 1, 2, 1))
    norm.set_weights([np.array([2.0]), np.array([0.5])])
    x = np.array([3.0, 4.0], np.float32).reshape(1, 1, 2, 1)  # root mean square: 5 / sqrt(2)
    expected = 2 * x * np.sqrt(2) / 5 + 0.5
    np.testing.assert_allclose(numbers(norm(x)), expected, rtol=1e-5)


def test_a_gate_multiplies_the_halves_of_the_channels():
    x = np.array([[2.0, 3.0, 5.0, -7.0]], np.float32)
    np.testing.assert_array_equal(numbers(gate(x)), [[10.0, -21.0]])


def test_a_thresholded_unit_starts_by_cutting_at_minus_one():
    x = np.array([[-3.0, -0.5, 2.0]], np.float32)
    np.testing.assert_array_equal(numbers(ThresholdedUnit()(x)), [[-1.0, -0.5, 2.0]])
