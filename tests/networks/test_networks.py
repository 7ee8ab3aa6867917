"""All networks, one by one: the six checks that every network must pass."""

import keras
import numpy as np
import pytest

from helpers.networks.blocks import multiply_adds
from helpers.networks.denoisers import DENOISERS
from helpers.networks.descriptors import DESCRIPTORS

# name -> (trainable parameters, multiply-adds of a patch); published or counted by hand
SIZES = {
    "shallow_unet": (59_777, 57_491_456),
    "l2net": (1_336_032, 39_092_224),
    "hardnet": (1_334_560, 39_092_224),
    "residual_unet": (214_913, 30_703_616),
}
NETWORKS = DENOISERS | DESCRIPTORS
numbers = keras.ops.convert_to_numpy


@pytest.fixture(scope="module", params=NETWORKS)
def network(request) -> keras.Model:
    keras.utils.set_random_seed(0)
    return NETWORKS[request.param]()


@pytest.fixture(scope="module")
def patches() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1)).astype(np.float32)


def registered_name(network) -> str:
    return next(name for name in NETWORKS if network.name.startswith(name))


def test_has_the_declared_number_of_trainable_parameters(network):
    assert (
        sum(np.prod(w.shape) for w in network.trainable_weights)
        == SIZES[registered_name(network)][0]
    )


def test_has_the_declared_number_of_multiply_adds(network):
    assert multiply_adds(network) == SIZES[registered_name(network)][1]


def test_keeps_the_declared_shape(network, patches):
    expected = (4, 32, 32, 1) if registered_name(network) in DENOISERS else (4, 128)
    assert network(patches).shape == expected


def test_three_steps_move_every_weight_by_a_finite_amount(patches):
    # Three steps: what lies before a layer that starts at zero moves only after that layer has.
    for make in NETWORKS.values():
        network = make()
        size = int(np.prod(network.output_shape[1:]))
        model = keras.Sequential([network, keras.layers.Reshape((size,))])
        model.compile(keras.optimizers.Adam(1e-3), "mean_squared_error", jit_compile=False)
        before = network.get_weights()
        target = np.random.default_rng(1).normal(size=(4, size)).astype(np.float32)
        for _ in range(3):
            assert np.isfinite(model.train_on_batch(patches, target))
        for old, new, weight in zip(before, network.get_weights(), network.weights, strict=True):
            assert np.isfinite(new).all(), weight.path
            assert not np.array_equal(old, new), weight.path


def test_saved_in_safe_mode_and_loaded_it_answers_the_same(network, patches, tmp_path):
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    before, after = numbers(network(patches)), numbers(loaded(patches))
    np.testing.assert_allclose(before, after, rtol=1e-6, atol=1e-6)


def test_one_patch_is_not_influenced_by_the_others(network, patches):
    together, alone = numbers(network(patches)), numbers(network(patches[2:3]))
    np.testing.assert_allclose(together[2:3], alone, rtol=1e-3, atol=1e-3)


def test_an_untrained_residual_unet_hands_the_patch_on_unchanged(patches):
    np.testing.assert_array_equal(numbers(DENOISERS["residual_unet"]()(patches)), patches)


def test_hardnet_descriptors_have_unit_length(patches):
    lengths = np.linalg.norm(numbers(DESCRIPTORS["hardnet"]()(patches)), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


def test_hardnet_does_not_see_gain_and_bias_of_the_light(patches):
    hardnet = DESCRIPTORS["hardnet"]()
    bright, dim = numbers(hardnet(patches)), numbers(hardnet(0.5 * patches + 40))
    np.testing.assert_allclose(bright, dim, atol=2e-3)


def test_a_constant_patch_gets_finite_descriptors():
    flat = np.full((2, 32, 32, 1), 255, np.float32)
    for make in DESCRIPTORS.values():
        assert np.isfinite(numbers(make()(flat))).all()
