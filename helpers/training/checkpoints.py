"""Checkpoints: all that a training run needs to go on as if it had never stopped.

One `.npz` file of plain arrays: weights, optimiser, the counters of random generators (which Keras
saves in neither of its formats), the best weights so far, and the curves. The curves carry what
early stopping has counted, so nothing else has to be remembered; batches are a pure function of the
step. The last two files are kept, in case that the newest was torn by a failing disk.
"""

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd

from helpers.common import files
from helpers.common.errors import InputError, UntrainableError

KEPT = 2
UNREADABLE = (  # what NumPy and Keras raise on damaged archives
    *(OSError, ValueError, EOFError, KeyError, TypeError, RuntimeError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)
numbers = keras.ops.convert_to_numpy


class Validation(NamedTuple):
    """A row of `history.csv`."""

    epoch: float
    step: float
    loss: float  # mean over the steps since the validation before
    validation_loss: float
    learning_rate: float


@dataclass
class Progress:
    """How far a run has come."""

    losses: list[float] = field(default_factory=list)  # of every step
    rows: list[Validation] = field(default_factory=list)  # the first from before the first step
    best: list[np.ndarray] = field(default_factory=list)  # variables at the best validation
    seconds: float = 0.0  # spent on training, over all interruptions

    @property
    def step(self) -> int:
        """Steps taken."""
        return len(self.losses)

    def validation_losses(self) -> list[float]:
        """One a validation; the first is from before the first step."""
        return [row.validation_loss for row in self.rows]


def copy_of(model: keras.Model) -> list[np.ndarray]:
    """Copies of all that training changes in a model, apart from its optimiser."""
    # `variables` holds, unlike `weights`, the counters of random generators.
    return [np.array(numbers(variable)) for variable in model.variables]


def assign(variables: list[keras.Variable], values: list[np.ndarray]) -> None:
    """Gives each variable its value."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def save(folder: Path, model: keras.Model, progress: Progress) -> Path:
    """Writes a checkpoint and removes all but the last two.

    Raises UntrainableError if a weight is NaN or infinite, InputError if the disk is full or not
    writable; earlier checkpoints stay.
    """
    state = model.variables + model.optimizer.variables
    arrays = {f"variable_{i}": numbers(variable) for i, variable in enumerate(state)}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise UntrainableError(
            f"Weights became NaN or infinite by step {progress.step}: lower the learning rate "
            "(the checkpoint before is kept)."
        )
    arrays |= {f"best_{i}": array for i, array in enumerate(progress.best)}
    curves = {
        "losses": np.array(progress.losses, np.float64),
        "rows": np.array(progress.rows, np.float64).reshape(-1, len(Validation._fields)),
        "seconds": np.float64(progress.seconds),
    }
    path = folder / f"checkpoint-{progress.step:09}.npz"
    with files.atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays, **curves)
    for old in newest_first(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def restore(folder: Path, model: keras.Model) -> Progress:
    """Takes up the newest checkpoint that can be read; a new `Progress` if there is none.

    Raises:
        InputError: a checkpoint belongs to another network.
    """
    for path in newest_first(folder):
        try:
            arrays = read(path)
        except UNREADABLE as error:
            print(f"  {path.name} is damaged ({error}) and left out.", flush=True)
            path.rename(path.with_name(f"damaged-{path.name}"))  # else it would pass for the newest
            continue
        state, saved = model.variables + model.optimizer.variables, numbered(arrays, "variable")
        if [array.shape for array in saved] != [tuple(variable.shape) for variable in state]:
            raise InputError(
                f"{path} belongs to another network: delete the folder {folder} and train again."
            )
        assign(state, saved)
        rows = [Validation(*row) for row in arrays["rows"].tolist()]
        best, seconds = numbered(arrays, "best"), float(arrays["seconds"])
        return Progress(arrays["losses"].tolist(), rows, best, seconds)
    return Progress()


def newest_first(folder: Path) -> list[Path]:
    """The checkpoints in a folder."""
    return sorted(folder.glob("checkpoint-*.npz"), reverse=True)


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint; raises one of UNREADABLE if it is damaged."""
    # From memory, since NumPy leaves a file open that it finds to be damaged.
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}  # reading checks each array's check sum


def numbered(arrays: dict[str, np.ndarray], kind: str) -> list[np.ndarray]:
    """Those of one kind: "variable" (of model and optimiser) or "best", in their order."""
    count = sum(name.startswith(f"{kind}_") for name in arrays)
    return [arrays[f"{kind}_{i}"] for i in range(count)]


def write_curves(folder: Path, progress: Progress) -> None:
    """Writes `steps.csv` (loss of each step) and `history.csv` (a row a validation)."""
    steps = pd.DataFrame({"step": range(1, progress.step + 1), "loss": progress.losses})
    history = pd.DataFrame(progress.rows, columns=Validation._fields).astype({"step": int})
    for table, name in ((steps, "steps.csv"), (history, "history.csv")):
        files.write_text(folder / name, table.to_csv(index=False))
