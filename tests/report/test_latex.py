import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from matplotlib.figure import Figure

from helpers.common import paths
from helpers.common.errors import InputError
from helpers.report import latex, numbers

needs_latex = pytest.mark.skipif(
    shutil.which("latexmk") is None, reason=f"no LaTeX: apt-get install {latex.DEBIAN_PACKAGES}"
)


# --- the whole report, built once ----------------------------------------------------------------


@pytest.fixture(scope="module")
def build(tmp_path_factory, move_home, write_runs, write_report):
    """Builds the report of made-up runs; returns its folder."""

    def make(notes=(), **others):
        folder = tmp_path_factory.mktemp("built")
        with pytest.MonkeyPatch.context() as monkeypatch:
            move_home(folder, monkeypatch)
            write_report(write_runs(folder / "runs", **others), notes=notes)
            figure = folder / "figure.pdf"
            Figure(figsize=(3.3, 1)).savefig(figure)
            text = (paths.REPORT_SOURCES / "report.tex").read_text()
            text += (paths.GENERATED / "matches.tex").read_text()
            for name in re.findall(r"\\includegraphics\[[^]]*\]\{([^}]+)\}", text):
                shutil.copy(figure, paths.FIGURES / f"{name}.pdf")
            assert latex.build_pdf() == folder / "report" / "report.pdf"
        return folder / "report"

    return make


@pytest.fixture(scope="module")
def built(build):
    """The folder of a report of both approaches, with its PDF."""
    return build()


@pytest.mark.latex
@needs_latex
def test_the_report_builds_with_no_warning(built):
    assert (built / "report.pdf").read_bytes().startswith(b"%PDF")
    log = (built / "build" / "report.log").read_text(errors="replace")
    assert "undefined" not in re.sub(r"LaTeX Font Warning:.*(\n\(Font\).*)*", "", log)


@pytest.mark.latex
@needs_latex
def test_a_report_of_more_approaches_and_many_notes_builds_with_no_line_too_long(build):
    names = ", ".join(f"i_a_rather_long_name_{number}" for number in range(6))
    build([f"left out: 6 scenes in no part of split a ({names})."], mine_v2=0.7, yours=0.5)


def latexmk(folder):
    command = ["latexmk", "-pdf", "-interaction=nonstopmode", "report.tex"]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=latex.BUILD_SECONDS)


def property_of(pdf, name):
    """A document property of a PDF, which hyperref writes as UTF-16 with octal escapes."""
    (written,) = re.findall(rb"/%s\((.*?)\)" % name.encode(), pdf.read_bytes())
    return re.sub(rb"\\(\d{3})", lambda m: bytes([int(m[1], 8)]), written).decode("utf-16")


@pytest.mark.latex
@needs_latex
def test_the_folder_builds_by_itself_elsewhere_to_the_same_pdf(built, tmp_path):
    shutil.copytree(built, tmp_path / "sent", ignore=shutil.ignore_patterns("build", "report.pdf"))
    assert latexmk(tmp_path / "sent").returncode == 0
    pdf = tmp_path / "sent" / "report.pdf"
    assert pdf.read_bytes() == (built / "report.pdf").read_bytes()
    title = tmp_path / "sent" / "title.tex"
    for name in ("title", "author"):
        edited = rf"\\newcommand{{\\report{name}}}{{My own {name}}}"
        text = re.sub(rf"\\newcommand\{{\\report{name}\}}.*", edited, title.read_text())
        title.write_text(text)
    assert latexmk(tmp_path / "sent").returncode == 0
    assert property_of(pdf, "Title") == "My own title"
    assert property_of(pdf, "Author") == "My own author"


@pytest.mark.latex
@needs_latex
def test_two_builds_at_once_do_not_meet(built, monkeypatch):
    monkeypatch.setattr(paths, "REPORT", built)
    monkeypatch.setattr(paths, "REPORT_PDF", built / "report.pdf")
    monkeypatch.setattr(paths, "FIGURES", built.parent / "figures")
    monkeypatch.setattr(paths, "GENERATED", built / "generated")
    before = paths.REPORT_PDF.read_bytes()
    with ThreadPoolExecutor(2) as pool:
        builds = [pool.submit(latex.build_pdf) for _ in range(2)]
    assert {build.result() for build in builds} == {paths.REPORT_PDF}
    assert paths.REPORT_PDF.read_bytes() == before
    assert sorted(path.name for path in (built / "build").iterdir()) == ["report.log"]


# --- what stops it -------------------------------------------------------------------------------


@pytest.fixture
def sources(home, monkeypatch):
    """Sources that say next to nothing; `report.tex` is there to be written."""
    folder = home / "sources"
    folder.mkdir()
    monkeypatch.setattr(paths, "REPORT_SOURCES", folder)
    for name in latex.SOURCES:
        (folder / name).write_text("")
    numbers.write_numbers({"improved.S": 0.5})
    return folder


@pytest.mark.latex
@needs_latex
def test_an_unknown_result_stops_the_build_by_name_and_leaves_the_old_pdf(sources):
    head = (paths.ROOT / "report" / "report.tex").read_text()
    head = re.search(r"\\makeatletter.*?\\makeatother\n", head, re.DOTALL).group()
    (sources / "report.tex").write_text(
        f"\\documentclass{{article}}\n{head}\\input{{generated/numbers}}\n"
        "\\begin{document}\\result{improved.S} \\result{improved.no_such-name}\\end{document}\n"
    )
    paths.REPORT_PDF.write_text("the old one")
    with pytest.raises(InputError, match=r"no result 'improved\.no_such-name' in generated"):
        latex.build_pdf()
    assert paths.REPORT_PDF.read_text() == "the old one"


@pytest.fixture
def log(tmp_path):
    """Pretends that LaTeX has run and said something."""

    def write(text: str):
        path = tmp_path / "report.log"
        path.write_text(text)
        return path

    return write


def test_an_undefined_reference_stops_the_build_by_name(log):
    path = log(
        "LaTeX Warning: Reference `fig:lost' on page 1 undefined on input line 9.\n"
        "Package natbib Warning: Citation `nobody' on page 2 undefined on input line 12.\n"
    )
    with pytest.raises(InputError, match="refers to fig:lost, nobody, which nothing defines"):
        latex._check_log(path)


@pytest.mark.parametrize("width", [500.25, 9.5])
def test_a_line_that_sticks_out_far_is_warned_of(log, width, recwarn):
    latex._check_log(log(f"Overfull \\hbox ({width}pt too wide) in paragraph at lines 7--8\n"))
    said = [f"{width} pt too wide in paragraph at lines 7--8" in str(w.message) for w in recwarn]
    assert said == ([True] if width > latex.WIDEST_OVERFULL else [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("! Undefined control sequence.\nl.7 \\oops", "Undefined control sequence"),
        ("nothing of use", "LaTeX stopped without an error message"),
    ],
)
def test_the_first_error_of_the_log_is_told(sources, text, said, monkeypatch):
    (sources / "report.tex").touch()

    def fail(command, cwd, **_):
        (cwd / "build").mkdir()
        (cwd / "build" / "report.log").write_text(text)
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(latex, "missing_tools", lambda: None)
    monkeypatch.setattr(latex.subprocess, "run", fail)
    kept = paths.REPORT / "build" / "report.log"
    with pytest.raises(InputError, match=f"^{said}: see {kept}"):
        latex.build_pdf()
    assert kept.read_text() == text


def test_a_missing_figure_and_a_missing_table_are_named(sources):
    text = r"\includegraphics[width=3in]{lost} \input{generated/numbers} \input{generated/gone}"
    (sources / "report.tex").write_text(text)
    with pytest.raises(InputError, match=r"needs [^,]*gone\.tex, [^,]*lost\.pdf: run"):
        latex.complete_folder()


def test_a_figure_of_a_generated_part_is_brought_and_one_in_a_comment_is_not_needed(sources):
    (sources / "report.tex").write_text("% \\includegraphics{lost}\n\\input{generated/part}")
    (paths.GENERATED / "part.tex").write_text(r"5\% \includegraphics{found} % {lost}")
    (paths.FIGURES / "found.pdf").write_text("a figure")
    latex.complete_folder()
    assert (paths.REPORT / "figures" / "found.pdf").read_text() == "a figure"


def test_a_source_that_is_missing_is_named(sources):
    (sources / "title.tex").unlink()
    with pytest.raises(InputError, match=r"title\.tex is missing: restore it"):
        latex.complete_folder()


def test_in_the_checkout_the_sources_stay_as_they_are(sources, monkeypatch):
    monkeypatch.setattr(paths, "REPORT_SOURCES", paths.REPORT)
    for name in latex.SOURCES:
        (paths.REPORT / name).write_text("my own")
    latex.complete_folder()
    assert {(paths.REPORT / name).read_text() for name in latex.SOURCES} == {"my own"}


def test_missing_latex_says_how_to_install_it(home, monkeypatch):
    monkeypatch.setenv("PATH", str(home))
    cure = r"needs latexmk, .*apt-get install latexmk texlive-latex-recommended .*MacTeX"
    with pytest.raises(InputError, match=cure):
        latex.build_pdf()


def test_a_pdf_counts_until_there_are_newer_numbers(sources):
    assert not latex.pdf_is_current()
    paths.REPORT_PDF.write_text("a PDF")
    assert latex.pdf_is_current()
    made = paths.REPORT_PDF.stat().st_mtime_ns
    os.utime(paths.GENERATED / "numbers.tex", ns=(made + 10**9, made + 10**9))
    assert not latex.pdf_is_current()
