import keras
import numpy as np

from helpers.networks.blocks import patch_input
from helpers.networks.descriptors import l2net
from helpers.networks.pipeline import GreyLevels, describe, join, predict_patches

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
    expected = tiny_store.noisy[tiny_store.sequences[name]].mean(axis=(2, 3)).T[..., None]
    assert set(found) == set(tiny_store.parts["test"])
    np.testing.assert_allclose(found[name], expected, rtol=1e-5)
