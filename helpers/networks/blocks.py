"""Parts that several networks share; each takes a tensor `x` and returns the next one."""

import math
from typing import Annotated

import keras
from keras import layers
from pydantic import Field

PATCH_SHAPE = (32, 32, 1)  # rows, columns, grey
Width = Annotated[int, Field(ge=1, le=512)]  # filters, of an argument that settings can choose
Dropout = Annotated[float, Field(ge=0, lt=1)]


def patch_input() -> keras.KerasTensor:
    """Input of every network: (B, 32, 32, 1), grey levels 0..255 as float32."""
    return keras.Input(PATCH_SHAPE, name="patch")


def standardise(x):
    """Each patch to mean 0 and variance 1, so that gain and bias of the light drop out.

    The epsilon of one squared grey level keeps flat patches flat instead of blowing up their
    rounding noise.
    """
    return layers.LayerNormalization(
        axis=(1, 2, 3), center=False, scale=False, epsilon=1.0, name="standardise"
    )(x)


def conv_norm_relu(x, filters: int, strides: int = 1, affine: bool = True, name: str = "conv"):
    """3x3 convolution, batch normalisation, relu: the unit that L2-Net and HardNet are made of.

    Args:
        affine: True as in L2-Net (bias, scale and offset are learned); False as in HardNet, which
            learns none of the three and starts from orthogonal weights.
    """
    x = layers.Conv2D(
        filters,
        3,
        strides=strides,
        padding="same",
        use_bias=affine,
        kernel_initializer="he_normal" if affine else keras.initializers.Orthogonal(0.6),
        name=name,
    )(x)
    x = layers.BatchNormalization(center=affine, scale=affine, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def residual_block(x, filters: int, name: str):
    """x + conv(relu(conv(x))), without normalisation (He et al., arXiv 1512.03385, figure 2).

    Batch normalisation is left out: it ties the brightness of a denoised patch to its batch. The
    second convolution starts at zero, so that the block starts as the identity.
    """
    y = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"{name}_1")(x)
    y = layers.Conv2D(filters, 3, padding="same", kernel_initializer="zeros", name=f"{name}_2")(y)
    return layers.Add(name=f"{name}_add")([x, y])


def macs(model: keras.Model) -> int:
    """Multiply-adds of one patch: convolutions and dense layers, at their declared shapes."""
    return sum(_layer_macs(layer) for layer in model.layers)


def _layer_macs(layer: keras.Layer) -> int:
    if isinstance(layer, keras.Model):
        return macs(layer)
    # A transposed convolution applies its kernel once an input position, the others once an output.
    if isinstance(layer, layers.Conv2DTranspose):
        positions = layer.input.shape[1:-1]
    elif isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D | layers.Dense):
        positions = layer.output.shape[1:-1]
    else:
        return 0
    return math.prod(positions) * math.prod(layer.kernel.shape)
