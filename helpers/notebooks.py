"""Executes the notebooks in order and keeps copies with outputs, as notebooks and as HTML."""

import hashlib
import subprocess
import sys
import time
from pathlib import Path

import jupytext
import nbformat
import papermill
from jupyter_client import AsyncKernelManager
from nbconvert import HTMLExporter

from helpers import files, paths
from helpers.errors import InputError

KEY = "nhpatches_key"  # in the metadata of an executed copy: hash of all it was made from


def sources() -> list[Path]:
    """The notebooks in their order, as percent scripts."""
    return sorted(paths.NOTEBOOKS.glob("[0-9]_*.py"))


def execute_all(parameters: dict, only: str = "") -> list[Path]:
    """Executes the notebooks whose inputs changed since their last execution.

    Args:
        parameters: values for the cell tagged `parameters`, such as PROFILE and DATASET.
        only: start of the name of the one notebook to execute, for example "2".

    Returns:
        The executed copies in `paths.EXECUTED`; an `.html` of each lies beside it.

    Raises:
        InputError: a parameter that a notebook does not have, or a notebook that failed.
    """
    made, chain = [], hashlib.sha256(repr(sorted(parameters.items())).encode())
    _hash_code(chain)
    for source in sources():
        chain.update(source.read_bytes())
        target = paths.EXECUTED / f"{source.stem}.ipynb"
        if not source.name.startswith(only):
            continue
        if _key_of(target) == chain.hexdigest():
            print(f"{source.stem}: nothing changed, kept.")
        else:
            _execute(source, target, parameters, chain.hexdigest())
        made.append(target)
    return made


def _hash_code(digest) -> None:
    """Everything a notebook may use; finished trainings are found again by their own, finer key."""
    for folder, pattern in ((paths.ROOT / "helpers", "*.py"), (paths.REPORT_SOURCES, "*.*[bt]*")):
        for file in sorted(folder.rglob(pattern)):
            if file.suffix in (".py", ".tex", ".bib") and "generated" not in file.parts:
                digest.update(file.read_bytes())


def _key_of(executed: Path) -> str | None:
    if not executed.is_file():
        return None
    return nbformat.read(executed, as_version=4).metadata.get(KEY)


def _execute(source: Path, target: Path, parameters: dict, key: str) -> None:
    started = time.perf_counter()
    print(f"{source.stem}: running ...", flush=True)
    notebook = jupytext.read(source)
    _check_parameters(source, notebook, parameters)
    # Papermill keeps the failed copy, which is where the reader finds the cell that failed.
    failed = target.with_name(f"{source.stem}.failed.ipynb")
    with files.atomic_path(target) as temporary:
        nbformat.write(notebook, temporary)
        try:
            papermill.execute_notebook(
                temporary,
                temporary,
                parameters,
                kernel_name="python3",
                language="python",
                cwd=paths.NOTEBOOKS,
                progress_bar=False,
                stdout_file=sys.stdout,  # what a cell prints is shown while it runs
                kernel_manager_class=_QuietKernelManager,
            )
        except papermill.PapermillExecutionError as error:
            temporary.replace(failed)
            raise InputError(
                f"{source.name} stopped with {error.ename}: {error.evalue} (see {failed})."
            ) from error
        executed = nbformat.read(temporary, as_version=4)
        _drop_stderr(executed)
        executed.metadata[KEY] = key
        nbformat.write(executed, temporary)
    failed.unlink(missing_ok=True)
    html, _ = HTMLExporter().from_notebook_node(nbformat.read(target, as_version=4))
    files.write_text(target.with_suffix(".html"), html)
    print(f"{source.stem}: done in {time.perf_counter() - started:.0f} s.", flush=True)


class _QuietKernelManager(AsyncKernelManager):
    """Keeps what kernel and libraries say about themselves out of the terminal.

    Through files, unlike TCP, the kernel has nothing to warn about; TensorFlow greets on stderr.
    """

    transport = "ipc"

    async def start_kernel(self, **options):
        return await super().start_kernel(stderr=subprocess.DEVNULL, **options)


def _drop_stderr(notebook) -> None:
    """Progress bars and the greetings of TensorFlow mean nothing once they are history."""
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        cell["outputs"] = [output for output in outputs if output.get("name") != "stderr"]
        if cell.cell_type != "code":
            del cell["outputs"]


def _check_parameters(source: Path, notebook, parameters: dict) -> None:
    """Papermill only warns of a parameter that the notebook does not have."""
    cells = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    known = {
        line.split("=")[0].strip() for c in cells for line in c.source.splitlines() if "=" in line
    }
    unknown = set(parameters) - known
    if unknown:
        raise InputError(
            f"{source.name} has no parameter {', '.join(sorted(unknown))}: "
            f"it knows {', '.join(sorted(known))}."
        )
