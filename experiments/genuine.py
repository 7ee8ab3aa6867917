"""The second dataset: genuine HPatches sequences, where the pretrained networks come from.

    python benchmarks/genuine.py --dataset sequences:PATH            # half an hour on two cores
    python benchmarks/genuine.py --dataset sequences:PATH --patient  # an hour more

Trains both approaches on the training scenes of split a, with the settings that the report has on
the photographs; with `--patient` the baseline once more, as the profile `long` does. All are scored
beside the networks that come with the code and the hand-made descriptors, on the test scenes, with
the same points, noise and pairs for all. The table goes to `report/measured/genuine.json`, from
which the report draws it.
"""

import argparse
from pathlib import Path

from helpers import search, training
from helpers.common import files, paths
from helpers.common.provenance import provenance
from helpers.dataset import PatchStore, open_dataset
from helpers.evaluation import classical, scoring
from helpers.networks.blocks import macs
from helpers.report.numbers import EARLY_STOPPED
from helpers.report.tables import format_number
from helpers.settings import Profile, profile
from helpers.training import runs

POINTS = 480  # a test scene
SCORES = ("V", "M", "R", "S", "intervals", "matching", "verification", "retrieval")


def run(
    plan: Profile, learned: PatchStore, tested: PatchStore, target: Path, patient: bool = False
) -> dict:
    """Trains on one store, scores all on another, and writes the table.

    Args:
        plan: its settings of the improved approach are a search's winner.
        learned: its training scenes teach all but the pretrained networks.
        tested: its test scenes are scored.
        patient: train the baseline once more, as the profile `long` does: until early stopping or
            for several times the epochs.
    """
    found = {"baseline": train(plan, "baseline", learned)}
    if patient:
        found[EARLY_STOPPED] = train(profile("long"), "baseline", learned)
    found |= {"improved": train(plan, "improved", learned), "pretrained": runs.pretrained()}
    rows = classical.score_rows(tested, plan.pairs)
    rows |= {name: scoring.score_run(run, tested, plan.pairs) for name, run in found.items()}
    rows["pretrained, of clean patches"] = scoring.score_run(
        found["pretrained"], tested, plan.pairs, clean=True
    )
    table = {
        "dataset": {"name": tested.name, "split": tested.split, "fingerprint": tested.fingerprint},
        "scenes": list(tested.parts["test"]),
        "points": len(tested.rows("test")),
        "profile": plan.name,
        "pairs": plan.pairs,
        "trained_on": {name: _taught(run) for name, run in found.items()},
        "provenance": provenance(),
        "macs": {name: macs(load_pipeline(run)) for name, run in found.items()},
        "rows": {name: {key: row[key] for key in SCORES} for name, row in rows.items()},
    }
    files.write_json(target, table)
    return table


def train(plan: Profile, approach: str, store: PatchStore) -> Path:
    """Trains both networks of an approach, and returns its descriptor's run."""
    denoiser, descriptor = plan.trainings(approach)
    denoiser_run = training.train(denoiser, store)
    return training.train(descriptor, store, runs.upstream_run(descriptor, denoiser_run))


def _taught(run: Path) -> dict:
    outcome = files.read_json(run / "outcome.json")
    dataset = files.read_json(run / "settings.json")["dataset"]
    keys = ("patches", "steps", "minutes", "stopped", "kept_step")
    return {"run": run.name, "dataset": dataset} | {key: outcome[key] for key in keys}


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", required=True, help="as in `make report DATASET=`")
    parser.add_argument("--split", default="a")
    parser.add_argument("--profile", default="coursework")
    parser.add_argument("--points", type=int, default=POINTS, help="of each test scene")
    parser.add_argument("--patient", action="store_true", help="until early stopping, too")
    parser.add_argument("--json", type=Path, default=paths.MEASURED / "genuine.json")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    options = parse(words)
    plan = profile(options.profile)
    photographs = open_dataset(
        "photographs", seed=plan.seed, points_per_scene=plan.points_per_scene
    )
    plan = search.with_winner(plan, photographs)
    choice = {"seed": plan.seed, "split": options.split}
    learned = open_dataset(options.dataset, points_per_scene=plan.points_per_scene, **choice)
    scenes = ",".join(learned.parts["test"])
    tested = open_dataset(options.dataset, points_per_scene=options.points, scenes=scenes, **choice)
    table = run(plan, learned, tested, options.json, options.patient)
    for name, row in table["rows"].items():
        scores = "  ".join(f"{key} {format_number(row[key])}" for key in ("V", "M", "R", "S"))
        print(f"{name:42s} {scores}")


if __name__ == "__main__":
    main()
