"""The results block of the README, from the numbers of the last report."""

import re
from pathlib import Path
from typing import Any

from helpers.common import paths
from helpers.common.errors import InputError
from helpers.common.files import read_json, write_text
from helpers.report.rounding import format_number
from helpers.report.tables import INTERIM_SCORES

POINTS = "dataset.parts.test.points"
BLOCK = re.compile(r"(<!-- results: .*? -->\n).*?(<!-- end of results -->)", re.DOTALL)
# Where a row's numbers stand -> the row's name; those of genuine sequences begin with "genuine".
ROWS = {
    "baseline": "baseline",
    "seeds.early_stopped": "baseline, until early stopping",
    "improved": "improved",
    "classical.root_sift.clean": "RootSIFT of clean patches",
    "genuine.baseline": "baseline",
    "genuine.early_stopped": "baseline, until early stopping",
    "genuine.improved": "improved",
    "genuine.pretrained": "improved, pretrained",
    "genuine.root_sift_clean": "RootSIFT of clean patches",
}


def results_block(numbers: dict[str, Any]) -> str:
    """The results block of the README as Markdown, from the flat numbers of `numbers.json`.

    A row that they lack (a baseline trained until early stopping takes an hour) is left out.
    """
    rows = [_row(numbers, prefix) for prefix in ROWS if f"{prefix}.S" in numbers]
    interim = " | ".join(format_number(INTERIM_SCORES[key]) for key in "VMRS")
    rows.append(f"| *coursework's interim report* | genuine N-HPatches, split a | {interim} | – |")
    heading = "| approach | data | V | M | R | S | million multiply-adds a patch |"
    return "\n".join([heading, "|---" * 7 + "|", *rows, "", _made_on(numbers)]) + "\n"


def _row(numbers: dict[str, Any], prefix: str) -> str:
    table, _, row = prefix.rpartition(".")
    data = f"`{numbers['dataset.name']}`, {numbers['dataset.parts.test.scenes']} test scenes"
    cost = numbers.get(f"cost.{row.replace('early_stopped', 'baseline')}")
    if table == "genuine":
        data = f"genuine HPatches sequences, {len(numbers['genuine.scenes'])} test scenes"
        macs = numbers.get(f"genuine.macs.{row}")
        cost = None if macs is None else macs / 1e6
    cells = [
        f"{format_number(numbers[f'{prefix}.{key}'])} "
        f"{format_number(numbers[f'{prefix}.intervals.{key}'])}"
        for key in "VMRS"
    ]
    return "| " + " | ".join([ROWS[prefix], data, *cells, format_number(cost, 1)]) + " |"


def _made_on(numbers: dict[str, Any]) -> str:
    longer = ""
    if "seeds.early_stopped.S" in numbers and numbers["seeds.points"] != numbers[POINTS]:
        longer = f"The row until early stopping is of {numbers['seeds.points']:,} points of them. "
    return (
        f"Noisy patches (clean ones where a row says so) of {numbers[POINTS]:,} points of the "
        f"photographs and {numbers['genuine.points']:,} of the sequences; profile "
        f"`{numbers['provenance.profile']}`, one training of each network "
        f"(seed {numbers['provenance.seed']}), {numbers['provenance.backend']} on "
        f"{numbers['provenance.device']}. What is tested on the sequences learned from training "
        "scenes of the same split, the pretrained networks for longer and from the photographs, "
        "too. RootSIFT, made by hand, reaches an S of "
        f"{format_number(numbers['classical.root_sift.noisy.S'])} on the noisy patches of the "
        f"photographs. {longer}The last row is of other, larger data and cannot be compared."
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
    block = results_block(numbers)
    text = readme.read_text(encoding="utf-8")
    write_text(readme, BLOCK.sub(lambda match: match[1] + block + match[2], text))
