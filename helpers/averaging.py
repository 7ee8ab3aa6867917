"""Weight averaging: one network from the weights that a training went through at its end.

A training at a constant rate wanders around a minimum, and the mean of its weights lies nearer to
the middle (Izmailov et al., 2018, arXiv 1803.05407).
"""

import shutil
from pathlib import Path

import keras
import numpy as np

from helpers import checkpoints, files
from helpers.errors import InputError
from helpers.evaluation import load_pipeline

FOLDER = "snapshots"  # in a run folder


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


def average(run: Path, last: int) -> keras.Model:
    """The pipeline of a descriptor's run with the mean of its last weights.

    Its statistics of batch normalisation are means, too, which do not belong to the mean weights:
    measure them anew (`normalisation.measure_statistics`).

    Args:
        run: a finished run that `Snapshots` watched.
        last: how many snapshots the mean is of, at least 1.

    Returns:
        (B, 32, 32, 1) -> (B, D); the run's own files stay as they are.

    Raises:
        InputError: there are fewer snapshots, or one is damaged or of another network.
    """
    found = sorted((run / FOLDER).glob("checkpoint-*.npz"))[-last:]
    if len(found) < last:
        raise InputError(
            f"{run} has {len(found)} of {last} snapshots: delete it and train again with them."
        )
    pipeline = load_pipeline(run)
    own = checkpoints.copy_of(pipeline)
    snapshots = [checkpoints.saved_values(path)[: len(own)] for path in found]
    if any([a.shape for a in snapshot] != [a.shape for a in own] for snapshot in snapshots):
        raise InputError(f"The snapshots in {run} are of another network: delete it.")
    means = [
        np.mean(values, axis=0).astype(values[0].dtype) for values in zip(*snapshots, strict=True)
    ]
    checkpoints.assign(pipeline, means)
    return pipeline
