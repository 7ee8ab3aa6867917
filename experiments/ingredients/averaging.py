"""Weight averaging: one network from the weights that a training went through at its end.

A training at a constant rate wanders around a minimum, and the mean of its weights lies nearer to
the middle (Izmailov et al., 2018, arXiv 1803.05407).
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from helpers.common import files
from helpers.common.errors import InputError
from helpers.training import checkpoints, load_pipeline
from helpers.training.runs import unfinished_folder

FOLDER = "snapshots"  # in a run folder
PATTERN = "[0-9]*.npz"  # numbers of validations; the first is from before the first step


def snapshots(run: Path) -> Callable[[list[float]], None]:
    """An `on_validation` of `training.train` that keeps the weights at each validation.

    Args:
        run: the folder that the run has once it is finished.
    """
    unfinished = unfinished_folder(run)

    def keep(losses: list[float]) -> None:
        folder = unfinished / FOLDER
        # Checkpoints are also made between validations, which are none of these. Where a killed
        # training has left a gap nothing more is kept, so that `average` notices.
        if len(losses) == len(list(folder.glob(PATTERN))) + 1:
            with files.atomic_path(folder / f"{len(losses) - 1:05}.npz") as temporary:
                shutil.copyfile(checkpoints.newest_first(unfinished)[0], temporary)

    return keep


def average(run: Path, last: int) -> keras.Model:
    """The pipeline of a descriptor's run with the mean of its last `last` weights, at least 1.

    Its statistics of batch normalisation are means, too, which do not belong to the mean weights:
    measure them anew by `recalibrate_batch_norm`. The run, which `snapshots` watched, stays as is.

    Raises:
        InputError: snapshots are missing, or one is damaged or of another network.
    """
    found = sorted((run / FOLDER).glob(PATTERN))
    wanted = max(last, len((run / "history.csv").read_text().splitlines()) - 1)
    if len(found) < wanted:
        raise InputError(
            f"{run} has {len(found)} of {wanted} snapshots: delete it and train again with them."
        )
    pipeline = load_pipeline(run)
    own = checkpoints.copy_of(pipeline)
    snapshots = [_weights(path)[: len(own)] for path in found[-last:]]
    if any([a.shape for a in snapshot] != [a.shape for a in own] for snapshot in snapshots):
        raise InputError(f"The snapshots in {run} are of another network: delete it.")
    means = [np.mean(values, axis=0) for values in zip(*snapshots, strict=True)]
    types = [array.dtype for array in own]
    checkpoints.assign(pipeline.variables, [m.astype(t) for m, t in zip(means, types, strict=True)])
    return pipeline


def _weights(path: Path) -> list[np.ndarray]:
    try:
        return checkpoints.numbered(checkpoints.read(path), "variable")
    except checkpoints.UNREADABLE as error:
        raise InputError(
            f"{path} is damaged ({error}): delete the run that it is of and train again."
        ) from error
