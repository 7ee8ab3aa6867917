"""What a notebook says while it is executed: shown in the terminal, kept in the copy."""

import re
import sys
import threading
import time
from typing import Any, TextIO

import nbformat

SILENCE = 60  # seconds without a word until it is said where a notebook is
BAR = re.compile(r"\d+%\|.*\||\d+(?:it|B|iB)? \[\d\d:\d\d")  # as tqdm draws them without widgets
WIDGET = "application/vnd.jupyter.widget-view+json"


class Watch:
    """Passes on what a notebook prints and warns of, and says once a minute where it is.

    Args:
        name: of the notebook.
        cells: how many there are to execute.
    """

    def __init__(self, name: str, cells: int):
        self.name, self.cells, self.number = name, cells, 0
        self.out, self.err = _Shown(self, sys.stdout), _Shown(self, sys.stderr)
        self.began = self.said = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._remind, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()

    def begin(self, cell: nbformat.NotebookNode, **_: Any) -> None:
        """To be called when a cell begins."""
        self.number += cell.cell_type == "code"
        self.began = self.said = time.monotonic()

    def _remind(self) -> None:
        while not self._over.wait(SILENCE / 10):
            if time.monotonic() - self.said > SILENCE:
                minutes = (time.monotonic() - self.began) / 60
                where = f"cell {self.number} of {self.cells}"
                self.out.write(f"  {self.name}: {where}, {minutes:.0f} min\n")


class _Shown:
    """A stream of a notebook, as its reader is to see it."""

    def __init__(self, watch: Watch, stream: TextIO):
        self.watch, self.stream = watch, stream

    def write(self, text: str) -> None:
        self.watch.said = time.monotonic()
        self.stream.write(without_bars(text))
        self.stream.flush()

    def flush(self) -> None:
        """Nothing is held back."""


def without_bars(text: str) -> str:
    """A text without progress bars, which are drawn over and over on one line."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not BAR.search(line) and line != "\r")


def keep_what_matters(notebook: nbformat.NotebookNode) -> None:
    """Drops progress bars, which mean nothing once they are past, and nothing else."""
    notebook.metadata.pop("widgets", None)
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        for output in (output for output in cell.outputs if output.output_type == "stream"):
            output.text = without_bars(output.text)
        shown = [output for output in cell.outputs if output.get("text", "shown").strip()]
        cell.outputs = [output for output in shown if WIDGET not in output.get("data", {})]
