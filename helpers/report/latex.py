"""The LaTeX build: a folder that holds all that its PDF needs, and the PDF."""

import os
import re
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

from helpers.common import paths
from helpers.common.errors import InputError
from helpers.common.files import atomic_path

SOURCES = ("report.tex", "title.tex", "references.bib")
TOOLS = ("latexmk", "pdflatex", "kpsewhich")
STYLE_FILES = ("lmodern.sty", "booktabs.sty", "microtype.sty", "natbib.sty", "geometry.sty")
DEBIAN_PACKAGES = "latexmk texlive-latex-recommended texlive-fonts-recommended lmodern"
BUILD_SECONDS = 300  # far more than a build takes; stops a LaTeX that waits for something
WIDEST_OVERFULL = 10.0  # points; below that nobody sees it


def build_pdf() -> Path:
    """Builds report.pdf in the report's folder with latexmk and puts it in place once it is whole.

    The folder then holds all that it needs to be built elsewhere by `latexmk -pdf report.tex`: the
    figures, and, where it is not the checkout's (NHPATCHES_HOME), copies of the sources. The log
    stays in its `build`.

    Raises:
        InputError: LaTeX is not installed, an input is missing, LaTeX stopped (unknown result
            name, error in the text), or a reference is undefined.
    """
    if problem := missing_tools():
        raise InputError(problem)
    complete_folder()
    with tempfile.TemporaryDirectory() as place:  # two builds at once do not meet
        folder = Path(place) / "report"
        shutil.copytree(paths.REPORT, folder, ignore=shutil.ignore_patterns("build", ".*"))
        log, kept = folder / "build" / "report.log", paths.REPORT / "build" / "report.log"
        try:
            _run_latex(folder, log)
        except InputError as error:
            raise InputError(f"{error}: see {kept}.") from error
        finally:
            if log.is_file():
                _copy(log, kept)
        _check_log(log)
        _copy(log.with_suffix(".pdf"), paths.REPORT_PDF)
    return paths.REPORT_PDF


def _copy(path: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(path, temporary)


def pdf_is_current() -> bool:
    """Whether the PDF is there and no older than the numbers it was to be built from.

    A PDF that came with the checkout does not count for a later run without LaTeX.
    """
    made, numbers = paths.REPORT_PDF, paths.GENERATED / "numbers.tex"
    both = made.is_file() and numbers.is_file()
    return both and made.stat().st_mtime >= numbers.stat().st_mtime


def missing_tools() -> str | None:
    """A sentence that says what to install for the PDF; None if LaTeX is there."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if not missing:
        command = ["kpsewhich", *STYLE_FILES]
        found = subprocess.run(command, capture_output=True, text=True).stdout
        missing = [name for name in STYLE_FILES if name not in found]
    if not missing:
        return None
    return (
        f"The PDF needs {missing[0]}, which is not installed (everything else is made): "
        f"sudo apt-get install {DEBIAN_PACKAGES}, or elsewhere a whole TeX Live (MacTeX)"
    )


def complete_folder() -> None:
    """Brings sources and figures into the report's folder.

    Raises:
        InputError: a source, or a figure or generated part that they name, does not exist.
    """
    folder = paths.REPORT
    for path in (paths.REPORT_SOURCES / name for name in SOURCES):
        if not path.is_file():
            raise InputError(f"{path} is missing: restore it from the repository.")
        if path.parent != folder:
            _copy(path, folder / path.name)
    text = source_text(folder / "report.tex")
    parts = [folder / f"{name}.tex" for name in re.findall(r"\\input\{([^}]+)\}", text)]
    text += "".join(source_text(path) for path in parts if path.is_file())
    pictures = re.findall(r"\\includegraphics(?:\[[^]]*\])?\{([^}]+)\}", text)
    figures = [paths.FIGURES / f"{name}.pdf" for name in pictures]
    if missing := [str(path) for path in (*parts, *figures) if not path.is_file()]:
        raise InputError(
            f"The report needs {', '.join(missing)}: run the notebooks that make it (make report)."
        )
    for path in figures:
        _copy(path, folder / "figures" / path.name)


def source_text(path: Path) -> str:
    """A LaTeX file without its comments."""
    return re.sub(r"(?<!\\)%.*", "", path.read_text(encoding="utf-8"))


def _run_latex(folder: Path, log: Path) -> None:
    command = ["latexmk", "-norc", "-pdf", "-interaction=nonstopmode", "-halt-on-error"]
    command += ["-latexoption=-no-shell-escape", f"-outdir={log.parent.name}", "report.tex"]
    # LaTeX breaks log lines at 79 characters otherwise, in the middle of names.
    environment = {**os.environ, "max_print_line": "10000"}
    how = {"cwd": folder, "env": environment, "timeout": BUILD_SECONDS}
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, **how)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"LaTeX took over {BUILD_SECONDS} s") from error
    if done.returncode:
        text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
        found = re.search(r"^! (.+?)\.?$", text, re.MULTILINE)
        raise InputError(found[1] if found else "LaTeX stopped without an error message")


def _check_log(log: Path) -> None:
    """Raises for undefined references; warns of lines that stick out of their column."""
    text = log.read_text(encoding="utf-8", errors="replace")
    undefined = re.findall(r"Warning: (?:Reference|Citation) [`'](.+?)'.* undefined", text)
    if undefined:
        raise InputError(
            f"report.tex refers to {', '.join(sorted(set(undefined)))}, which nothing defines: "
            "correct the \\ref, \\cite or references.bib."
        )
    for width, place in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide\) (.+)", text):
        if float(width) > WIDEST_OVERFULL:
            warnings.warn(f"report.tex: a line is {width} pt too wide {place}", stacklevel=3)
