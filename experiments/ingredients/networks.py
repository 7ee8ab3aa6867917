"""Denoisers and descriptors that were compared with those in `helpers.networks`.

Denoisers (B, 32, 32, 1) -> (B, 32, 32, 1) estimate the noise and subtract it. `width`: filters at
the finest resolution; `depth`: convolutions (`dncnn`, `ffdnet`) or blocks at each resolution.
"""

from functools import partial

import keras
from keras import layers, ops

from helpers.dataset.noise import noise_profile
from helpers.networks.blocks import conv_norm_relu, patch_input, standardise
from helpers.networks.denoisers import unit_range, without_noise
from helpers.networks.descriptors import BODY, unit_vector
from helpers.training.registry import DENOISERS, DESCRIPTORS

register = keras.saving.register_keras_serializable("n-hpatches")
orthogonal = partial(keras.initializers.Orthogonal, 0.6)


@register
class NoiseProfile(layers.Layer):
    """Adds a channel: the noise at each pixel as a share of that at 65 px, (B, 32, 32, C + 1)."""

    def call(self, x):
        profile = ops.convert_to_tensor(noise_profile()[..., None], x.dtype)
        return ops.concatenate([x, ops.zeros_like(x[..., :1]) + profile], axis=-1)


@register
class FilterResponseNorm(layers.Layer):
    """scale * x / sqrt(mean of x^2 over the patch + 1e-6) + offset (arXiv 1911.09737)."""

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], initializer="ones", name="scale")
        self.offset = self.add_weight(shape=shape[-1:], initializer="zeros", name="offset")

    def call(self, x):
        power = ops.mean(ops.square(x), axis=(1, 2), keepdims=True)
        return self.scale * x * ops.rsqrt(power + 1e-6) + self.offset


@register
class ThresholdedUnit(layers.Layer):
    """max(x, threshold), the threshold learned for each channel from -1 on (arXiv 1911.09737)."""

    def build(self, shape):
        start = keras.initializers.Constant(-1.0)
        self.threshold = self.add_weight(shape=shape[-1:], initializer=start, name="threshold")

    def call(self, x):
        return ops.maximum(x, self.threshold)


def unet_variant(width: int = 16, profile: bool = False, bias: bool = True) -> keras.Model:
    """`residual_unet`, with the known profile of the noise as a second channel, or without biases.

    Without biases k times the input gives k times the output (Mohan et al., arXiv 1906.05478).
    """
    conv = partial(layers.Conv2D, padding="same", use_bias=bias)

    def block(x, filters):
        y = conv(filters, 3, activation="relu")(x)
        return layers.Add()([x, conv(filters, 3, kernel_initializer="zeros")(y)])

    noisy = patch_input()
    x = unit_range(noisy)
    x = conv(width, 3)(NoiseProfile()(x) if profile else x)
    x = _u_shape(x, width, block, (1, 2), (bias, bias))
    noise = conv(1, 3, kernel_initializer="zeros")(x)
    return keras.Model(noisy, without_noise(noisy, noise), name=f"unet_variant_{width}")


def nafnet_tiny(width: int = 16, depth: int = 1) -> keras.Model:
    """A small NAFNet, whose blocks have no activation function (arXiv 2204.04676)."""
    noisy = patch_input()
    x = layers.Conv2D(width, 3, padding="same")(unit_range(noisy))
    x = _u_shape(x, width, _nonlinear_free_block, (depth, depth), (True, False))
    noise = layers.Conv2D(1, 3, padding="same", kernel_initializer="zeros")(x)
    return keras.Model(noisy, without_noise(noisy, noise), name=f"nafnet_tiny_{width}")


def _u_shape(x, width: int, block, blocks: tuple[int, int], biases: tuple[bool, bool]):
    """`block(x, filters)` at three resolutions, down and up again.

    Args:
        blocks: how many at the two finer resolutions, and at the coarsest.
        biases: whether the layers that go down have some, and those that go up.
    """

    def several(x, filters, count=blocks[0]):
        for _ in range(count):
            x = block(x, filters)
        return x

    down = partial(layers.Conv2D, kernel_size=2, strides=2, use_bias=biases[0])
    up = partial(layers.Conv2DTranspose, kernel_size=2, strides=2, use_bias=biases[1])
    fine = several(x, width)
    middle = several(down(2 * width)(fine), 2 * width)
    x = several(down(4 * width)(middle), 4 * width, blocks[1])
    x = several(layers.Add()([up(2 * width)(x), middle]), 2 * width)
    return several(layers.Add()([up(width)(x), fine]), width)


def _nonlinear_free_block(x, filters: int):
    """NAFNet's block, whose scales that start at zero are here convolutions that do."""
    last = partial(layers.Conv2D, filters, 1, kernel_initializer="zeros")
    y = layers.Conv2D(2 * filters, 1)(layers.LayerNormalization(epsilon=1e-6)(x))
    y = gate(layers.DepthwiseConv2D(3, padding="same")(y))
    attention = layers.Conv2D(filters, 1)(layers.GlobalAveragePooling2D(keepdims=True)(y))
    x = layers.Add()([x, last()(layers.Multiply()([y, attention]))])
    y = layers.Conv2D(2 * filters, 1)(layers.LayerNormalization(epsilon=1e-6)(x))
    return layers.Add()([x, last()(gate(y))])


def gate(x):
    """Product of the first and the second half of the channels."""
    first, second = ops.split(x, 2, axis=-1)
    return first * second


def dncnn(width: int = 24, depth: int = 6) -> keras.Model:
    """DnCNN, smaller and without batch normalisation (arXiv 1608.03981)."""
    noisy = patch_input()
    x = _relu_convs(unit_range(noisy), width, depth - 1)
    noise = layers.Conv2D(1, 3, padding="same", kernel_initializer="zeros")(x)
    return keras.Model(noisy, without_noise(noisy, noise), name=f"dncnn_{width}")


def ffdnet(width: int = 48, depth: int = 6) -> keras.Model:
    """FFDNet, smaller and blind to the level of noise: all at half resolution (arXiv 1710.04026).

    Its folding of 2x2 pixels into channels and the convolution after it are one of 6x6 here.
    """
    halves = {"strides": 2, "padding": "same"}
    noisy = patch_input()
    x = layers.Conv2D(width, 6, activation="relu", **halves)(unit_range(noisy))
    x = _relu_convs(x, width, depth - 2)
    noise = layers.Conv2DTranspose(1, 6, kernel_initializer="zeros", **halves)(x)
    return keras.Model(noisy, without_noise(noisy, noise), name=f"ffdnet_{width}")


def _relu_convs(x, width: int, count: int):
    options = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}
    for _ in range(count):
        x = layers.Conv2D(width, 3, **options)(x)
    return x


def hynet(width: int = 32, dropout: float = 0.3) -> keras.Model:
    """HyNet: L2-Net with filter response normalisation and learned thresholds (arXiv 2006.10202).

    The patch is standardised first, as HyNet's own first step leaves the bias of the light in.
    """

    def normalised(x):
        return ThresholdedUnit()(FilterResponseNorm()(x))

    patch = patch_input()
    x = normalised(standardise(patch))
    for filters, stride in BODY:
        conv = partial(layers.Conv2D, width * filters, 3, strides=stride, padding="same")
        x = normalised(conv(kernel_initializer=orthogonal())(x))
    return keras.Model(patch, unit_vector(x, dropout), name="hynet")


def resnet_descriptor(width: int = 16, depth: int = 2, dropout: float = 0.3) -> keras.Model:
    """A residual body with `depth` blocks at 16x16 and at 8x8; its ends are HardNet's.

    Shape: (B, 32, 32, 1) -> (B, 128) of unit length. Reference: He et al., arXiv 1512.03385.
    """
    patch = patch_input()
    x = conv_norm_relu(standardise(patch), width, affine=False, name="stem")
    for stage, filters in enumerate((2 * width, 4 * width), start=1):
        x = conv_norm_relu(x, filters, strides=2, affine=False, name=f"down{stage}")
        for number in range(1, depth + 1):
            x = _residual_norm_block(x, filters, name=f"block{stage}_{number}")
    return keras.Model(patch, unit_vector(x, dropout), name="resnet_descriptor")


def _residual_norm_block(x, filters: int, name: str):
    """relu(x + norm(conv(relu(norm(conv(x)))))), which starts as the identity."""
    y = conv_norm_relu(x, filters, affine=False, name=name)
    options = {"padding": "same", "use_bias": False, "kernel_initializer": orthogonal()}
    y = layers.Conv2D(filters, 3, **options)(y)
    y = layers.BatchNormalization(gamma_initializer="zeros")(y)
    return layers.ReLU()(layers.Add()([x, y]))


DENOISERS |= {one.__name__: one for one in (unet_variant, dncnn, ffdnet, nafnet_tiny)}
DESCRIPTORS |= {"hynet": hynet, "resnet_descriptor": resnet_descriptor}
