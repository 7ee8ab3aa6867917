"""The pipeline: a noisy patch goes through the denoiser, then through the descriptor."""

import keras
import numpy as np
from keras import layers, ops
from tqdm.auto import tqdm

from helpers.networks.blocks import patch_input

PREDICT_BATCH = 512  # patches; larger ones gain nothing on a CPU


@keras.saving.register_keras_serializable("n-hpatches")
class GreyLevels(layers.Layer):
    """Clips to 0..255 and cuts off the decimals, as storing the patch as uint8 would.

    The coursework's pipeline hands patches on as uint8. The cut has no gradient of its own; a
    gradient passes straight through, as if nothing had been cut (Bengio et al., 2013, arXiv
    1308.3432), so that a denoiser in front of it can be trained.
    """

    def call(self, patches):
        levels = ops.floor(ops.clip(patches, 0.0, 255.0))
        return patches + ops.stop_gradient(levels - patches)


def join(denoiser: keras.Model | None, descriptor: keras.Model) -> keras.Model:
    """Denoiser, grey levels, descriptor as one model: (B, 32, 32, 1) -> (B, 128).

    Args:
        denoiser: frozen (`trainable = False`) or trained along; None: the descriptor looks at the
            noisy patch itself.
    """
    patch = patch_input()
    denoised = GreyLevels()(denoiser(patch)) if denoiser else patch
    return keras.Model(patch, descriptor(denoised), name="pipeline")


def join_end_to_end(denoiser: keras.Model, descriptor: keras.Model) -> keras.Model:
    """Denoiser and descriptor as one network to be trained as a whole: (B, 32, 32, 1) -> (B, 128).

    Unlike `join` it cuts nothing off in between: what the denoiser hands on need not be a picture.
    A network trained like this is to be used like this.
    """
    patch = patch_input()
    return keras.Model(patch, descriptor(denoiser(patch)), name="end_to_end")


def predict_patches(model: keras.Model, patches: np.ndarray, title: str = "") -> np.ndarray:
    """Runs a model over uint8 patches of any leading shape, with a progress bar.

    Args:
        model: takes (B, 32, 32, 1) float32.
        patches: (..., 32, 32) uint8, a memory map included: read block by block.
        title: what the progress bar says; no bar if empty.

    Returns:
        (..., *output shape) float32.
    """
    lead = patches.shape[:-2]
    rows = np.reshape(patches, (-1, *patches.shape[-2:]))
    # Each size of a block compiles the network once: few sizes, but small ones for few patches.
    size, blocks = min(PREDICT_BATCH, 1 << (len(rows) - 1).bit_length()), []
    for start in tqdm(range(0, len(rows), size), desc=title, disable=not title):
        block = rows[start : start + size]
        padded = np.zeros((size, *rows.shape[1:], 1), np.float32)
        padded[: len(block), ..., 0] = block
        blocks.append(np.asarray(model.predict_on_batch(padded))[: len(block)])
    result = np.concatenate(blocks)
    return result.reshape(*lead, *result.shape[1:])
