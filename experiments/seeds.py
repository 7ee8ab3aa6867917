"""How much the scores move with the seed of training, and how far the baseline comes in the end.

    python benchmarks/seeds.py                                 # three hours on two cores
    python benchmarks/seeds.py --dataset sequences:PATH --split a --rows baseline improved

Trains both approaches with several seeds, and the baseline until its descriptor stops early. All
are scored on the test scenes with the same data, noise and pairs; nothing is chosen by these
scores. Finished trainings, those of `make report` among them, are loaded. The table goes to
`report/measured/seeds.json`, from which the report draws it; rows that are there already are kept
if they are of the same data and settings.
"""

import argparse
from dataclasses import asdict, replace
from pathlib import Path

from helpers import search, training
from helpers.common import files, paths
from helpers.common.errors import InputError
from helpers.common.provenance import code_fingerprint, provenance
from helpers.dataset import PatchStore, open_dataset
from helpers.evaluation import scoring
from helpers.report.numbers import EARLY_STOPPED
from helpers.report.tables import format_number
from helpers.settings import Profile, TrainingSettings, profile
from helpers.training.runs import upstream_run

SEEDS = (1, 2, 3)
ROWS = ("baseline", "improved", EARLY_STOPPED)
# The denoiser trains as long as in the profile `long`, at the end of which its loss falls slowly.
# The validation loss of the descriptor jumps, hence the patience.
PATIENT = {"epochs": 30, "validations": 60, "patience": 15}
SCORES = ("V", "M", "R", "S", "intervals", "matching", "verification", "retrieval")


def run(plan: Profile, store: PatchStore, rows: list[str], seeds: list[int], target: Path) -> dict:
    """Trains and scores what is missing, and writes the table to `target` after each."""
    table = _begun(_head(plan, store), target)
    for seed in seeds:
        for name in rows:
            known = {row["seed"] for row in table["rows"].get(name, [])}
            if seed in known or (name == EARLY_STOPPED and known):
                continue  # one is enough: it takes more than an hour
            print(f"--- {name}, seed {seed}", flush=True)
            table["rows"].setdefault(name, []).append(measure(plan, store, name, seed))
            files.write_json(target, table)
    return table


def measure(plan: Profile, store: PatchStore, name: str, seed: int) -> dict:
    """Trains both networks of a row with a seed, and scores them on the test scenes."""
    denoiser, descriptor = trainings(plan, name, seed)
    denoiser_run = training.train(denoiser, store)
    run = training.train(descriptor, store, upstream_run(descriptor, denoiser_run))
    scores = scoring.score_run(run, store, plan.pairs)
    outcomes = [files.read_json(folder / "outcome.json") for folder in (denoiser_run, run)]
    keys = ("epochs", "steps", "patches", "minutes", "stopped", "kept_step", "kept_validation_loss")
    return {"seed": seed, **{key: scores[key] for key in SCORES}} | {
        "runs": [denoiser_run.name, run.name],
        "trainings": [{key: outcome[key] for key in keys} for outcome in outcomes],
        "provenance": provenance(),
    }


def trainings(plan: Profile, name: str, seed: int) -> list[TrainingSettings]:
    """Settings of the denoiser and the descriptor of a row."""
    found = plan.trainings("improved" if name == "improved" else "baseline")
    if name == EARLY_STOPPED:
        denoiser, descriptor = found
        long, _ = profile("long").trainings("baseline")
        how = {key: getattr(long, key) for key in ("epochs", "validations", "patience")}
        found = replace(denoiser, **how), replace(descriptor, **PATIENT)
    return [replace(settings, seed=seed) for settings in found]


def _head(plan: Profile, store: PatchStore) -> dict:
    settings = {approach: plan.trainings(approach) for approach in ("baseline", "improved")}
    return {
        "dataset": {"name": store.name, "split": store.split, "fingerprint": store.fingerprint},
        "part": "test",
        "scenes": len(store.parts["test"]),
        "points": len(store.rows("test")),
        "profile": plan.name,
        "pairs": plan.pairs,
        "code": code_fingerprint(),
        "settings": {name: [asdict(part) for part in parts] for name, parts in settings.items()},
    }


def _begun(head: dict, target: Path) -> dict:
    if not target.is_file():
        return head | {"rows": {}}
    known = files.read_json(target)
    if {key: known.get(key) for key in head} != head:
        raise InputError(f"{target} is of other data, settings or code: delete it or name another.")
    return known


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="coursework")
    parser.add_argument("--dataset", default="photographs", help="as in `make report DATASET=`")
    parser.add_argument("--split")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--json", type=Path, default=paths.MEASURED / "seeds.json")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    options = parse(words)
    plan = profile(options.profile)
    store = open_dataset(
        options.dataset,
        seed=plan.seed,
        points_per_scene=plan.points_per_scene,
        split=options.split,
    )
    plan = search.with_winner(plan, store)
    table = run(plan, store, options.rows, options.seeds, options.json)
    for name, found in table["rows"].items():
        for row in found:
            scores = "  ".join(f"{key} {format_number(row[key])}" for key in ("V", "M", "R", "S"))
            print(f"{name:48s} seed {row['seed']}  {scores}")


if __name__ == "__main__":
    main()
