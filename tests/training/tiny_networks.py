"""Networks of a few weights, which TensorFlow traces in a second; not a test itself."""

from dataclasses import replace

import keras
from keras import layers

from helpers.networks.blocks import patch_input, standardise
from helpers.settings import TrainingSettings


def tiny_denoiser() -> keras.Model:
    """Estimates the noise by two convolutions."""
    noisy = patch_input()
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(layers.Rescaling(1 / 255)(noisy))
    noise = layers.Conv2D(1, 3, padding="same", kernel_initializer="zeros")(x)
    clean = layers.Subtract()([noisy, layers.Rescaling(255.0)(noise)])
    return keras.Model(noisy, clean, name="tiny_denoiser")


def tiny_descriptor() -> keras.Model:
    """One convolution with all that a checkpoint must hold: batch statistics and dropout."""
    patch = patch_input()
    x = layers.Conv2D(8, 8, strides=8, activation="relu")(standardise(patch))
    x = layers.Dropout(0.1)(layers.BatchNormalization()(x))
    return keras.Model(
        patch, layers.UnitNormalization()(layers.Flatten()(x)), name="tiny_descriptor"
    )


def with_rate(settings: TrainingSettings, rate: float) -> TrainingSettings:
    """Any learning rate, below zero as well: so a training gets worse, which users cannot ask."""
    changed = replace(settings)
    object.__setattr__(changed, "learning_rate", rate)
    return changed


NETWORKS = {"denoiser": tiny_denoiser, "descriptor": tiny_descriptor}
