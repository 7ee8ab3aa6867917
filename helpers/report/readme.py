"""The results block of the README, from the numbers of the last report."""

import re
from pathlib import Path
from typing import Any

from helpers.common import paths
from helpers.common.errors import InputError
from helpers.common.files import read_json, write_text
from helpers.report.numbers import EARLY_STOPPED, ON_GENUINE, pipeline_cost
from helpers.report.tables import INTERIM_SCORES, format_number
from helpers.settings import APPROACHES

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
        count = numbers.get(f"genuine.macs.{key}")
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
