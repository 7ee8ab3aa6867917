"""The curves of a run: as CSV files, and for TensorBoard where that is installed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from helpers import files
from helpers.checkpoints import COLUMNS, Progress


def write(folder: Path, progress: Progress) -> None:
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
