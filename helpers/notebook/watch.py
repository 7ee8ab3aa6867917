"""What a notebook says while it is executed: shown in the terminal, kept in the copy."""

import re
from typing import TextIO

import nbformat

BAR = re.compile(r"\d+%\|.*\||\d+(?:it|B|iB)? \[\d\d:\d\d")  # as tqdm draws them without widgets
WIDGET = "application/vnd.jupyter.widget-view+json"


class Shown:
    """A stream that shows what is written to it, but for progress bars."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> None:
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
