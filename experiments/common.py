"""What the measuring scripts share: options, data, trainings, and the form of what they write.

They are started as `python experiments/<name>.py`, so that this folder is on Python's path. All but
`pretrained.py`, which fills `helpers/training/pretrained`, write one file of `report/measured/`,
from which the report takes numbers and tables:

    {"dataset": {"name": "photographs", "split": ..., "fingerprint": ...},
     "part": "test", "scenes": 5, "points": 2718, "profile": "coursework", ...,
     "provenance": {"backend": ..., "device": ..., "versions": ..., "commit": ...},
     "rows": {"baseline": {"title": "baseline", "V": 0.607, ...}, ...}}

A row's key is its id: the report's text asks for rows by it, so an id is never changed. The title
is what tables show. `seeds.json` has a list of "trainings" in each row and a provenance in each of
these, `genuine.json` names its scenes and has "trained_on" and "macs" by the same ids, and
`depth.json` has a list of trials in place of the dictionary of rows.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

from helpers import training
from helpers.common import files, paths
from helpers.dataset import PatchStore
from helpers.evaluation import scoring
from helpers.notebook import data
from helpers.report.rounding import format_number
from helpers.settings import Profile, TrainingSettings
from helpers.training.runs import upstream_run

SCORES = ("V", "M", "R", "S")
DETAILS = (*SCORES, "intervals", "matching", "verification", "retrieval")
TITLES = {  # of the pipelines that several tables show
    "baseline": "baseline",
    "early_stopped": "baseline, until early stopping",
    "improved": "improved",
    "pretrained": "pretrained",
    "pretrained_clean": "pretrained, of clean patches",
}


def parser(
    description: str, table: str, dataset: str | None = "photographs", split: str | None = None
) -> argparse.ArgumentParser:
    """A parser with the options that these scripts share: --profile, --dataset, --split and --json.

    `description`: the script's docstring, of which the first line is shown; `table`: the file in
    `report/measured/` that it writes; `dataset` and `split`: the usual ones, None: to be given.
    """
    made = argparse.ArgumentParser(description=description.splitlines()[0])
    made.add_argument("--profile", default="coursework")
    how = {"default": dataset, "required": dataset is None}
    made.add_argument("--dataset", help="as in `make report DATASET=`", **how)
    made.add_argument("--split", default=split)
    made.add_argument("--json", type=Path, default=paths.MEASURED / table)
    return made


def open_data(options: argparse.Namespace, base: Profile) -> PatchStore:
    """The dataset that the options name, as `make report` with that profile opens it."""
    return data.open_data(base.name, options.dataset, options.split)[1]


def head(store: PatchStore, part: str, profile: Profile) -> dict:
    """What a table begins with: the scenes that were scored, and the profile."""
    return {
        "dataset": scoring.dataset_of(store),
        "part": part,
        "scenes": len(store.parts[part]),
        "points": len(store.rows(part)),
        "profile": profile.name,
    }


def rows_before(target: Path, table: dict) -> dict | None:
    """Rows by their ids that a file has already, so that an interrupted script goes on from there.

    None where what decides them (all of `table` but "provenance" and "rows") is different.
    """
    if not target.is_file():
        return {}
    known = files.read_json(target)
    decisive = table.keys() - {"provenance", "rows"}
    return known["rows"] if all(known.get(key) == table[key] for key in decisive) else None


def train_both(
    trainings: tuple[TrainingSettings, TrainingSettings], store: PatchStore
) -> tuple[Path, Path]:
    """Trains denoiser and descriptor, or finds them trained; the folders of their runs."""
    denoiser, descriptor = trainings
    denoiser_run = training.train(denoiser, store)
    return denoiser_run, training.train(descriptor, store, upstream_run(descriptor, denoiser_run))


def show(rows: Iterable[dict]) -> None:
    """Prints the title and the scores of each row."""
    for row in rows:
        scores = "  ".join(f"{key} {format_number(row[key])}" for key in SCORES)
        print(f"{row['title']:48s} {scores}")
