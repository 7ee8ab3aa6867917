"""Parts that several networks share; each takes a tensor `x` and returns the next one."""

import math

import keras
from keras import layers, ops

from helpers.dataset.noise import noise_profile

PATCH_SHAPE = (32, 32, 1)  # rows, columns, grey


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


def residual_block(x, filters: int, name: str, bias: bool = True):
    """x + conv(relu(conv(x))), without normalisation (He et al., arXiv 1512.03385, figure 2).

    Batch normalisation is left out: it ties the brightness of a denoised patch to its batch. The
    second convolution starts at zero, so that the block starts as the identity.
    """
    settings = {"padding": "same", "use_bias": bias}
    y = layers.Conv2D(filters, 3, activation="relu", name=f"{name}_1", **settings)(x)
    y = layers.Conv2D(filters, 3, kernel_initializer="zeros", name=f"{name}_2", **settings)(y)
    return layers.Add(name=f"{name}_add")([x, y])


def residual_norm_block(x, filters: int, name: str):
    """relu(x + norm(conv(relu(norm(conv(x)))))), He et al.'s block, which starts as the identity.

    For descriptors, where batch normalisation does no harm.
    """
    y = conv_norm_relu(x, filters, affine=False, name=f"{name}_1")
    y = layers.Conv2D(
        filters,
        3,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.Orthogonal(0.6),
        name=f"{name}_2",
    )(y)
    y = layers.BatchNormalization(gamma_initializer="zeros", name=f"{name}_2_norm")(y)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


def nonlinear_free_block(x, filters: int, name: str):
    """The block of NAFNet, which has a product of two halves where others have a relu.

    x + conv(attention(gate(depthwise(conv(norm(x)))))), then x + conv(gate(conv(norm(x)))). The
    convolution that ends each branch starts at zero; NAFNet scales each branch by weights that
    start at zero instead, which a convolution can absorb.

    Reference: Chen et al., NAFNet, ECCV 2022 (arXiv 2204.04676).
    """
    zeros = {"kernel_initializer": "zeros"}
    y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm1")(x)
    y = layers.Conv2D(2 * filters, 1, name=f"{name}_widen1")(y)
    y = gate(layers.DepthwiseConv2D(3, padding="same", name=f"{name}_depthwise")(y))
    mean = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(y)
    attention = layers.Conv2D(filters, 1, name=f"{name}_attention")(mean)
    y = layers.Multiply(name=f"{name}_attend")([y, attention])
    y = layers.Conv2D(filters, 1, name=f"{name}_narrow1", **zeros)(y)
    x = layers.Add(name=f"{name}_add1")([x, y])
    y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm2")(x)
    y = gate(layers.Conv2D(2 * filters, 1, name=f"{name}_widen2")(y))
    y = layers.Conv2D(filters, 1, name=f"{name}_narrow2", **zeros)(y)
    return layers.Add(name=f"{name}_add2")([x, y])


def gate(x):
    """Product of the first and the second half of the channels."""
    first, second = ops.split(x, 2, axis=-1)
    return first * second


@keras.saving.register_keras_serializable("n-hpatches")
class NoiseProfile(layers.Layer):
    """Adds a channel: how strong the noise is at each pixel, as a share of that at 65 px.

    Noise that is drawn at 65 px and resized without anti-aliasing is nearly twice as strong in the
    centre of the 32 px patch as in its corners (`helpers.dataset.noise`). The profile is a
    constant of the recipe; the level of the noise is still for the network to find out.

    Shape: (B, 32, 32, C) -> (B, 32, 32, C + 1).

    Reference: Zhang et al., FFDNet, 2018 (arXiv 1710.04026), for a noise map as input.
    """

    def call(self, x):
        profile = ops.convert_to_tensor(noise_profile()[..., None], x.dtype)
        return ops.concatenate([x, ops.zeros_like(x[..., :1]) + profile], axis=-1)


@keras.saving.register_keras_serializable("n-hpatches")
class FilterResponseNorm(layers.Layer):
    """scale * x / sqrt(mean of x^2 over the patch + 1e-6) + offset, each channel by itself.

    Unlike batch normalisation it looks at one patch only, in training as in use.

    Reference: Singh and Krishnan, CVPR 2020 (arXiv 1911.09737).
    """

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], initializer="ones", name="scale")
        self.offset = self.add_weight(shape=shape[-1:], initializer="zeros", name="offset")

    def call(self, x):
        power = ops.mean(ops.square(x), axis=(1, 2), keepdims=True)
        return self.scale * x * ops.rsqrt(power + 1e-6) + self.offset


@keras.saving.register_keras_serializable("n-hpatches")
class ThresholdedUnit(layers.Layer):
    """max(x, threshold), the threshold learned for each channel from -1 on.

    Reference: Singh and Krishnan, CVPR 2020 (arXiv 1911.09737), who call it TLU.
    """

    def build(self, shape):
        start = keras.initializers.Constant(-1.0)
        self.threshold = self.add_weight(shape=shape[-1:], initializer=start, name="threshold")

    def call(self, x):
        return ops.maximum(x, self.threshold)


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
