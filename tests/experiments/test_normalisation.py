"""Statistics of batch normalisation: those of the weights as they are, and of nothing in front."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from experiments import normalisation
from helpers import training
from helpers.networks.pipeline import join, join_end_to_end
from helpers.settings import SMOKE
from helpers.training import backend

SETTINGS = replace(SMOKE.improved_descriptor, batch=8, redraw=False)
numbers = keras.ops.convert_to_numpy


@pytest.fixture
def batches(tiny_store):
    return training.make_batches(SETTINGS, tiny_store, "train")


def descriptor(dropout: float = 0.0) -> keras.Model:
    options = {"width": 4, "dropout": dropout}
    return training.make_network(replace(SETTINGS, network_options=options))


def denoiser() -> keras.Model:
    patch = keras.Input((32, 32, 1))
    return keras.Model(patch, keras.layers.BatchNormalization(name="in_front")(patch))


def norms(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    return [x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)]


def test_they_are_means_over_the_batches_as_the_network_sees_them(batches):
    network = descriptor()
    first = norms(network)[0]
    before = keras.Model(network.input, first.input)
    views = [batches(step)[0][:, number] for step in range(2) for number in range(4)]
    seen = [numbers(before(view)) for view in views]
    normalisation.measure_statistics(join(None, network), batches, count=2)
    mean = np.mean([batch.mean(axis=(0, 1, 2)) for batch in seen], axis=0)
    variance = np.mean([batch.var(axis=(0, 1, 2)) for batch in seen], axis=0)
    np.testing.assert_allclose(numbers(first.moving_mean), mean, atol=1e-4)
    np.testing.assert_allclose(numbers(first.moving_variance), variance, rtol=1e-3)
    assert first.momentum == 0.99


def test_what_was_measured_before_leaves_no_trace(batches):
    network = descriptor()
    pipeline = join(None, network)
    normalisation.measure_statistics(pipeline, batches, count=2)
    once = [numbers(norm.moving_variance) for norm in norms(network)]
    for norm in norms(network):
        norm.moving_variance.assign(norm.moving_variance * 0 + 99.0)
    normalisation.measure_statistics(pipeline, batches, count=2)
    for norm, value in zip(norms(network), once, strict=True):
        np.testing.assert_allclose(numbers(norm.moving_variance), value, rtol=1e-5)


@pytest.mark.parametrize("joined", ["frozen", "end to end", "loaded end to end"])
def test_of_each_joining_the_descriptor_s_change_and_the_denoiser_s_stay(joined, batches):
    front, network = denoiser(), descriptor(dropout=0.3)
    pipeline = (join if joined == "frozen" else join_end_to_end)(front, network)
    if joined == "loaded end to end":
        pipeline = join(None, pipeline)  # as `evaluation.load_pipeline` hands it on
    normalisation.measure_statistics(pipeline, batches, count=1)
    np.testing.assert_array_equal(numbers(front.get_layer("in_front").moving_mean), 0)
    assert all(np.abs(numbers(norm.moving_mean)).max() > 0 for norm in norms(network))


def test_the_same_seed_gives_the_same_bits_also_where_dropout_is_at_work(batches, tmp_path):
    descriptor(dropout=0.3).save(tmp_path / "saved.keras")
    found = []
    for _ in range(2):
        backend.make_deterministic(1)
        network = keras.saving.load_model(tmp_path / "saved.keras")
        normalisation.measure_statistics(join(None, network), batches, count=2)
        found.append(numbers(norms(network)[-1].moving_variance))
    np.testing.assert_array_equal(*found)
