"""Descriptors: (B, 32, 32, 1) patches in grey levels 0..255 -> (B, 128) numbers."""

import keras
from keras import layers

from helpers.networks.blocks import conv_norm_relu, patch_input

BODY = ((32, 1), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1))  # (filters, stride), L2-Net table 1


def l2net() -> keras.Model:
    """The baseline descriptor: L2-Net on raw grey levels, output not normalised.

    Shape: (B, 32, 32, 1) -> (B, 128). 1,336,032 trainable parameters, 39.1 M multiply-adds a patch.

    Reference: Tian et al., L2-Net, CVPR 2017, as simplified by the coursework's baseline.
    """
    patch = x = patch_input()
    for number, (filters, stride) in enumerate(BODY, start=1):
        x = conv_norm_relu(x, filters, stride, name=f"conv{number}")
    x = layers.Dropout(0.3, name="dropout")(x)
    x = layers.Conv2D(128, 8, kernel_initializer="he_normal", name="conv7")(x)
    return keras.Model(patch, layers.Reshape((128,), name="descriptor")(x), name="l2net")


def hardnet(dropout: float = 0.3) -> keras.Model:
    """HardNet: the L2-Net body on standardised patches, with output of unit length.

    Args:
        dropout: share of the last feature map that is dropped in training.

    Shape: (B, 32, 32, 1) -> (B, 128) of unit length. 1,334,560 trainable parameters,
    39.1 M multiply-adds a patch.

    Reference: Mishchuk et al., HardNet, NIPS 2017 (arXiv 1705.10872).
    """
    patch = patch_input()
    # Each patch to mean 0 and variance 1, so that gain and bias of the light drop out. The epsilon
    # of one squared grey level keeps flat patches flat instead of blowing up their rounding noise.
    x = layers.LayerNormalization(
        axis=(1, 2, 3), center=False, scale=False, epsilon=1.0, name="standardise"
    )(patch)
    for number, (filters, stride) in enumerate(BODY, start=1):
        x = conv_norm_relu(x, filters, stride, affine=False, name=f"conv{number}")
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv2D(
        128, 8, use_bias=False, kernel_initializer=keras.initializers.Orthogonal(0.6), name="conv7"
    )(x)
    x = layers.BatchNormalization(center=False, scale=False, name="conv7_norm")(x)
    x = layers.Reshape((128,), name="vector")(x)
    return keras.Model(patch, layers.UnitNormalization(name="descriptor")(x), name="hardnet")


DESCRIPTORS = {"l2net": l2net, "hardnet": hardnet}
