"""The second dataset: genuine HPatches sequences, where the pretrained networks come from.

    python experiments/genuine.py --dataset sequences:PATH            # half an hour on two cores
    python experiments/genuine.py --dataset sequences:PATH --patient  # an hour more

Trains both approaches on the training scenes of split a, with the settings that the report has on
the photographs; with `--patient` the baseline once more, as the profile `long` does. All are scored
beside the networks that come with the code and the hand-made descriptors, on the test scenes, with
the same points, noise and pairs for all. The report draws `report/measured/genuine.json`.
"""

from pathlib import Path

import common

from helpers import training
from helpers.common import files
from helpers.common.provenance import provenance
from helpers.dataset import PatchStore, with_fewer_points
from helpers.evaluation import classical, scoring
from helpers.networks.blocks import macs
from helpers.notebook import data
from helpers.settings import Profile, profile
from helpers.training import runs

POINTS = 480  # a test scene
OUTCOME = ("patches", "steps", "minutes", "stopped", "kept_step")


def run(
    base: Profile, learned: PatchStore, tested: PatchStore, target: Path, patient: bool = False
) -> dict:
    """Trains on one store, scores all on another, and writes the table.

    Args:
        learned: its training scenes teach all but the pretrained networks.
        tested: its test scenes are scored.
        patient: train the baseline once more, as the profile `long` does.
    """
    patience = {"early_stopped": profile("long").trainings("baseline")} if patient else {}
    trainings = {"baseline": base.trainings("baseline"), **patience}
    trainings["improved"] = base.trainings("improved")
    found = {name: common.train_both(both, learned)[1] for name, both in trainings.items()}
    found["pretrained"] = runs.pretrained()
    table = {
        "dataset": scoring.dataset_of(tested),
        "scenes": list(tested.parts["test"]),
        "points": len(tested.rows("test")),
        "profile": base.name,
        "pairs": base.pairs,
        "trained_on": {name: _taught(run) for name, run in found.items()},
        "provenance": provenance(),
        "macs": {name: macs(training.load_pipeline(run)) for name, run in found.items()},
        "rows": score(found, tested, base.pairs),
    }
    files.write_json(target, table)
    return table


def score(found: dict[str, Path], tested: PatchStore, pairs: int) -> dict[str, dict]:
    """The hand-made descriptors, the descriptors' runs, and the pretrained one on clean patches."""
    scores = {name: scoring.score_run(run, tested, pairs) for name, run in found.items()}
    scores["pretrained_clean"] = scoring.score_run(found["pretrained"], tested, pairs, clean=True)
    rows = {name: {"title": common.TITLES[name], **row} for name, row in scores.items()}
    rows = classical.score_rows(tested, pairs) | rows
    keys = ("title", *common.DETAILS)
    return {name: {key: row[key] for key in keys} for name, row in rows.items()}


def _taught(run: Path) -> dict:
    outcome = files.read_json(run / "outcome.json")
    dataset = files.read_json(run / "settings.json")["dataset"]
    return {"run": run.name, "dataset": dataset} | {key: outcome[key] for key in OUTCOME}


def main(words: list[str] | None = None) -> None:
    parser = common.parser(__doc__, "genuine.json", dataset=None, split="a")
    parser.add_argument("--patient", action="store_true", help="until early stopping, too")
    options = parser.parse_args(words)
    base = profile(options.profile)
    base, _ = data.open_data(base.name, "photographs", winner=True)
    learned = common.open_data(options, base)
    tested = with_fewer_points(learned, POINTS, ["test"])
    table = run(base, learned, tested, options.json, options.patient)
    common.show(table["rows"].values())


if __name__ == "__main__":
    main()
