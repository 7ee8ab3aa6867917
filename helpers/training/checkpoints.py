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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from helpers.common import files
from helpers.common.errors import InputError, UntrainableError

KEPT = 2
COLUMNS = ("epoch", "step", "loss", "validation_loss", "learning_rate")
UNREADABLE = (  # what NumPy and Keras raise on damaged archives
    *(OSError, ValueError, EOFError, KeyError, TypeError, RuntimeError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)
numbers = keras.ops.convert_to_numpy


@dataclass
class Progress:
    """How far a run has come."""

    losses: list[float] = field(default_factory=list)  # of every step
    rows: list[tuple[float, ...]] = field(default_factory=list)  # of every validation: COLUMNS
    best: list[np.ndarray] = field(default_factory=list)  # variables at the best validation
    seconds: float = 0.0  # spent on training, over all interruptions

    @property
    def step(self) -> int:
        """Steps taken."""
        return len(self.losses)

    def validation_losses(self) -> list[float]:
        """One a validation; the first is from before the first step."""
        return [row[COLUMNS.index("validation_loss")] for row in self.rows]


def variables(model: keras.Model) -> list[keras.Variable]:
    """Everything in a model that training changes, apart from its optimiser."""
    return model.variables  # unlike `weights`, with the counters of random generators


def copy_of(model: keras.Model) -> list[np.ndarray]:
    """The values of `variables`; copies, which later steps do not change."""
    return [np.array(numbers(variable)) for variable in variables(model)]


def assign(model: keras.Model, values: list[np.ndarray]) -> None:
    """Sets the `variables`."""
    for variable, value in zip(variables(model), values, strict=True):
        variable.assign(value)


def save(folder: Path, model: keras.Model, progress: Progress) -> Path:
    """Writes a checkpoint and removes all but the last two.

    Raises:
        UntrainableError: a weight is NaN or infinite; earlier checkpoints stay.
        InputError: the disk is full or not writable; earlier checkpoints stay.
    """
    state = variables(model) + model.optimizer.variables
    arrays = {f"variable_{i}": numbers(variable) for i, variable in enumerate(state)}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise UntrainableError(
            f"Weights became NaN or infinite by step {progress.step}: lower the learning rate "
            "(the checkpoint before is kept)."
        )
    arrays |= {f"best_{i}": array for i, array in enumerate(progress.best)}
    curves = {
        "losses": np.array(progress.losses, np.float64),
        "rows": np.array(progress.rows, np.float64).reshape(-1, len(COLUMNS)),
        "seconds": np.float64(progress.seconds),
    }
    path = folder / f"checkpoint-{progress.step:09}.npz"
    with files.atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays, **curves)
    for old in _newest_first(folder)[KEPT:]:
        old.unlink()
    return path


def restore(folder: Path, model: keras.Model) -> Progress:
    """Takes up the newest checkpoint that can be read; a new `Progress` if there is none.

    Raises:
        InputError: a checkpoint belongs to another network.
    """
    for path in _newest_first(folder):
        try:
            arrays = _read(path)
        except UNREADABLE as error:
            print(f"  {path.name} is damaged ({error}) and left out.", flush=True)
            path.rename(path.with_name(f"damaged-{path.name}"))  # else it would pass for the newest
            continue
        return _restore(path, arrays, model)
    return Progress()


def remove(folder: Path) -> None:
    """Removes all checkpoints of a folder."""
    for path in folder.glob("*checkpoint-*.npz"):  # damaged ones, too
        path.unlink()


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*.npz"), reverse=True)


def _read(path: Path) -> dict[str, np.ndarray]:
    # From memory, since NumPy leaves a file open that it finds to be damaged.
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}  # reading checks each array's check sum


def _restore(path: Path, arrays: dict[str, np.ndarray], model: keras.Model) -> Progress:
    state = variables(model) + model.optimizer.variables
    saved = _numbered(arrays, "variable")
    if [array.shape for array in saved] != [tuple(variable.shape) for variable in state]:
        raise InputError(
            f"{path} belongs to another network: delete the folder {path.parent} and train again."
        )
    for variable, array in zip(state, saved, strict=True):
        variable.assign(array)
    return Progress(
        losses=arrays["losses"].tolist(),
        rows=[tuple(row) for row in arrays["rows"].tolist()],
        best=_numbered(arrays, "best"),
        seconds=float(arrays["seconds"]),
    )


def _numbered(arrays: dict[str, np.ndarray], kind: str) -> list[np.ndarray]:
    count = sum(name.startswith(f"{kind}_") for name in arrays)
    return [arrays[f"{kind}_{i}"] for i in range(count)]


# --- curves: CSV files, and TensorBoard's logs where that is installed ---------------------------


def write_curves(folder: Path, progress: Progress) -> None:
    """Writes `steps.csv` (loss of each step) and `history.csv` (a row a validation)."""
    steps = pd.DataFrame({"step": range(1, progress.step + 1), "loss": progress.losses})
    history = pd.DataFrame(progress.rows, columns=COLUMNS).astype({"step": int})
    for table, name in ((steps, "steps.csv"), (history, "history.csv")):
        files.write_text(folder / name, table.to_csv(index=False))


@contextmanager
def tensorboard(folder: Path) -> Iterator[Callable[[tuple], None]]:
    """Yields a function that adds a row of the history to the logs in `folder`/tensorboard.

    Nothing depends on these logs: if they cannot be written, they end.
    """
    if find_spec("tensorboard") is None:
        yield lambda row: None
        return
    from tensorboard.summary import Writer

    writer = Writer(str(folder / "tensorboard"))

    def add(row: tuple) -> None:
        values = dict(zip(COLUMNS, row, strict=True))
        step = int(values.pop("step"))
        try:
            for name, value in values.items():
                writer.add_scalar(name, value, step)
            writer.flush()
        except Exception as error:  # whatever TensorBoard's own writer raises
            print(f"  Not logged for TensorBoard ({error}).")

    try:
        yield add
    finally:
        with suppress(Exception):
            writer.close()
