"""Descriptors: (B, 32, 32, 1) patches in grey levels 0..255 -> (B, 128) numbers.

All but the baseline standardise the patch first and give vectors of unit length.
"""

from typing import Literal

import keras
from keras import layers

from helpers.networks.blocks import Dropout, Width, conv_norm_relu, patch_input, standardise

BODY = ((1, 1), (1, 1), (2, 2), (2, 1), (4, 2), (4, 1))  # (filters / width, stride), L2-Net table 1
BODIES = {
    "l2net": BODY,
    "halving": ((1, 2), (1, 1), (2, 2), (2, 1), (4, 1), (4, 1)),  # ends at 8x8 as L2-Net does
    "desdis": ((1, 2), (2, 2), (4, 2), (4, 1)),  # ends at 4x4
}


def l2net() -> keras.Model:
    """The baseline descriptor: L2-Net on raw grey levels, output not normalised.

    Shape: (B, 32, 32, 1) -> (B, 128). 1,336,032 trainable parameters, 39.1 M multiply-adds a patch.

    Reference: Tian et al., L2-Net, CVPR 2017, as simplified by the coursework's baseline.
    """
    patch = x = patch_input()
    for number, (filters, stride) in enumerate(BODY, start=1):
        x = conv_norm_relu(x, 32 * filters, stride, name=f"conv{number}")
    x = layers.Dropout(0.3, name="dropout")(x)
    x = layers.Conv2D(128, 8, kernel_initializer="he_normal", name="conv7")(x)
    return keras.Model(patch, layers.Reshape((128,), name="descriptor")(x), name="l2net")


def hardnet(
    width: Width = 32,
    dropout: Dropout = 0.3,
    body: Literal["l2net", "halving", "desdis"] = "l2net",
) -> keras.Model:
    """HardNet: the L2-Net body on standardised patches, with output of unit length.

    Args:
        width: filters of the first convolution; 32 in the paper. Cost and parameters fall with its
            square: 24 takes 22.2 M multiply-adds, 16 takes 10.1 M.
        dropout: share of the last feature map that is dropped in training.
        body: the convolutions before the last, one in BODIES. Those whose first one halves the
            resolution are cheaper: at width 32 "halving" takes 21.2 M multiply-adds and "desdis",
            DesDis' body, 5.1 M.

    Shape: (B, 32, 32, 1) -> (B, 128) of unit length. At width 32: 1,334,560 trainable parameters,
    39.1 M multiply-adds a patch.

    References: Mishchuk et al., HardNet, NIPS 2017 (arXiv 1705.10872); Liu and Dong, Descriptor
    Distillation, IJCV 2024, for its body.
    """
    patch = patch_input()
    x = standardise(patch)
    for number, (filters, stride) in enumerate(BODIES[body], start=1):
        x = conv_norm_relu(x, width * filters, stride, affine=False, name=f"conv{number}")
    return keras.Model(patch, unit_vector(x, dropout), name="hardnet")


def unit_vector(x, dropout: float):
    """How HardNet ends: the square feature map becomes 128 numbers of unit length."""
    x = layers.Dropout(dropout, name="dropout")(x)
    whole = {"kernel_size": x.shape[1], "use_bias": False}
    orthogonal = keras.initializers.Orthogonal(0.6)
    x = layers.Conv2D(128, kernel_initializer=orthogonal, name="conv7", **whole)(x)
    x = layers.BatchNormalization(center=False, scale=False, name="conv7_norm")(x)
    x = layers.Reshape((128,), name="vector")(x)
    return layers.UnitNormalization(name="descriptor")(x)


DESCRIPTORS = {"l2net": l2net, "hardnet": hardnet}
