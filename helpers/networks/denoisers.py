"""Denoisers: (B, 32, 32, 1) noisy -> (B, 32, 32, 1) clean, both in grey levels 0..255.

All but the baseline estimate the noise and subtract it, and start out as the identity. They share
these arguments, as far as they have them:

* `width`: filters at the network's finest resolution.
* `depth`: how many convolutions (`dncnn`, `ffdnet`) or blocks at each resolution (`nafnet_tiny`).
* `profile`: gives the network the known profile of the noise over the patch as a second channel.
* `bias`: False leaves out all biases. Then k times the input gives k times the output, so that
  what was learned at one level of noise carries over to others (Mohan et al., ICLR 2020,
  arXiv 1906.05478). A profile ends that: it does not grow with the input.
"""

import keras
from keras import layers

from helpers.networks.blocks import NoiseProfile, nonlinear_free_block, patch_input, residual_block


def shallow_unet() -> keras.Model:
    """The baseline denoiser: the first step of a U-Net, on raw grey levels.

    Shape: (B, 32, 32, 1) -> (B, 32, 32, 1). 59,777 parameters, 57.5 M multiply-adds a patch.

    Reference: Ronneberger et al., U-Net, 2015 (arXiv 1505.04597); the coursework's baseline.
    """
    settings = {"padding": "same", "kernel_initializer": "he_normal"}
    x = patch_input()
    fine = layers.Conv2D(16, 3, activation="relu", name="fine", **settings)(x)
    y = layers.MaxPooling2D(2, name="down")(fine)
    y = layers.Conv2D(32, 3, activation="relu", name="coarse", **settings)(y)
    y = layers.UpSampling2D(2, name="up")(y)
    y = layers.Conv2D(64, 2, activation="relu", name="up_conv", **settings)(y)
    y = layers.Concatenate(name="skip")([fine, y])
    y = layers.Conv2D(64, 3, activation="relu", name="merge", **settings)(y)
    y = layers.Conv2D(1, 3, name="clean", **settings)(y)
    return keras.Model(x, y, name="shallow_unet")


def residual_unet(width: int = 16, profile: bool = False, bias: bool = True) -> keras.Model:
    """A small residual U-Net; the filters double at each of its two coarser levels.

    Shape: (B, 32, 32, 1) -> (B, 32, 32, 1). At width 16: 214,913 parameters and 30.7 M
    multiply-adds a patch, about half of the baseline's.

    References: He et al., residual blocks, 2015 (arXiv 1512.03385); Zhang et al., DnCNN, 2017
    (arXiv 1608.03981) for predicting the noise; Ronneberger et al., U-Net, 2015.
    """
    noisy, x = _unit_range(profile)
    x = layers.Conv2D(width, 3, padding="same", use_bias=bias, name="stem")(x)
    fine = residual_block(x, width, "fine", bias)
    x = layers.Conv2D(2 * width, 2, strides=2, use_bias=bias, name="down1")(fine)
    middle = residual_block(x, 2 * width, "middle", bias)
    x = layers.Conv2D(4 * width, 2, strides=2, use_bias=bias, name="down2")(middle)
    x = residual_block(x, 4 * width, "coarse1", bias)
    x = residual_block(x, 4 * width, "coarse2", bias)
    x = layers.Conv2DTranspose(2 * width, 2, strides=2, use_bias=bias, name="up2")(x)
    x = layers.Add(name="skip2")([x, middle])
    x = residual_block(x, 2 * width, "middle_up", bias)
    x = layers.Conv2DTranspose(width, 2, strides=2, use_bias=bias, name="up1")(x)
    x = layers.Add(name="skip1")([x, fine])
    x = residual_block(x, width, "fine_up", bias)
    noise = layers.Conv2D(
        1, 3, padding="same", use_bias=bias, kernel_initializer="zeros", name="noise"
    )(x)
    return _subtract(noisy, noise, f"residual_unet_{width}")


def dncnn(width: int = 24, depth: int = 6, profile: bool = False, bias: bool = True) -> keras.Model:
    """DnCNN, smaller: a plain stack of 3x3 convolutions at full resolution.

    Without DnCNN's batch normalisation, which ties the brightness of a patch to its batch.

    Shape: (B, 32, 32, 1) -> (B, 32, 32, 1). At width 24 and depth 6: 21,289 parameters, 21.7 M
    multiply-adds a patch.

    Reference: Zhang et al., DnCNN, 2017 (arXiv 1608.03981).
    """
    settings = {"padding": "same", "use_bias": bias}
    noisy, x = _unit_range(profile)
    x = _relu_convs(x, width, depth - 1, bias, first=1)
    noise = layers.Conv2D(1, 3, kernel_initializer="zeros", name="noise", **settings)(x)
    return _subtract(noisy, noise, f"dncnn_{width}")


def ffdnet(
    width: int = 48, depth: int = 6, profile: bool = False, bias: bool = True
) -> keras.Model:
    """FFDNet, smaller: convolutions at half resolution see twice as far at a quarter of the cost.

    FFDNet folds each 2x2 pixels into four channels before the first 3x3 convolution and unfolds
    them after the last; these two are here what they amount to, 6x6 convolutions with stride 2.
    The level of the noise is not an input as in FFDNet, since nobody knows it.

    Shape: (B, 32, 32, 1) -> (B, 32, 32, 1). At width 48 and depth 6: 86,641 parameters, 22.1 M
    multiply-adds a patch.

    Reference: Zhang et al., FFDNet, 2018 (arXiv 1710.04026).
    """
    settings = {"strides": 2, "padding": "same", "use_bias": bias}
    noisy, x = _unit_range(profile)
    x = layers.Conv2D(width, 6, activation="relu", name="fold", **settings)(x)
    x = _relu_convs(x, width, depth - 2, bias, first=2)
    noise = layers.Conv2DTranspose(1, 6, kernel_initializer="zeros", name="noise", **settings)(x)
    return _subtract(noisy, noise, f"ffdnet_{width}")


def nafnet_tiny(width: int = 16, depth: int = 1, profile: bool = False) -> keras.Model:
    """The smallest NAFNet: a U-Net of three resolutions whose blocks have no activation function.

    It has no `bias` argument: its gates and normalisations are not proportional to their input
    with or without biases.

    Shape: (B, 32, 32, 1) -> (B, 32, 32, 1). At width 16 and depth 1: 72,433 parameters, 11.2 M
    multiply-adds a patch.

    Reference: Chen et al., NAFNet, ECCV 2022 (arXiv 2204.04676).
    """
    noisy, x = _unit_range(profile)
    x = layers.Conv2D(width, 3, padding="same", name="stem")(x)
    fine = x = _naf_blocks(x, width, depth, "fine")
    x = layers.Conv2D(2 * width, 2, strides=2, name="down1")(x)
    middle = x = _naf_blocks(x, 2 * width, depth, "middle")
    x = layers.Conv2D(4 * width, 2, strides=2, name="down2")(x)
    x = _naf_blocks(x, 4 * width, depth, "coarse")
    x = layers.Conv2DTranspose(2 * width, 2, strides=2, use_bias=False, name="up2")(x)
    x = layers.Add(name="skip2")([x, middle])
    x = _naf_blocks(x, 2 * width, depth, "middle_up")
    x = layers.Conv2DTranspose(width, 2, strides=2, use_bias=False, name="up1")(x)
    x = layers.Add(name="skip1")([x, fine])
    x = _naf_blocks(x, width, depth, "fine_up")
    noise = layers.Conv2D(1, 3, padding="same", kernel_initializer="zeros", name="noise")(x)
    return _subtract(noisy, noise, f"nafnet_tiny_{width}")


def _unit_range(profile: bool):
    """The noisy patch, and the same in 0..1 (where convolutions work best) for the network."""
    noisy = patch_input()
    x = layers.Rescaling(1 / 255, name="unit_range")(noisy)
    return noisy, NoiseProfile(name="profile")(x) if profile else x


def _subtract(noisy, noise, name: str) -> keras.Model:
    noise = layers.Rescaling(255.0, name="grey_levels")(noise)
    return keras.Model(noisy, layers.Subtract(name="clean")([noisy, noise]), name=name)


def _relu_convs(x, width: int, count: int, bias: bool, first: int):
    settings = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}
    for number in range(first, first + count):
        x = layers.Conv2D(width, 3, use_bias=bias, name=f"conv{number}", **settings)(x)
    return x


def _naf_blocks(x, filters: int, count: int, name: str):
    for number in range(1, count + 1):
        x = nonlinear_free_block(x, filters, f"{name}{number}")
    return x


DENOISERS = {
    "shallow_unet": shallow_unet,
    "residual_unet": residual_unet,
    "dncnn": dncnn,
    "ffdnet": ffdnet,
    "nafnet_tiny": nafnet_tiny,
}
