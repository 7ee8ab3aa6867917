"""Descriptors: (B, 32, 32, 1) patches in grey levels 0..255 -> (B, 128) numbers.

All but the baseline standardise the patch first and give vectors of unit length. What comes just
before the scaling to unit length is the raw vector, see `pipeline.raw_vectors`.
"""

import keras
from keras import layers

from helpers.networks.blocks import (
    FilterResponseNorm,
    ThresholdedUnit,
    conv_norm_relu,
    patch_input,
    residual_norm_block,
    standardise,
)

BODY = ((1, 1), (1, 1), (2, 2), (2, 1), (4, 2), (4, 1))  # (filters / width, stride), L2-Net table 1


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


def hardnet(width: int = 32, dropout: float = 0.3) -> keras.Model:
    """HardNet: the L2-Net body on standardised patches, with output of unit length.

    SOSNet is the same network trained with another loss, `losses.second_order`.

    Args:
        width: filters of the first two convolutions; 32 in the paper. Cost and parameters fall with
            its square: 24 takes 22.2 M multiply-adds, 16 takes 10.1 M.
        dropout: share of the last feature map that is dropped in training.

    Shape: (B, 32, 32, 1) -> (B, 128) of unit length. At width 32: 1,334,560 trainable parameters,
    39.1 M multiply-adds a patch.

    References: Mishchuk et al., HardNet, NIPS 2017 (arXiv 1705.10872); Tian et al., SOSNet, CVPR
    2019 (arXiv 1904.05019).
    """
    patch = patch_input()
    x = standardise(patch)
    for number, (filters, stride) in enumerate(BODY, start=1):
        x = conv_norm_relu(x, width * filters, stride, affine=False, name=f"conv{number}")
    return keras.Model(patch, _unit_vector(x, dropout), name="hardnet")


def hynet(width: int = 32, dropout: float = 0.3) -> keras.Model:
    """HyNet: the L2-Net body with filter response normalisation and learned thresholds.

    Batch normalisation remains only at the end. HyNet also normalises its input; here the patch is
    standardised before, as HyNet's own step leaves the bias of the light in.

    Args:
        width, dropout: as in `hardnet`.

    Shape: (B, 32, 32, 1) -> (B, 128) of unit length. At width 32: 1,336,355 trainable parameters,
    39.1 M multiply-adds a patch.

    Reference: Tian et al., HyNet, NeurIPS 2020 (arXiv 2006.10202).
    """
    patch = patch_input()
    x = _response_norm(standardise(patch), "patch")
    for number, (filters, stride) in enumerate(BODY, start=1):
        x = layers.Conv2D(
            width * filters,
            3,
            strides=stride,
            padding="same",
            kernel_initializer=keras.initializers.Orthogonal(0.6),
            name=f"conv{number}",
        )(x)
        x = _response_norm(x, f"conv{number}")
    return keras.Model(patch, _unit_vector(x, dropout), name="hynet")


def resnet_descriptor(width: int = 16, depth: int = 2, dropout: float = 0.3) -> keras.Model:
    """A small residual body: most of its work is done at 16x16 and 8x8, where it is cheap.

    Args:
        width: filters at full resolution; doubled at 16x16 and again at 8x8.
        depth: residual blocks at each of the two coarser resolutions.
        dropout: as in `hardnet`.

    Shape: (B, 32, 32, 1) -> (B, 128) of unit length. At width 16 and depth 2: 732,176 trainable
    parameters, 21.9 M multiply-adds a patch.

    Reference: He et al., 2015 (arXiv 1512.03385), for the blocks; the ends are HardNet's.
    """
    patch = patch_input()
    x = conv_norm_relu(standardise(patch), width, affine=False, name="stem")
    for stage, filters in enumerate((2 * width, 4 * width), start=1):
        x = conv_norm_relu(x, filters, strides=2, affine=False, name=f"down{stage}")
        for number in range(1, depth + 1):
            x = residual_norm_block(x, filters, name=f"block{stage}_{number}")
    return keras.Model(patch, _unit_vector(x, dropout), name="resnet_descriptor")


def _response_norm(x, name: str):
    return ThresholdedUnit(name=f"{name}_unit")(FilterResponseNorm(name=f"{name}_norm")(x))


def _unit_vector(x, dropout: float):
    """How HardNet ends: the 8x8 feature map becomes 128 numbers of unit length."""
    x = layers.Dropout(dropout, name="dropout")(x)
    orthogonal = keras.initializers.Orthogonal(0.6)
    x = layers.Conv2D(128, 8, use_bias=False, kernel_initializer=orthogonal, name="conv7")(x)
    x = layers.BatchNormalization(center=False, scale=False, name="conv7_norm")(x)
    x = layers.Reshape((128,), name="vector")(x)
    return layers.UnitNormalization(name="descriptor")(x)


DESCRIPTORS = {
    "l2net": l2net,
    "hardnet": hardnet,
    "hynet": hynet,
    "resnet_descriptor": resnet_descriptor,
}
