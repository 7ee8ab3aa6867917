"""Denoisers: (B, 32, 32, 1) noisy -> (B, 32, 32, 1) clean, both in grey levels 0..255.

All but the baseline estimate the noise and subtract it, and start out as the identity.
"""

import keras
from keras import layers

from helpers.networks.blocks import Width, patch_input, residual_block


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


def residual_unet(width: Width = 16) -> keras.Model:
    """A small residual U-Net.

    Args:
        width: filters at full resolution; they double at each of the two coarser ones.

    Shape: (B, 32, 32, 1) -> (B, 32, 32, 1). At width 16: 214,913 parameters and 30.7 M
    multiply-adds a patch, about half of the baseline's.

    References: He et al., residual blocks, 2015 (arXiv 1512.03385); Zhang et al., DnCNN, 2017
    (arXiv 1608.03981) for predicting the noise; Ronneberger et al., U-Net, 2015.
    """
    noisy = patch_input()
    x = layers.Conv2D(width, 3, padding="same", name="stem")(unit_range(noisy))
    fine = residual_block(x, width, "fine")
    x = layers.Conv2D(2 * width, 2, strides=2, name="down1")(fine)
    middle = residual_block(x, 2 * width, "middle")
    x = layers.Conv2D(4 * width, 2, strides=2, name="down2")(middle)
    x = residual_block(x, 4 * width, "coarse1")
    x = residual_block(x, 4 * width, "coarse2")
    x = layers.Conv2DTranspose(2 * width, 2, strides=2, name="up2")(x)
    x = layers.Add(name="skip2")([x, middle])
    x = residual_block(x, 2 * width, "middle_up")
    x = layers.Conv2DTranspose(width, 2, strides=2, name="up1")(x)
    x = layers.Add(name="skip1")([x, fine])
    x = residual_block(x, width, "fine_up")
    noise = layers.Conv2D(1, 3, padding="same", kernel_initializer="zeros", name="noise")(x)
    return keras.Model(noisy, without_noise(noisy, noise), name=f"residual_unet_{width}")


def half_unet(width: Width = 16) -> keras.Model:
    """The residual U-Net at half resolution: its first convolution strides, its last one undoes it.

    Args:
        width: filters at half resolution; they double at the coarser one.

    Shape: (B, 32, 32, 1) -> (B, 32, 32, 1). At width 16: 50,945 parameters and 5.1 M multiply-adds
    a patch, a sixth of those of `residual_unet`.

    References: as of `residual_unet`; Zhang et al., FFDNet, 2018 (arXiv 1710.04026) for working at
    half resolution.
    """
    noisy = patch_input()
    halves = {"kernel_size": 4, "strides": 2, "padding": "same"}
    x = layers.Conv2D(width, activation="relu", name="stem", **halves)(unit_range(noisy))
    fine = residual_block(x, width, "fine")
    x = layers.Conv2D(2 * width, 2, strides=2, name="down")(fine)
    x = residual_block(x, 2 * width, "coarse1")
    x = residual_block(x, 2 * width, "coarse2")
    x = layers.Conv2DTranspose(width, 2, strides=2, name="up")(x)
    x = layers.Add(name="skip")([x, fine])
    x = residual_block(x, width, "fine_up")
    noise = layers.Conv2DTranspose(1, kernel_initializer="zeros", name="noise", **halves)(x)
    return keras.Model(noisy, without_noise(noisy, noise), name=f"half_unet_{width}")


def unit_range(noisy):
    """Grey levels 0..255 as 0..1, where convolutions work best."""
    return layers.Rescaling(1 / 255, name="unit_range")(noisy)


def without_noise(noisy, noise):
    """`noisy`, in grey levels, less the estimated noise, in the range of `unit_range`."""
    noise = layers.Rescaling(255.0, name="grey_levels")(noise)
    return layers.Subtract(name="clean")([noisy, noise])


DENOISERS = {
    "shallow_unet": shallow_unet,
    "residual_unet": residual_unet,
    "half_unet": half_unet,
}
