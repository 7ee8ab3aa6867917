"""What a finished training's weights may still need: their mean, and statistics of their own.

A training at a constant rate wanders around a minimum, and the mean of its weights lies nearer to
the middle (Izmailov et al., 2018, arXiv 1803.05407).
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import layers

from helpers.common import files
from helpers.common.errors import InputError
from helpers.training import checkpoints, load_pipeline
from helpers.training.runs import unfinished_folder

FOLDER = "snapshots"  # in a run folder
BATCHES = 40  # for statistics


def snapshots(run: Path) -> Callable[[list[float]], None]:
    """An `on_validation` of `training.train` that keeps the weights at each validation of a run."""
    unfinished = unfinished_folder(run)

    def keep(losses: list[float]) -> None:
        target = unfinished / FOLDER / f"{len(losses) - 1:05}.npz"
        if not target.exists():  # checkpoints are also made between validations
            with files.atomic_path(target) as temporary:
                shutil.copyfile(checkpoints.newest_first(unfinished)[0], temporary)

    return keep


def average(run: Path, last: int) -> keras.Model:
    """The pipeline of a descriptor's run with the mean of its weights at the `last` validations.

    Its statistics of batch normalisation are means, too, which do not belong to the mean weights:
    measure them anew by `recalibrate_batch_norm`. The run, which `snapshots` watched, stays as is.

    Raises:
        InputError: snapshots are missing or damaged.
    """
    validations = len((run / "history.csv").read_text().splitlines()) - 2  # heading, untrained
    numbers = range(validations - last + 1, validations + 1)
    pipeline = load_pipeline(run)
    own = checkpoints.copy_of(pipeline)
    try:
        found = [checkpoints.read(run / FOLDER / f"{number:05}.npz") for number in numbers]
    except checkpoints.UNREADABLE as error:
        raise InputError(
            f"{run} lacks whole snapshots ({error}): delete it, train again."
        ) from error
    weights = [checkpoints.numbered(one, "variable")[: len(own)] for one in found]
    means = [np.mean(values, axis=0) for values in zip(*weights, strict=True)]
    means = [mean.astype(array.dtype) for mean, array in zip(means, own, strict=True)]
    checkpoints.assign(pipeline.variables, means)
    return pipeline


def recalibrate_batch_norm(
    pipeline: keras.Model, batches: Callable[[int], tuple], count: int = BATCHES
) -> None:
    """Sets the statistics of a pipeline's descriptor to their means over `count` batches.

    Keras follows mean and variance with a momentum of 0.99, so they belong to the weights of the
    last hundred passes; in a short training, or at a constant rate, those have moved on since.

    Each view goes through by itself, as in training. A denoiser in front is frozen, and stays
    so. Dropout is at work, as in training: seed Keras before the pipeline is loaded.

    Args:
        pipeline: (B, 32, 32, 1) -> (B, D), as `load_pipeline` gives it.
        batches: step -> ((B, K, 32, 32, 1), ...), such as `Views`.
    """
    network = pipeline
    while isinstance(network.layers[-1], keras.Model):  # two deep if the denoiser learned along
        *front, network = network.layers
        for layer in front:
            layer.trainable = False
    norms = [layer for layer in network.layers if isinstance(layer, layers.BatchNormalization)]
    usual, seen = [norm.momentum for norm in norms], 0
    for step in range(count):
        views = batches(step)[0]
        for number in range(views.shape[1]):
            for norm in norms:
                norm.momentum = seen / (seen + 1)  # which makes the moving average a mean
            pipeline(views[:, number], training=True)
            seen += 1
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
