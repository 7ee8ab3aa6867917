import keras
import numpy as np
import pytest

from helpers.networks.blocks import patch_input
from helpers.networks.denoisers import unit_range, without_noise
from helpers.networks.descriptors import hardnet, l2net
from helpers.networks.pipeline import GreyLevels, join, join_end_to_end, predict_patches

numbers = keras.ops.convert_to_numpy


@pytest.mark.second_backend
def test_grey_levels_are_what_storing_as_bytes_gives():
    values = np.array([-3.0, 0.4, 127.9, 255.0, 300.0], np.float32)
    np.testing.assert_array_equal(numbers(GreyLevels()(values)), [0, 0, 127, 255, 255])


def test_the_descriptor_sees_what_the_denoiser_leaves():
    patch = patch_input()
    darker = keras.Model(patch, keras.layers.Rescaling(1.0, offset=-10.0)(patch))
    descriptor = l2net()
    patches = np.random.default_rng(0).integers(20, 200, (3, 32, 32, 1)).astype(np.float32)
    joined = join(darker, descriptor)
    np.testing.assert_allclose(
        numbers(joined(patches)), numbers(descriptor(patches - 10)), rtol=1e-5, atol=1e-5
    )


def test_without_a_denoiser_the_descriptor_sees_the_noisy_patch():
    descriptor = l2net()
    patches = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1)).astype(np.float32)
    np.testing.assert_array_equal(
        numbers(join(None, descriptor)(patches)), numbers(descriptor(patches))
    )


def test_end_to_end_nothing_is_cut_off_between_denoiser_and_descriptor():
    patch = patch_input()
    brighter = keras.Model(patch, keras.layers.Rescaling(1.0, offset=100.5)(patch))
    descriptor = l2net()
    patches = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1)).astype(np.float32)
    np.testing.assert_allclose(
        numbers(join_end_to_end(brighter, descriptor)(patches)),
        numbers(descriptor(patches + 100.5)),
        rtol=1e-5,
        atol=1e-4,
    )


def small_denoiser() -> keras.Model:
    noisy = patch_input()
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(unit_range(noisy))
    noise = keras.layers.Conv2D(1, 3, padding="same")(x)
    return keras.Model(noisy, without_noise(noisy, noise))


@pytest.mark.parametrize("joined_by", [join, join_end_to_end])
@pytest.mark.parametrize("frozen", [True, False])
def test_the_loss_of_the_descriptor_trains_a_denoiser_unless_it_is_frozen(joined_by, frozen):
    keras.utils.set_random_seed(0)  # by some other chances nothing passes the rectifiers
    denoiser, descriptor = small_denoiser(), hardnet(width=4)
    denoiser.trainable = not frozen
    before = denoiser.get_weights()
    model = joined_by(denoiser, descriptor)
    model.compile(keras.optimizers.SGD(0.1), "mean_squared_error", run_eagerly=True)
    patches = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1)).astype(np.float32)
    for _ in range(2):
        model.train_on_batch(patches, np.ones((4, 128), np.float32))
    moved = [np.any(old != new) for old, new in zip(before, denoiser.get_weights(), strict=True)]
    assert not any(moved) if frozen else all(moved)


def test_prediction_in_blocks_equals_prediction_at_once(monkeypatch):
    monkeypatch.setattr("helpers.networks.pipeline.PREDICT_BATCH", 4)
    descriptor = l2net()
    patches = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    at_once = numbers(descriptor(patches.reshape(9, 32, 32, 1).astype(np.float32)))
    blocks = predict_patches(descriptor, patches)
    assert blocks.shape == (3, 3, 128)
    np.testing.assert_allclose(blocks.reshape(9, 128), at_once, rtol=1e-4, atol=1e-5)
