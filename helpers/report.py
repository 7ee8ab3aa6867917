"""From results to report.pdf: numbers that LaTeX looks up by name, and the LaTeX build itself.

`report.tex` contains no result. It says `\\result{improved.S}`; `write_numbers` writes the file in
which LaTeX finds that name, and `build_pdf` fails by name where one is missing.
"""

import os
import re
import shutil
import subprocess
import warnings
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.errors import InputError
from helpers.files import atomic_path, read_json, write_text
from helpers.settings import APPROACHES
from helpers.tables import INTERIM_SCORES, escape, format_number

SOURCES = ("report.tex", "references.bib")
DEBIAN_PACKAGES = "latexmk texlive-latex-recommended texlive-fonts-recommended lmodern"
STYLE_FILES = ("lmodern.sty", "booktabs.sty", "microtype.sty", "natbib.sty", "geometry.sty")
BUILD_SECONDS = 300  # far more than a build takes; stops a LaTeX that waits for something
WIDEST_OVERFULL = 10.0  # points; below that nobody sees it

# Decimals of a float by a part of its name (the last that is listed); everything else gets three.
DECIMALS = {
    "minutes": 1,
    "seconds": 1,
    "patches_per_second": 0,
    "epochs": 1,
    "denoising": 2,
    "spectrum": 1,
    "noise": 1,
    "cost": 1,
    "baseline_by_improved": 1,
}
SHORTENED = {"fingerprint": 12}  # characters of a hash that are printed

# Rows of measured tables by the names under which the text asks for them.
EARLY_STOPPED = "baseline, until early stopping"
ABLATED = {
    "start": "flips and turns, frozen denoiser",
    "direct": "no denoiser",
    "along": "denoiser learns along",
    "both": "denoiser learns along and still denoises",
    "upright": "no flips and turns",
    "random": "random negatives",
    "jittered": "each view jittered",
    "wide": "twice as wide",
    "longer": "twice as long",
    "teacher": "taught by one that sees clean patches",
    "constant": "constant learning rate",
    "averaged": "constant rate, last weights averaged",
    "dncnn": "DnCNN as denoiser",
    "ffdnet": "FFDNet as denoiser",
    "nafnet": "NAFNet as denoiser",
    "told": "denoiser knows the noise profile",
}
ON_GENUINE = {
    "baseline": "baseline",
    "end": EARLY_STOPPED,
    "improved": "improved",
    "pretrained": "pretrained",
    "pretrained_clean": "pretrained, of clean patches",
    "root_sift_clean": "RootSIFT of clean patches",
    "root_sift": "RootSIFT",
}


# --- numbers -------------------------------------------------------------------------------------


def flatten(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"improved": {"S": 0.5}} -> {"improved.S": 0.5}; lists of plain values stay whole.

    Args:
        nested: dictionaries in dictionaries, as read from JSON.
        prefix: put before every name.
    """
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        name = f"{prefix}{key}"
        if isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
            value = dict(enumerate(value))  # the recipes of joined datasets
        flat |= flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def compare(baseline: dict[str, Any], improved: dict[str, Any]) -> dict[str, Any]:
    """Words and differences with which the text compares the approaches, whatever came out.

    Args:
        baseline, improved: scores dictionaries.

    Returns:
        For V, M, R, S: `word.S` is "above", "below" or "equal to" (improved against baseline),
        `difference.S` the signed difference, `intervals.S` is "overlap" or "do not overlap".
        Where a score or interval is missing it is "not comparable with", None, "are not known".
    """
    keys = ("V", "M", "R", "S")
    return {
        "word": {key: _word(baseline[key], improved[key]) for key in keys},
        "difference": {key: _difference(baseline[key], improved[key]) for key in keys},
        "intervals": {
            key: _overlap(baseline["intervals"][key], improved["intervals"][key]) for key in keys
        },
    }


def _word(baseline: float | None, improved: float | None) -> str:
    if baseline is None or improved is None:
        return "not comparable with"
    return "above" if improved > baseline else "below" if improved < baseline else "equal to"


def _difference(baseline: float | None, improved: float | None) -> str | None:
    if baseline is None or improved is None:
        return None
    return f"{improved - baseline:+.3f}"


def _overlap(baseline: list[float] | None, improved: list[float] | None) -> str:
    if baseline is None or improved is None:
        return "are not known"
    (low1, high1), (low2, high2) = baseline, improved
    return "overlap" if max(low1, low2) <= min(high1, high2) else "do not overlap"


def format_value(name: str, value: Any) -> str:
    """The LaTeX text of one result; the one place where numbers in the text are rounded.

    Scores get three decimals and other floats what DECIMALS says; settings four digits
    (a learning rate of 1e-5 is shown as 10^-5); counts get thousands separators, except seeds and
    years; lists of words are joined by commas, lists of numbers (intervals) bracketed.
    """
    parts = name.split(".")[::-1]
    last = parts[0]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return escape(value[: SHORTENED.get(last, len(value))])
    if isinstance(value, list | tuple):
        texts = [format_value(name, entry) for entry in value]
        words = any(isinstance(entry, str) for entry in value)
        return ", ".join(texts) if words else f"[{', '.join(texts)}]"
    if isinstance(value, Integral) and last in ("seed", "year"):
        return str(value)
    setting = name.startswith("settings.") or last == "learning_rate"
    if isinstance(value, Real) and not isinstance(value, Integral) and setting:
        return _four_digits(float(value))
    decimals = next((DECIMALS[part] for part in parts if part in DECIMALS), 3)
    return escape(format_number(value, decimals))


def _four_digits(value: float) -> str:
    mantissa, _, exponent = f"{value:.4g}".partition("e")
    if not exponent:
        return mantissa
    factor = "" if mantissa == "1" else rf"{mantissa}\times "
    return rf"\ensuremath{{{factor}10^{{{int(exponent)}}}}}"


def collect_numbers(
    baseline: dict[str, Any],
    improved: dict[str, Any],
    runs: dict[str, Path | str],
    **others: dict[str, Any],
) -> dict[str, Any]:
    """All results that the report may name, flat.

    Args:
        baseline, improved: scores dictionaries -> `baseline.S`, `improved.S`, `compare.word.S`, ...
        runs: name of a network -> its run folder -> `settings.<name>.batch`,
            `outcome.<name>.minutes`, ..., `cost.improved`: million multiply-adds of a pipeline.
        others: further dictionaries by their prefix, such as dataset=store.summary().

    Raises:
        InputError: a run folder lacks settings.json or outcome.json.
    """
    numbers = _of_runs(runs) | flatten(
        {
            "baseline": baseline,
            "improved": improved,
            "compare": compare(baseline, improved),
            "interim": INTERIM_SCORES,
            **others,
        }
    )
    numbers |= {f"cost.{approach}": pipeline_cost(numbers, approach) for approach in APPROACHES}
    # One number a scene is for figures; names of scenes may hold what LaTeX cannot look up.
    return {
        name: value
        for name, value in numbers.items()
        if ".matching.sequences." not in name and ".lengths." not in name
    }


def _of_runs(runs: dict[str, Path | str]) -> dict[str, Any]:
    """Settings and outcome of every run, flat."""
    settings = {name: read_json(Path(run) / "settings.json") for name, run in runs.items()}
    outcome = {name: read_json(Path(run) / "outcome.json") for name, run in runs.items()}
    return flatten(
        {
            "settings": {name: run["settings"] for name, run in settings.items()},
            "outcome": outcome,
        }
    )


def measured_numbers(measured: dict[str, Any]) -> dict[str, Any]:
    """What a file in `report/measured/` says beside its table, for `collect_numbers`.

    Of a table of trainings it is also the row of the one that stopped early, as `end`.
    """
    kept = {
        key: _with_short_names(value)
        for key, value in measured.items()
        if key not in ("rows", "settings")
    }
    rows = measured["rows"] if isinstance(measured["rows"], dict) else {}
    if isinstance(rows.get(EARLY_STOPPED), list):
        row = rows[EARLY_STOPPED][0]
        parts = dict(zip(("denoiser", "descriptor"), row["trainings"], strict=True))
        kept["end"] = {key: row[key] for key in ("V", "M", "R", "S", "intervals")} | parts
    return kept


def _with_short_names(value: Any) -> Any:
    """LaTeX looks up no name with spaces."""
    if not isinstance(value, dict):
        return value
    return {"end" if name == EARLY_STOPPED else name: entry for name, entry in value.items()}


def named_rows(measured: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Rows of a measured table under short names, for `collect_numbers`.

    A row that is not measured is left out: LaTeX stops by its name where the text asks for it.

    Args:
        measured: a file in `report/measured/`.
        names: short name -> name of the row, such as `ABLATED`.
    """
    rows = measured["rows"]
    return {short: rows[name] for short, name in names.items() if name in rows}


def pipeline_cost(numbers: dict[str, Any], approach: str) -> float:
    """Million multiply-adds that a pipeline takes for one patch.

    Args:
        numbers: flat, with the settings and outcomes of both networks.
        approach: "baseline" or "improved".
    """
    parts = _parts(numbers, approach)
    return sum(numbers[f"outcome.{part}.multiply_adds"] for part in parts) / 1e6


def _parts(numbers: dict[str, Any], approach: str) -> list[str]:
    """The networks of a pipeline."""
    parts = [f"{approach}-descriptor"]
    # Joined in any other way, the descriptor's own run holds all that is used.
    if numbers[f"settings.{approach}-descriptor.joining"] == "frozen":
        parts.append(f"{approach}-denoiser")
    return parts


def pipeline_costs(
    runs: dict[str, Path | str], inference: dict[str, Any]
) -> dict[str, dict[str, float | None]]:
    """What each approach costs in training and in use, for `tables.comparison_table`.

    Args:
        runs: name of a network -> its run folder.
        inference: `report/measured/inference.json`; its milliseconds are taken for a pipeline of
            as many multiply-adds alone, since others take another time.
    """
    numbers, found = _of_runs(runs), {}
    for approach in APPROACHES:
        found[approach] = {
            cost: sum(numbers[f"outcome.{part}.{key}"] for part in _parts(numbers, approach))
            for cost, key in (
                ("parameters", "trainable_parameters"),
                ("multiply_adds", "multiply_adds"),
                ("minutes", "minutes"),
            )
        }
        timed = inference["rows"][f"{approach}, both"]
        same = timed["multiply_adds"] == found[approach]["multiply_adds"]
        found[approach]["milliseconds"] = timed["milliseconds"] if same else None
    return found


def runs_provenance(
    runs: dict[str, Path | str], scores: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """What made the numbers, from the files of the runs and not from the process that reports.

    Args:
        runs: name of a network -> its run folder.
        scores: approach -> scores dictionary with its "provenance".

    Returns:
        dataset, fingerprint, seed, backend, device, python, commit and versions; where runs differ
        in one, all its values, joined by "; ".
    """
    made = [read_json(Path(run) / "settings.json") for run in runs.values()]
    facts = [_of_data(entry) | _of_machine(entry) for entry in made]
    facts += [_of_machine(entry["provenance"]) for entry in scores.values()]
    names = dict.fromkeys(name for entry in facts for name in entry)
    return {
        name: "; ".join(dict.fromkeys(str(entry[name]) for entry in facts if name in entry))
        for name in names
    }


def _of_data(run: dict[str, Any]) -> dict[str, Any]:
    data = run["dataset"]
    return {
        "dataset": data["name"],
        "fingerprint": data["fingerprint"],
        "seed": run["settings"]["seed"],
    }


def _of_machine(entry: dict[str, Any]) -> dict[str, Any]:
    found = {name: entry[name] for name in ("backend", "device", "python", "commit")}
    if commit := found["commit"]:
        found["commit"] = commit[:7] + "+" * commit.endswith("+")  # "+": with changes since
    return found | entry["versions"]


def write_numbers(numbers: dict[str, Any], path: Path | str | None = None) -> Path:
    """Writes the file in which `\\result{name}` finds its text.

    Args:
        numbers: flat (`flatten`); names may hold letters, digits and . _ - only.
        path: where to; default generated/numbers.tex.

    Raises:
        InputError: a name that LaTeX could not look up.
    """
    path = Path(path or paths.GENERATED / "numbers.tex")
    lines = ["% Written by helpers/report.py: change the runs, not this file.", r"\makeatletter"]
    for name, value in sorted(numbers.items()):
        if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
            raise InputError(f"The result name {name!r} may hold letters, digits and . _ - only.")
        lines.append(rf"\@namedef{{result@{name}}}{{{format_value(name, value)}}}")
    write_text(path, "\n".join([*lines, r"\makeatother"]) + "\n")
    return path


def result_names(source: Path | str) -> list[str]:
    """The names of all `\\result{...}` in a .tex file, sorted."""
    return sorted(set(re.findall(r"\\result\{([^}#]+)\}", _without_comments(Path(source)))))


README_SCORES = ("V", "M", "R", "S")
README_GENUINE = {
    "baseline": "baseline",
    "end": EARLY_STOPPED,
    "improved": "improved",
    "pretrained": "improved, pretrained",
    "root_sift_clean": ON_GENUINE["root_sift_clean"],
}
README_BLOCK = re.compile(r"(<!-- results: .*? -->\n).*?(<!-- end of results -->)", re.DOTALL)


def readme_results(numbers: dict[str, Any]) -> str:
    """The results block of the README: what was measured on what, as Markdown.

    Args:
        numbers: flat, as `numbers.json` holds them.
    """
    ours = f"`{numbers['dataset.name']}`, {numbers['dataset.parts.test.scenes']} test scenes"
    genuine = f"genuine HPatches sequences, {len(numbers['genuine.scenes'])} test scenes"
    cost = {name: pipeline_cost(numbers, name) for name in APPROACHES}
    by_hand = ON_GENUINE["root_sift_clean"]
    rows = [
        _readme_row(numbers, "baseline.", "baseline", ours, cost["baseline"]),
        _readme_row(numbers, "improved.", "improved", ours, cost["improved"]),
        _readme_row(numbers, "classical.root_sift.clean.", by_hand, ours, None),
    ]
    if "seeds.end.S" in numbers:
        rows.insert(1, _readme_row(numbers, "seeds.end.", EARLY_STOPPED, ours, cost["baseline"]))
    for key, name in README_GENUINE.items():
        if f"on_genuine.{key}.S" not in numbers:  # until early stopping: it takes an hour
            continue
        count = numbers.get(f"genuine.multiply_adds.{key}")
        row = (f"on_genuine.{key}.", name, genuine, None if count is None else count / 1e6)
        rows.append(_readme_row(numbers, *row))
    interim = " | ".join(format_number(INTERIM_SCORES[key]) for key in README_SCORES)
    rows.append(f"| *coursework's interim report* | genuine N-HPatches, split a | {interim} | – |")
    heading = "| approach | data | V | M | R | S | million multiply-adds a patch |"
    return "\n".join([heading, "|---" * 7 + "|", *rows, "", _made_on(numbers)]) + "\n"


def _readme_row(
    numbers: dict[str, Any], prefix: str, name: str, data: str, cost: float | None
) -> str:
    cells = [
        f"{format_number(numbers[prefix + key])} "
        f"{format_number(numbers[f'{prefix}intervals.{key}'])}"
        for key in README_SCORES
    ]
    return "| " + " | ".join([name, data, *cells, format_number(cost, 1)]) + " |"


def _made_on(numbers: dict[str, Any]) -> str:
    points = [f"{numbers[key]:,}" for key in ("dataset.parts.test.points", "genuine.points")]
    by_hand = format_number(numbers["classical.root_sift.noisy.S"])
    return (
        f"Noisy patches (clean ones where a row says so) of {points[0]} points of the photographs "
        f"and {points[1]} of the sequences; profile `{numbers['provenance.profile']}`, one "
        f"training of each network (seed {numbers['provenance.seed']}), "
        f"{numbers['provenance.backend']} on {numbers['provenance.device']}. What is tested on the "
        "sequences learned from training scenes of the same split, the pretrained networks for "
        "longer and from the photographs, too. RootSIFT, made by hand, reaches an S of "
        f"{by_hand} on the noisy patches of the photographs. The last row is of other, larger data "
        "and cannot be compared."
    )


def update_readme(readme: Path | None = None) -> None:
    """Writes the results of the last report into README.md.

    Raises:
        InputError: the last report is not of the profile and data that the README speaks of.
    """
    readme = readme or paths.ROOT / "README.md"
    numbers = read_json(paths.GENERATED / "numbers.json")
    if numbers["provenance.profile"] != "coursework" or numbers["dataset.name"] != "photographs":
        raise InputError(
            f"{paths.GENERATED} holds the profile {numbers['provenance.profile']} on "
            f"{numbers['dataset.name']}: the README shows coursework on photographs, so run "
            "`make report` first."
        )
    block = readme_results(numbers)
    text = readme.read_text(encoding="utf-8")
    write_text(readme, README_BLOCK.sub(lambda match: match[1] + block + match[2], text))


# --- the build -----------------------------------------------------------------------------------


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
