import keras
import numpy as np
import pytest

from helpers.networks.blocks import patch_input
from helpers.networks.denoisers import ffdnet
from helpers.networks.descriptors import hardnet, l2net
from helpers.networks.pipeline import (
    GreyLevels,
    describe,
    join,
    join_end_to_end,
    predict_patches,
    raw_vectors,
)

numbers = keras.ops.convert_to_numpy


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


@pytest.mark.parametrize("joined_by", [join, join_end_to_end])
@pytest.mark.parametrize("frozen", [True, False])
def test_the_loss_of_the_descriptor_trains_a_denoiser_unless_it_is_frozen(joined_by, frozen):
    denoiser, descriptor = ffdnet(width=8, depth=3), hardnet(width=8)
    denoiser.trainable = not frozen
    before = denoiser.get_weights()
    model = joined_by(denoiser, descriptor)
    model.compile(keras.optimizers.SGD(0.1), "mean_squared_error", run_eagerly=True)
    patches = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1)).astype(np.float32)
    for _ in range(2):
        model.train_on_batch(patches, np.ones((4, 128), np.float32))
    moved = [np.any(old != new) for old, new in zip(before, denoiser.get_weights(), strict=True)]
    assert not any(moved) if frozen else all(moved)


def test_raw_vectors_are_the_descriptors_before_their_scaling():
    descriptor = hardnet(width=8)
    patches = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1)).astype(np.float32)
    raw = numbers(raw_vectors(descriptor)(patches))
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.ptp(lengths) > 1e-3
    np.testing.assert_allclose(raw / lengths, numbers(descriptor(patches)), atol=1e-5)


def test_a_descriptor_without_scaling_is_raw_already():
    descriptor = l2net()
    assert raw_vectors(descriptor) is descriptor


def test_prediction_in_blocks_equals_prediction_at_once(monkeypatch):
    monkeypatch.setattr("helpers.networks.pipeline.PREDICT_BATCH", 4)
    descriptor = l2net()
    patches = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    at_once = numbers(descriptor(patches.reshape(9, 32, 32, 1).astype(np.float32)))
    blocks = predict_patches(descriptor, patches)
    assert blocks.shape == (3, 3, 128)
    np.testing.assert_allclose(blocks.reshape(9, 128), at_once, rtol=1e-4, atol=1e-5)


def test_descriptors_come_strip_by_strip_as_the_benchmark_takes_them(tiny_store):
    patch = patch_input()
    mean = keras.Model(patch, keras.layers.GlobalAveragePooling2D()(patch))
    found = describe(mean, tiny_store, tiny_store.parts["test"])
    name = tiny_store.parts["test"][1]
    expected = tiny_store.noisy[tiny_store.scenes[name]].mean(axis=(2, 3)).T[..., None]
    assert set(found) == set(tiny_store.parts["test"])
    np.testing.assert_allclose(found[name], expected, rtol=1e-5)
