"""The second dataset: genuine HPatches sequences, where the pretrained networks come from.

    python benchmarks/genuine.py --dataset sequences:PATH       # a quarter of an hour on two cores

Trains the profile's baseline on the training scenes of split a, and scores it beside the networks
that come with the code and the hand-made descriptors, on the test scenes, with the same points,
noise and pairs for all. The table goes to `report/measured/genuine.json`, from which the report
draws it.
"""

import argparse
from pathlib import Path

from helpers import classical, evaluation, files, paths, runs, training
from helpers.dataset import PatchStore, open_dataset
from helpers.networks.blocks import multiply_adds
from helpers.provenance import provenance
from helpers.settings import Profile, profile

POINTS = 480  # a test scene
SCORES = ("V", "M", "R", "S", "intervals", "matching", "verification", "retrieval")


def run(plan: Profile, learned: PatchStore, tested: PatchStore, target: Path) -> dict:
    """Trains the baseline on one store, scores all on another, and writes the table.

    Args:
        learned: its training scenes teach the baseline.
        tested: its test scenes are scored.
    """
    denoiser, descriptor = plan.trainings("baseline")
    denoiser_run = training.train(denoiser, learned)
    baseline = training.train(descriptor, learned, denoiser_run)
    improved = runs.pretrained()
    rows = classical.score_rows(tested, plan.pairs) | {
        "baseline": evaluation.score_run(baseline, tested, plan.pairs),
        "improved": evaluation.score_run(improved, tested, plan.pairs),
        "improved, of clean patches": evaluation.score_run(
            improved, tested, plan.pairs, clean=True
        ),
    }
    table = {
        "dataset": {"name": tested.name, "split": tested.split, "fingerprint": tested.fingerprint},
        "scenes": list(tested.parts["test"]),
        "points": len(tested.rows("test")),
        "profile": plan.name,
        "pairs": plan.pairs,
        "trained_on": {run.name: _taught(run) for run in (baseline, improved)},
        "provenance": provenance(),
        "multiply_adds": {
            name: multiply_adds(evaluation.load_pipeline(run))
            for name, run in (("baseline", baseline), ("improved", improved))
        },
        "rows": {name: {key: row[key] for key in SCORES} for name, row in rows.items()},
    }
    files.write_json(target, table)
    return table


def _taught(run: Path) -> dict:
    outcome = files.read_json(run / "outcome.json")
    dataset = files.read_json(run / "settings.json")["dataset"]
    return {"dataset": dataset} | {key: outcome[key] for key in ("patches", "minutes", "stopped")}


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", required=True, help="as in `make report DATASET=`")
    parser.add_argument("--split", default="a")
    parser.add_argument("--profile", default="coursework")
    parser.add_argument("--points", type=int, default=POINTS, help="of each test scene")
    parser.add_argument("--json", type=Path, default=paths.MEASURED / "genuine.json")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    options = parse(words)
    plan = profile(options.profile)
    choice = {"seed": plan.seed, "split": options.split}
    learned = open_dataset(options.dataset, points_per_scene=plan.points_per_scene, **choice)
    scenes = ",".join(learned.parts["test"])
    tested = open_dataset(options.dataset, points_per_scene=options.points, scenes=scenes, **choice)
    for name, row in run(plan, learned, tested, options.json)["rows"].items():
        print(f"{name:42s} " + "  ".join(f"{key} {row[key]:.3f}" for key in ("V", "M", "R", "S")))


if __name__ == "__main__":
    main()
