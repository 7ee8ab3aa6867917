"""Denoisers and descriptors that were compared with those in `helpers.networks`.

Denoisers (B, 32, 32, 1) -> (B, 32, 32, 1) estimate the noise and subtract it; descriptors
(B, 32, 32, 1) -> (B, 128) have unit length. `width`: filters at the finest resolution.
"""

from collections.abc import Callable
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
last_conv = partial(layers.Conv2D, 1, 3, padding="same", kernel_initializer="zeros")


@register
class NoiseProfile(layers.Layer):
    """Adds a channel: the noise at each pixel as a share of that at 65 px, (B, 32, 32, C + 1)."""

    def call(self, x):
        profile = ops.convert_to_tensor(noise_profile()[..., None], x.dtype)
        return ops.concatenate([x, ops.zeros_like(x[..., :1]) + profile], axis=-1)


@register
class FilterResponse(layers.Layer):
    """HyNet's normalisation and activation function (Singh & Krishnan, arXiv 1911.09737).

    max(scale * x / sqrt(mean of x^2 over the patch + 1e-6) + offset, threshold), all three learned
    for each channel; the threshold starts at -1.
    """

    def build(self, shape):
        starts = {"scale": 1.0, "offset": 0.0, "threshold": -1.0}
        for name, start in starts.items():
            start = keras.initializers.Constant(start)
            setattr(self, name, self.add_weight(shape[-1:], start, name=name))

    def call(self, x):
        power = ops.mean(ops.square(x), axis=(1, 2), keepdims=True)
        return ops.maximum(self.scale * x * ops.rsqrt(power + 1e-6) + self.offset, self.threshold)


def unet_variant(width: int = 16, profile: bool = False, bias: bool = True) -> keras.Model:
    """`residual_unet`, with the known profile of the noise as a second channel, or without biases.

    Without biases k times the input gives k times the output (Mohan et al., arXiv 1906.05478).
    """
    conv = partial(layers.Conv2D, kernel_size=3, padding="same", use_bias=bias)

    def block(x, filters):
        y = conv(filters, activation="relu")(x)
        return layers.Add()([x, conv(filters, kernel_initializer="zeros")(y)])

    noisy = patch_input()
    x = unit_range(noisy)
    x = conv(width)(NoiseProfile()(x) if profile else x)
    noise = conv(1, kernel_initializer="zeros")(_u_shape(x, width, block, 2, (bias, bias)))
    return keras.Model(noisy, without_noise(noisy, noise), name=f"unet_variant_{width}")


def nafnet_tiny(width: int = 16) -> keras.Model:
    """A small NAFNet, whose blocks have no activation function (arXiv 2204.04676)."""
    noisy = patch_input()
    x = layers.Conv2D(width, 3, padding="same")(unit_range(noisy))
    noise = last_conv()(_u_shape(x, width, _nonlinear_free_block, 1, (True, False)))
    return keras.Model(noisy, without_noise(noisy, noise), name=f"nafnet_tiny_{width}")


def _u_shape(x, width: int, block: Callable, coarse: int, biases: tuple[bool, bool]):
    """`block(x, filters)` at three resolutions, down and up again.

    Args:
        coarse: how many at the coarsest; one at each other step.
        biases: whether the layers that go down have some, and those that go up.
    """
    down = partial(layers.Conv2D, kernel_size=2, strides=2, use_bias=biases[0])
    up = partial(layers.Conv2DTranspose, kernel_size=2, strides=2, use_bias=biases[1])
    fine = block(x, width)
    middle = block(down(2 * width)(fine), 2 * width)
    x = down(4 * width)(middle)
    for _ in range(coarse):
        x = block(x, 4 * width)
    x = block(layers.Add()([up(2 * width)(x), middle]), 2 * width)
    return block(layers.Add()([up(width)(x), fine]), width)


def _nonlinear_free_block(x, filters: int):
    """NAFNet's block, whose scales that start at zero are here convolutions that do."""
    last = partial(layers.Conv2D, filters, 1, kernel_initializer="zeros")
    y = layers.Conv2D(2 * filters, 1)(layers.LayerNormalization(epsilon=1e-6)(x))
    y = _gate(layers.DepthwiseConv2D(3, padding="same")(y))
    attention = layers.Conv2D(filters, 1)(layers.GlobalAveragePooling2D(keepdims=True)(y))
    x = layers.Add()([x, last()(layers.Multiply()([y, attention]))])
    y = layers.Conv2D(2 * filters, 1)(layers.LayerNormalization(epsilon=1e-6)(x))
    return layers.Add()([x, last()(_gate(y))])


def _gate(x):
    """Product of the first and the second half of the channels."""
    first, second = ops.split(x, 2, axis=-1)
    return first * second


def dncnn(width: int = 24) -> keras.Model:
    """DnCNN, smaller and without batch normalisation (arXiv 1608.03981)."""
    noisy = patch_input()
    noise = last_conv()(_relu_convs(unit_range(noisy), width, 5))
    return keras.Model(noisy, without_noise(noisy, noise), name=f"dncnn_{width}")


def ffdnet(width: int = 48) -> keras.Model:
    """FFDNet, smaller and blind to the level of noise: all at half resolution (arXiv 1710.04026).

    Its folding of 2x2 pixels into channels and the convolution after it are one of 6x6 here.
    """
    halves = {"kernel_size": 6, "strides": 2, "padding": "same"}
    noisy = patch_input()
    x = layers.Conv2D(width, activation="relu", **halves)(unit_range(noisy))
    x = _relu_convs(x, width, 4)
    noise = layers.Conv2DTranspose(1, kernel_initializer="zeros", **halves)(x)
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
    patch = patch_input()
    x = FilterResponse()(standardise(patch))
    for filters, stride in BODY:
        conv = partial(layers.Conv2D, width * filters, 3, strides=stride, padding="same")
        x = FilterResponse()(conv(kernel_initializer=orthogonal())(x))
    return keras.Model(patch, unit_vector(x, dropout), name="hynet")


def resnet_descriptor(width: int = 16, depth: int = 2, dropout: float = 0.3) -> keras.Model:
    """`depth` residual blocks at 16x16 and at 8x8 (arXiv 1512.03385); its ends are HardNet's."""
    patch = patch_input()
    x = conv_norm_relu(standardise(patch), width, affine=False, name="stem")
    for stage, filters in enumerate((2 * width, 4 * width), start=1):
        x = conv_norm_relu(x, filters, strides=2, affine=False, name=f"down{stage}")
        for number in range(1, depth + 1):  # relu(x + norm(conv(relu(norm(conv(x))))))
            y = conv_norm_relu(x, filters, affine=False, name=f"block{stage}_{number}")
            options = {"padding": "same", "use_bias": False, "kernel_initializer": orthogonal()}
            y = layers.Conv2D(filters, 3, **options)(y)
            y = layers.BatchNormalization(gamma_initializer="zeros")(y)  # starts as the identity
            x = layers.ReLU()(layers.Add()([x, y]))
    return keras.Model(patch, unit_vector(x, dropout), name="resnet_descriptor")


DENOISERS |= {one.__name__: one for one in (unet_variant, dncnn, ffdnet, nafnet_tiny)}
DESCRIPTORS |= {"hynet": hynet, "resnet_descriptor": resnet_descriptor}
