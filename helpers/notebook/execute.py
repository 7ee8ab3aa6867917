"""Executes the notebooks in order and keeps copies with outputs, as notebooks and as HTML."""

import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

import jupytext
import nbformat
import papermill
from jupyter_client import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbconvert import HTMLExporter

from helpers.common import files, paths
from helpers.common.errors import InputError
from helpers.common.keys import code_key, key
from helpers.common.provenance import package_versions
from helpers.notebook.watch import Shown, keep_what_matters
from helpers.report import latex

LONGEST_SOCKET = 90  # bytes: systems allow little more than 100 with what is put behind
KEY = "nhpatches_key"  # in the metadata of an executed copy: hash of all it was made from


def sources() -> list[Path]:
    """The notebooks in their order, as percent scripts."""
    return sorted(paths.NOTEBOOKS.glob("[0-9]_*.py"))


def that_draw() -> tuple[str, ...]:
    """The names of the notebooks that save figures."""
    return tuple(source.stem for source in sources() if "figures.save(" in source.read_text("utf8"))


def execute_all(
    parameters: dict,
    only: str | tuple[str, ...] = "",
    data_key: object = None,
    needed: Callable[[], Iterable[Path]] = tuple,
) -> list[Path]:
    """Executes the notebooks whose inputs changed since their last execution.

    Args:
        parameters: values for the cell tagged `parameters`, such as PROFILE and DATASET.
        only: how names start, for example "2": just these notebooks, even if nothing changed.
        data_key: JSON-able; changes when the files behind DATASET do.
        needed: gives the files that notebooks leave for each other; all are executed again where
            one of these, of the figures or of the report's parts has changed or gone since.

    Returns:
        The executed copies in `paths.EXECUTED`; an `.html` of each lies beside it.

    Raises:
        InputError: a script and a notebook are no longer a pair, or a notebook failed.
    """
    os.environ["NHPATCHES_HOME"] = str(paths.HOME)  # kernels start in another folder
    if "NHPATCHES_DATA" in os.environ:
        os.environ["NHPATCHES_DATA"] = str(paths.DATA)
    outputs = paths.EXECUTED / "outputs.json"
    keep = not only and _are_as_left(outputs, needed())
    made = []
    for source, decisive in _keys([parameters, data_key]).items():
        if not source.name.startswith(only):
            continue
        made.append(target := paths.EXECUTED / f"{source.stem}.ipynb")
        if keep and _is_made(target, decisive):
            print(f"{source.stem}: nothing changed, kept.")
        else:
            _execute(source, target, parameters, decisive)
            files.write_json(outputs, _made(needed()))
    return made


def _keys(asked: list) -> dict[Path, str]:
    """Notebook -> hash of all that decides what it makes, the notebooks before it included."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    # Any helper may matter to any notebook; finished trainings are found again by a finer key.
    decisive, keys = [*asked, backend, package_versions(), code_key(".")], {}
    for source in sources():
        decisive.append(text := source.read_text(encoding="utf-8"))
        if "MEASURED" in text:
            decisive.append(_contents(paths.MEASURED.glob("*.json")))
        if source.stem.endswith("report"):
            decisive.append(_contents(paths.REPORT_SOURCES / name for name in latex.SOURCES))
            decisive.append(_contents(paths.TEXTS.glob("*.tex")))
        keys[source] = key(decisive)
    return keys


def _are_as_left(outputs: Path, needed: Iterable[Path]) -> bool:
    """Whether all that was there is so still: some may be deleted or put back to older ones."""
    try:
        left = files.read_json(outputs, dict[str, str])
    except InputError:
        return False
    return left.items() <= _made(needed).items()


def _made(needed: Iterable[Path]) -> dict[str, str]:
    drawn = (path for folder in (paths.FIGURES, paths.GENERATED) for path in folder.glob("[!.]*"))
    return _contents([*needed, *drawn])


def _contents(found: Iterable[Path]) -> dict[str, str]:
    return {  # a home may be moved
        f"{path.parent.name}/{path.name}": sha256(path.read_bytes()).hexdigest()
        for path in found
        if path.is_file()
    }


def _is_made(executed: Path, decisive: str) -> bool:
    """Whether a notebook was executed from the same inputs and its copies are still there."""
    try:
        known = nbformat.read(executed, as_version=4).metadata.get(KEY)
    except (FileNotFoundError, ValueError):  # none yet, or a damaged one
        return False
    return known == decisive and executed.with_suffix(".html").exists()


def _execute(source: Path, target: Path, parameters: dict, decisive: str) -> None:
    started = time.perf_counter()
    print(f"{source.stem}: running ...", flush=True)
    notebook = jupytext.read(source)
    _check_pair(source, notebook)
    with files.atomic_path(target) as temporary:
        nbformat.write(notebook, temporary)
        executed = _run(source, temporary, target.with_suffix(".failed.ipynb"), parameters)
        keep_what_matters(executed)
        executed.metadata[KEY] = decisive
        html, _ = HTMLExporter().from_notebook_node(executed)
        files.write_text(target.with_suffix(".html"), html)
        nbformat.write(executed, temporary)
    print(f"{source.stem}: done in {time.perf_counter() - started:.0f} s.", flush=True)


def _run(source: Path, temporary: Path, failed: Path, parameters: dict) -> nbformat.NotebookNode:
    try:
        executed = papermill.execute_notebook(
            temporary,
            temporary,
            parameters,
            kernel_name="python3",
            language="python",
            cwd=paths.NOTEBOOKS,
            progress_bar=False,
            stdout_file=Shown(sys.stdout),
            stderr_file=Shown(sys.stderr),
            kernel_manager_class=_KernelManager,
        )
    except papermill.PapermillExecutionError as error:
        temporary.replace(failed)  # where the reader finds the cell that failed
        raise InputError(
            f"{source.name} stopped with {error.ename}: {error.evalue} (see {failed})."
        ) from error
    except DeadKernelError as error:
        raise InputError(
            f"{source.name} stopped because its Python died, most likely for lack of memory: "
            "close other programs or choose a smaller profile."
        ) from error
    failed.unlink(missing_ok=True)
    return executed


class _KernelManager(AsyncKernelManager):
    """Talks to the kernel through files: unlike TCP, they leave it nothing to warn about."""

    def __init__(self, **options):
        super().__init__(**options)
        place = f"{tempfile.gettempdir()}/{uuid.uuid4().hex}"  # else files beside the notebooks
        if len(os.fsencode(place)) < LONGEST_SOCKET:
            self.transport, self.ip = "ipc", place


def _check_pair(source: Path, notebook: nbformat.NotebookNode) -> None:
    """The script is what is executed, so an edit of the notebook alone must not go unnoticed."""

    def cells(one: nbformat.NotebookNode) -> list[tuple[str, str]]:
        return [(cell.cell_type, cell.source) for cell in one.cells]

    pair = source.with_suffix(".ipynb")
    if pair.is_file() and cells(jupytext.read(pair)) != cells(notebook):
        raise InputError(
            f"{pair.name} and {source.name} differ: run "
            f"`.venv/bin/jupytext --sync notebooks/{pair.name}` to carry the newer one over."
        )
