"""Weight averaging: one network from the weights that a training went through at its end.

A training at a constant rate wanders around a minimum, and the mean of its weights lies nearer to
the middle (Izmailov et al., 2018, arXiv 1803.05407). The statistics of batch normalisation belong
to certain weights, so those of the mean are measured anew.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import layers

from helpers import checkpoints, files
from helpers.errors import InputError
from helpers.evaluation import load_pipeline

FOLDER = "snapshots"  # in a run folder
BATCHES = 40  # for the statistics


class Snapshots:
    """Keeps the weights at each validation: the `on_validation` of `training.train`.

    Args:
        run: the folder that the run has once it is finished.
    """

    def __init__(self, run: Path):
        self.unfinished = run.with_name(f"{run.name}.unfinished")

    def __call__(self, losses: list[float]) -> None:
        newest = checkpoints.newest(self.unfinished)
        with files.atomic_path(self.unfinished / FOLDER / newest.name) as temporary:
            shutil.copyfile(newest, temporary)


def average(run: Path, last: int, batches: Callable[[int], tuple]) -> keras.Model:
    """The pipeline of a descriptor's run with the mean of its last weights.

    Args:
        run: a finished run that `Snapshots` watched.
        last: how many snapshots the mean is of, at least 1.
        batches: step -> ((B, K, 32, 32, 1), ...), such as `Views`: its training batches.

    Returns:
        (B, 32, 32, 1) -> (B, D); the run's own files stay as they are.

    Raises:
        InputError: there are fewer snapshots, one is damaged or of another network, or the run's
            denoiser learned along.
    """
    found = sorted((run / FOLDER).glob("checkpoint-*.npz"))[-last:]
    if len(found) < last:
        raise InputError(
            f"{run} has {len(found)} of {last} snapshots: delete it and train again with them."
        )
    if files.read_json(run / "settings.json")["settings"]["joining"] == "end_to_end":
        raise InputError(f"The denoiser of {run} learned along: only descriptors are averaged.")
    pipeline = load_pipeline(run)
    own = checkpoints.copy_of(pipeline)
    snapshots = [checkpoints.saved_values(path)[: len(own)] for path in found]
    if any([a.shape for a in snapshot] != [a.shape for a in own] for snapshot in snapshots):
        raise InputError(f"The snapshots in {run} are of another network: delete it.")
    means = [
        np.mean(values, axis=0).astype(values[0].dtype) for values in zip(*snapshots, strict=True)
    ]
    checkpoints.assign(pipeline, means)
    measure_statistics(pipeline, batches)
    return pipeline


def measure_statistics(
    pipeline: keras.Model, batches: Callable[[int], tuple], count: int = BATCHES
) -> None:
    """Sets a descriptor's statistics of batch normalisation to their means over training batches.

    Each view goes through by itself, as in training. The denoiser in front stays as it is.

    Args:
        pipeline: its last layer is the descriptor.
        count: batches.
    """
    *front, descriptor = pipeline.layers
    for layer in front:
        layer.trainable = False
    norms = [x for x in descriptor.layers if isinstance(x, layers.BatchNormalization)]
    usual = [norm.momentum for norm in norms]
    seen = 0
    for step in range(count):
        views = batches(step)[0]
        for number in range(views.shape[1]):
            for norm in norms:
                norm.momentum = seen / (seen + 1)  # which makes the moving average a mean
            pipeline(views[:, number], training=True)
            seen += 1
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
