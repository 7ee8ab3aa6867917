"""Statistics of batch normalisation that belong to the weights as they are at the end.

Keras follows mean and variance with a momentum of 0.99, so they belong to the weights of the last
hundred passes. In a short training, or at a constant rate, the weights have moved on since; and
averaged weights (`averaging`) have no statistics of their own.
"""

from collections.abc import Callable

import keras
from keras import layers

BATCHES = 40


def recalibrate_batch_norm(
    pipeline: keras.Model, batches: Callable[[int], tuple], count: int = BATCHES
) -> None:
    """Sets the statistics of a pipeline's descriptor to their means over `count` batches.

    Each view goes through by itself, as in training. A denoiser in front is frozen, and stays
    so. Dropout is at work, as in training: seed Keras before the pipeline is loaded.

    Args:
        pipeline: (B, 32, 32, 1) -> (B, D), as `load_pipeline` gives it.
        batches: step -> ((B, K, 32, 32, 1), ...), such as `Views`.
    """
    found = _descriptor(pipeline).layers
    norms = [layer for layer in found if isinstance(layer, layers.BatchNormalization)]
    usual = [norm.momentum for norm in norms]
    seen = 0
    for step in range(count):
        views = batches(step)[0]
        for number in range(views.shape[1]):
            for norm in norms:
                norm.momentum = seen / (seen + 1)  # which makes the moving average a mean
            pipeline(views[:, number], training=True)
            seen += 1
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum


def _descriptor(pipeline: keras.Model) -> keras.Model:
    """The last network in a pipeline; what is in front of it is frozen."""
    network = pipeline
    while isinstance(network.layers[-1], keras.Model):  # two deep if the denoiser learned along
        *front, network = network.layers
        for layer in front:
            layer.trainable = False
    return network
