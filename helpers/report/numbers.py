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
from helpers.report.rounding import SCORE_DECIMALS, decimals_of, escape, format_number

# One number a scene is for figures; names of scenes and folds may hold what LaTeX cannot look up.
# Settings of repeated trainings are those of the profile, or said to be others.
REPEATED = ("trainings", "settings")
LEFT_OUT = re.compile(r"\.matching\.sequences\.|\.lengths\.|\.folds\.|^seeds\.settings\.")


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"improved": {"S": 0.5}} -> {"improved.S": 0.5}; lists of plain values stay whole."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        name = f"{prefix}{key}"
        if isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
            value = dict(enumerate(value))  # the recipes of joined datasets
        flat |= flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def compare(baseline: dict[str, Any], improved: dict[str, Any]) -> dict[str, Any]:
    """How the text compares scores dictionaries: words, differences, and whether intervals overlap.

    `word.S` says what improved is against baseline, `difference.S` is signed; so for V, M and R.
    """
    found: dict[str, Any] = {"word": {}, "difference": {}, "intervals": {}}
    for key in "VMRS":
        ours, theirs = improved[key], baseline[key]
        word, difference, intervals = "not comparable with", None, "are not known"
        if ours is not None and theirs is not None:
            word = "above" if ours > theirs else "below" if ours < theirs else "equal to"
            difference = f"{ours - theirs:+.{SCORE_DECIMALS}f}"
        if all(both := (baseline["intervals"][key], improved["intervals"][key])):
            (low1, high1), (low2, high2) = both
            apart = max(low1, low2) > min(high1, high2)
            intervals = "do not overlap" if apart else "overlap"
        found["word"][key], found["difference"][key] = word, difference
        found["intervals"][key] = intervals
    return found


def format_value(name: str, value: Any) -> str:
    """The LaTeX text of one result, as `rounding` writes numbers.

    But settings get four digits (a learning rate of 1e-5 is shown as 10^-5), and lists of words are
    joined by commas.
    """
    last = name.rpartition(".")[2]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return escape(value[:12] if last == "fingerprint" else value)
    if isinstance(value, list | tuple):
        texts = ", ".join(format_value(name, entry) for entry in value)
        return texts if any(isinstance(entry, str) for entry in value) else f"[{texts}]"
    if isinstance(value, Integral):
        return str(value) if last == "seed" else format_number(value)
    if isinstance(value, Real) and (name.startswith("settings.") or last == "learning_rate"):
        mantissa, _, exponent = f"{value:.4g}".partition("e")
        factor = "" if mantissa == "1" else rf"{mantissa}\times "
        return rf"\ensuremath{{{factor}10^{{{int(exponent)}}}}}" if exponent else mantissa
    return escape(format_number(value, decimals_of(name)))


# --- from the files of runs and of `report/measured/` ---------------------------------------------

Runs = dict[str, dict[str, dict[str, Any]]]  # what `read_runs` gives


def read_runs(runs: dict[str, Path | str]) -> Runs:
    """The files "settings" and "outcome" of runs: "outcome" -> name of a network -> what it holds.

    `runs`: name of a network -> its run folder. Raises InputError if one lacks a file.
    """
    return {
        what: {name: read_json(Path(run) / f"{what}.json") for name, run in runs.items()}
        for what in ("settings", "outcome")
    }


def collect_numbers(
    scores: dict[str, dict[str, Any]],
    runs: Runs,
    measured: dict[str, dict[str, Any]],
    **others: dict[str, Any],
) -> dict[str, Any]:
    """All results that the report may name, flat.

    Args:
        scores: approach -> scores dictionary: `baseline.S`, `compare.word.S`, ...
        runs: from `read_runs`: `settings.<name>.batch`, `outcome.<name>.minutes`, ...
        measured: the files of `report/measured/` by their names: `ablation.points`,
            `ablation.start.S`, ...
        others: further dictionaries by their prefix, such as dataset=store.summary().
    """
    numbers = {
        "settings": {name: made["settings"] for name, made in runs["settings"].items()},
        "outcome": runs["outcome"],
        **scores,
        "compare": compare(scores["baseline"], scores["improved"]),
        **{name: _with_rows(table) for name, table in measured.items()},
    }
    if settings := measured.get("seeds", {}).get("settings"):
        numbers["seeds"]["same_settings"] = _same_settings(settings["improved"], runs)
    flat = flatten(numbers | others)
    return {name: value for name, value in flat.items() if not LEFT_OUT.search(name)}


def _same_settings(repeated: list[dict[str, Any]], runs: Runs) -> bool:
    """Whether the improved networks of `measured/seeds.json` are those of the report, seeds aside.

    Settings that runs leave out, as they are at their defaults, do not count.
    """
    made = (runs["settings"][f"improved-{one['role']}"]["settings"] for one in repeated)
    pairs = ((one, own, name) for one, own in zip(repeated, made, strict=True) for name in own)
    return all(one.get(name) == own[name] for one, own, name in pairs if name != "seed")


def _with_rows(table: dict[str, Any]) -> dict[str, Any]:
    """A measured table whose rows stand beside its other facts.

    A list of trials is left out, and so are repeated trainings, of which there are the means that
    the row has; of a single one there are its scores and its networks.
    """
    facts, rows = {key: value for key, value in table.items() if key != "rows"}, table["rows"]
    for key, row in rows.items() if isinstance(rows, dict) else ():
        if "trainings" not in row or "S" in row:
            facts[key] = {name: value for name, value in row.items() if name not in REPEATED}
        elif len(row["trainings"]) == 1:
            training = row["trainings"][0]
            networks = dict(zip(("denoiser", "descriptor"), training["trainings"], strict=True))
            facts[key] = {name: training[name] for name in (*"VMRS", "intervals")} | networks
    return facts


def pipeline_costs(runs: Runs, inference: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """What each approach costs in training and in use, for `tables.comparison_table`.

    The milliseconds of `measured/inference.json` are taken for a pipeline of as many multiply-adds
    alone, since others take another time.
    """
    keys = {"parameters": "trainable_parameters", "macs": "macs", "minutes": "minutes"}
    found = {}
    suffix = "-descriptor"
    for approach in (name.removesuffix(suffix) for name in runs["outcome"] if suffix in name):
        used = [f"{approach}-descriptor", f"{approach}-denoiser"]
        if runs["settings"][used[0]]["settings"]["joining"] != "frozen":
            used.pop()  # the descriptor's own run holds all that is used
        costs = {cost: sum(runs["outcome"][run][key] for run in used) for cost, key in keys.items()}
        timed = inference["rows"].get(approach, {})
        alike = timed.get("macs") == costs["macs"]
        found[approach] = {**costs, "milliseconds": timed["milliseconds"] if alike else None}
    return found


def runs_provenance(runs: Runs, scores: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What made the numbers, from the files of the runs and not from the process that reports.

    Dataset, fingerprint, seed, backend, device, python, commit and versions; where runs or scores
    differ in one, all its values, joined by "; ".
    """
    facts = []
    for run in runs["settings"].values():
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
    """Writes flat numbers as numbers.json, and as numbers.tex, where `\\result{name}` finds them.

    `said` are `paragraphs.phrases`, LaTeX already, found as `phrase.<name>`. Raises InputError for
    a name that LaTeX could not look up.
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
