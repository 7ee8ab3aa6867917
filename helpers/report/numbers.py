"""The numbers of the report's text: flat, rounded in one place, looked up by LaTeX by their names.

`report.tex` contains no result. It says `\\result{improved.S}`; `write_numbers` writes the file in
which LaTeX finds that name.
"""

import re
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from helpers.common import paths
from helpers.common.errors import InputError
from helpers.common.files import read_json, write_json, write_text
from helpers.report.rounding import decimals_of, escape, format_number
from helpers.settings import APPROACHES

SHORTENED = {"fingerprint": 12}  # characters of a hash that are printed
# One number a scene is for figures; names of scenes may hold what LaTeX cannot look up. Settings of
# repeated trainings are those of the profile.
LEFT_OUT = re.compile(r"\.matching\.sequences\.|\.lengths\.|^seeds\.settings\.")


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
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
    found: dict[str, Any] = {"word": {}, "difference": {}, "intervals": {}}
    for key in "VMRS":
        ours, theirs = improved[key], baseline[key]
        known = ours is not None and theirs is not None
        word = "above" if known and ours > theirs else "below" if ours != theirs else "equal to"
        found["word"][key] = word if known else "not comparable with"
        found["difference"][key] = f"{ours - theirs:+.3f}" if known else None
        both = baseline["intervals"][key], improved["intervals"][key]
        found["intervals"][key] = _overlap(*both) if all(both) else "are not known"
    return found


def _overlap(first: list[float], second: list[float]) -> str:
    (low1, high1), (low2, high2) = first, second
    return "overlap" if max(low1, low2) <= min(high1, high2) else "do not overlap"


def format_value(name: str, value: Any) -> str:
    """The LaTeX text of one result.

    Floats get the decimals of `rounding.DECIMALS`, settings four digits (a learning rate of 1e-5 is
    shown as 10^-5); counts get thousands separators, except seeds and years; lists of words are
    joined by commas, lists of numbers (intervals) bracketed.
    """
    last = name.rpartition(".")[2]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return escape(value[: SHORTENED.get(last, len(value))])
    if isinstance(value, list | tuple):
        texts = ", ".join(format_value(name, entry) for entry in value)
        return texts if any(isinstance(entry, str) for entry in value) else f"[{texts}]"
    if isinstance(value, Integral):
        return str(value) if last in ("seed", "year") else format_number(value)
    if isinstance(value, Real) and (name.startswith("settings.") or last == "learning_rate"):
        return _four_digits(float(value))
    return escape(format_number(value, decimals_of(name)))


def _four_digits(value: float) -> str:
    mantissa, _, exponent = f"{value:.4g}".partition("e")
    if not exponent:
        return mantissa
    factor = "" if mantissa == "1" else rf"{mantissa}\times "
    return rf"\ensuremath{{{factor}10^{{{int(exponent)}}}}}"


def collect_numbers(
    scores: dict[str, dict[str, Any]],
    runs: dict[str, Path | str],
    measured: dict[str, dict[str, Any]],
    **others: dict[str, Any],
) -> dict[str, Any]:
    """All results that the report may name, flat.

    Args:
        scores: approach -> scores dictionary -> `baseline.S`, `compare.word.S`, ...
        runs: name of a network -> its run folder -> `settings.<name>.batch`,
            `outcome.<name>.minutes`, ..., `cost.improved`: million multiply-adds of a pipeline.
        measured: the files of `report/measured/` by their names: `ablation.points`, and what their
            rows hold by their ids: `ablation.start.S`.
        others: further dictionaries by their prefix, such as dataset=store.summary().

    Raises:
        InputError: a run folder lacks settings.json or outcome.json.
    """
    numbers = _of_runs(runs)
    costs = {name: _total(numbers, name, "macs") / 1e6 for name in APPROACHES}
    tables = {name: _with_rows(table) for name, table in measured.items()}
    numbers |= flatten({**scores, "compare": compare(**scores), "cost": costs, **tables, **others})
    return {name: value for name, value in numbers.items() if not LEFT_OUT.search(name)}


def _with_rows(table: dict[str, Any]) -> dict[str, Any]:
    """A measured table whose rows stand beside its other facts; a list of trials is left out."""
    rows = table["rows"] if isinstance(table["rows"], dict) else {}
    facts = {key: value for key, value in table.items() if key != "rows"}
    return facts | {key: _of_row(row) for key, row in rows.items() if _of_row(row)}


def _of_row(row: dict[str, Any]) -> dict[str, Any]:
    """What a row holds; of repeated trainings nothing, of a single one that one's networks, too."""
    if "trainings" not in row:
        return row
    if len(row["trainings"]) > 1:
        return {}
    (training,) = row["trainings"]
    networks = dict(zip(("denoiser", "descriptor"), training["trainings"], strict=True))
    return {key: training[key] for key in ("V", "M", "R", "S", "intervals")} | networks


def _of_runs(runs: dict[str, Path | str]) -> dict[str, Any]:
    """Settings and outcome of every run, flat."""
    read = {
        what: {name: read_json(Path(run) / f"{what}.json") for name, run in runs.items()}
        for what in ("settings", "outcome")
    }
    used = {name: entry["settings"] for name, entry in read["settings"].items()}
    return flatten({"settings": used, "outcome": read["outcome"]})


def _total(numbers: dict[str, Any], approach: str, key: str) -> float:
    """Sum of an outcome over the networks of a pipeline."""
    networks = [f"{approach}-descriptor"]
    # Joined in any other way, the descriptor's own run holds all that is used.
    if numbers[f"settings.{approach}-descriptor.joining"] == "frozen":
        networks.append(f"{approach}-denoiser")
    return sum(numbers[f"outcome.{network}.{key}"] for network in networks)


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
    keys = {"parameters": "trainable_parameters", "macs": "macs", "minutes": "minutes"}
    for approach in APPROACHES:
        found[approach] = {cost: _total(numbers, approach, key) for cost, key in keys.items()}
        timed = inference["rows"][approach]
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
    facts = []
    for run in (read_json(Path(folder) / "settings.json") for folder in runs.values()):
        data = {"dataset": run["dataset"]["name"], "fingerprint": run["dataset"]["fingerprint"]}
        facts.append({**data, "seed": run["settings"]["seed"], **_of_machine(run)})
    facts += [_of_machine(entry["provenance"]) for entry in scores.values()]
    return {
        name: "; ".join(dict.fromkeys(str(entry[name]) for entry in facts if name in entry))
        for name in dict.fromkeys(name for entry in facts for name in entry)
    }


def _of_machine(entry: dict[str, Any]) -> dict[str, Any]:
    found = {name: entry[name] for name in ("backend", "device", "python", "commit")}
    if commit := found["commit"]:
        found["commit"] = commit[:7] + "+" * commit.endswith("+")  # "+": with changes since
    return found | entry["versions"]


def write_numbers(numbers: dict[str, Any], said: dict[str, str] | None = None) -> None:
    """Writes numbers.json, and numbers.tex in which `\\result{name}` finds its text.

    Args:
        numbers: flat (`flatten`); names may hold letters, digits and . _ - only.
        said: `paragraphs.phrases`, LaTeX already, found as `phrase.<name>`.

    Raises:
        InputError: a name that LaTeX could not look up.
    """
    for name in numbers:
        if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
            raise InputError(f"The result name {name!r} may hold letters, digits and . _ - only.")
    texts = {name: format_value(name, value) for name, value in numbers.items()}
    texts |= {f"phrase.{name}": text.replace("\n", " ") for name, text in (said or {}).items()}
    lines = [rf"\@namedef{{result@{name}}}{{{text}}}" for name, text in sorted(texts.items())]
    head = "% Written by helpers/report/numbers.py: change the runs, not this file."
    text = "\n".join([head, r"\makeatletter", *lines, r"\makeatother"]) + "\n"
    write_text(paths.GENERATED / "numbers.tex", text)
    write_json(paths.GENERATED / "numbers.json", numbers)
