"""The LaTeX build: report.tex, generated parts and figures to report.pdf."""

import os
import re
import shutil
import subprocess
import warnings
from pathlib import Path

from helpers.common import paths
from helpers.common.errors import InputError
from helpers.common.files import atomic_path

SOURCES = ("report.tex", "references.bib")
DEBIAN_PACKAGES = "latexmk texlive-latex-recommended texlive-fonts-recommended lmodern"
STYLE_FILES = ("lmodern.sty", "booktabs.sty", "microtype.sty", "natbib.sty", "geometry.sty")
BUILD_SECONDS = 300  # far more than a build takes; stops a LaTeX that waits for something
WIDEST_OVERFULL = 10.0  # points; below that nobody sees it


def build_pdf(
    sources: Path | str = paths.REPORT_SOURCES, target: Path | str = paths.REPORT_PDF
) -> Path:
    """Builds the report with latexmk and puts it in place once it is whole.

    Sources, generated parts and figures are copied into `build` beside the target, where the log
    stays to be read; so they may come from different places.

    Args:
        sources: folder with report.tex and references.bib.
        target: the PDF to write.

    Returns:
        `target`.

    Raises:
        InputError: LaTeX is not installed, an input is missing, LaTeX stopped (unknown result
            name, error in the text), or a reference is undefined.
    """
    sources, target = Path(sources), Path(target)
    if problem := missing_tools():
        raise InputError(problem)
    _check_inputs(sources / "report.tex")
    build = target.parent / "build"
    _fill(build, sources)
    _run_latex(build)
    _check_log(build / "report.log")
    with atomic_path(target) as temporary:
        shutil.copyfile(build / "report.pdf", temporary)
    return target


def pdf_is_current() -> bool:
    """Whether the PDF is there and no older than the numbers it was to be built from.

    A PDF that came with the checkout does not count for a later run without LaTeX.
    """
    numbers = paths.GENERATED / "numbers.tex"
    return (
        paths.REPORT_PDF.is_file()
        and numbers.is_file()
        and paths.REPORT_PDF.stat().st_mtime >= numbers.stat().st_mtime
    )


def missing_tools() -> str | None:
    """A sentence that says what to install for the PDF; None if LaTeX is there."""
    missing = [tool for tool in ("latexmk", "pdflatex", "kpsewhich") if shutil.which(tool) is None]
    if not missing:
        missing = [name for name in STYLE_FILES if not _latex_finds(name)]
    if not missing:
        return None
    return (
        f"The PDF needs {missing[0]}, which is not installed (everything else is made): "
        f"sudo apt-get install {DEBIAN_PACKAGES}"
    )


def _latex_finds(name: str) -> bool:
    return subprocess.run(["kpsewhich", name], capture_output=True).returncode == 0


def _check_inputs(source: Path) -> None:
    """Every figure and every generated part that report.tex names must exist."""
    for path in (source, source.with_name("references.bib")):
        if not path.is_file():
            raise InputError(f"{path} is missing: restore it from the repository.")
    text = _without_comments(source)
    needed = [paths.REPORT / f"{name}.tex" for name in re.findall(r"\\input\{([^}]+)\}", text)]
    pictures = re.findall(r"\\includegraphics(?:\[[^]]*\])?\{([^}]+)\}", text)
    needed += [paths.FIGURES / f"{name}.pdf" for name in pictures]
    missing = [str(path) for path in needed if not path.is_file()]
    if missing:
        raise InputError(
            f"The report needs {', '.join(missing)}: run the notebooks that make it (make report)."
        )


def _without_comments(source: Path) -> str:
    return re.sub(r"(?<!\\)%.*", "", source.read_text(encoding="utf-8"))


def _fill(build: Path, sources: Path) -> None:
    shutil.rmtree(build, ignore_errors=True)  # an old .aux could hide an undefined reference
    build.mkdir(parents=True)
    for name in SOURCES:
        shutil.copy(sources / name, build)
    shutil.copytree(paths.GENERATED, build / "generated")
    shutil.copytree(paths.FIGURES, build / "figures", ignore=shutil.ignore_patterns("*.png"))


def _run_latex(build: Path) -> None:
    command = ["latexmk", "-norc", "-pdf", "-interaction=nonstopmode", "-halt-on-error"]
    command += ["-latexoption=-no-shell-escape", "report.tex"]
    # LaTeX breaks log lines at 79 characters otherwise, in the middle of names.
    environment = {**os.environ, "max_print_line": "10000"}
    try:
        done = subprocess.run(
            command,
            cwd=build,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"LaTeX took over {BUILD_SECONDS} s: see {build}/report.log.") from error
    if done.returncode:
        raise InputError(_first_error(build / "report.log"))


def _first_error(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    found = re.search(r"^! (.+)", text, re.MULTILINE)
    message = found.group(1).strip() if found else "LaTeX stopped without an error message"
    if re.search(r"File `.+\.(sty|cls|bst|fd)' not found", message):
        return f"{message} The PDF needs the packages {DEBIAN_PACKAGES}: install them with apt-get."
    return f"{message.rstrip('.')}: see {log}."


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
            warnings.warn(f"{log}: a line is {width} pt too wide {place}", stacklevel=3)


def result_names(source: Path | str) -> list[str]:
    """The names of all `\\result{...}` in a .tex file, sorted."""
    return sorted(set(re.findall(r"\\result\{([^}#]+)\}", _without_comments(Path(source)))))
