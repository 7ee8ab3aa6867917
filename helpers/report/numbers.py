"""The numbers of the report's text: flat, rounded in one place, looked up by LaTeX by their names.

`report.tex` contains no result. It says `\\result{improved.S}`; `write_numbers` writes the file in
which LaTeX finds that name.
"""

import re
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from helpers.common import paths
from helpers.common.errors import InputError
from helpers.common.files import read_json, write_text
from helpers.report.tables import INTERIM_SCORES, escape, format_number
from helpers.settings import APPROACHES

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
    return sum(numbers[f"outcome.{part}.macs"] for part in parts) / 1e6


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
                ("macs", "macs"),
                ("minutes", "minutes"),
            )
        }
        timed = inference["rows"][f"{approach}, both"]
        same = timed["macs"] == found[approach]["macs"]
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
