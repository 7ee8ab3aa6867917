"""A second search: how deep and how wide the body of a residual descriptor should be.

    python benchmarks/depth.py                      # about a quarter of an hour on one core
    python benchmarks/depth.py --dataset sequences:PATH --split a --trials 40

The profile's own search leaves depth out, and gives no training up. This one is by the validation
loss, so that trainings that look hopeless are given up half-way. The first trial has the settings
below, nine are drawn at random, and a tree-structured Parzen estimator chooses the others. They see
the first points of each scene only, and no test scene. Interrupted and started again, the search
goes on where it was; started twice at once, two workers share its trials. The table goes to
`report/measured/depth.json`, from which the report and notebook 3 draw it.
"""

import argparse
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import optuna
from optuna.trial import FrozenTrial

from helpers import search, training
from helpers.common import files, paths
from helpers.common.provenance import provenance
from helpers.dataset import PatchStore, open_dataset
from helpers.networks.blocks import macs
from helpers.search.results import best_trial
from helpers.search.studies import describe_search
from helpers.search.trials import train_or_give_up
from helpers.search.workers import FINISHED, slots_of
from helpers.settings import Profile, TrainingSettings, profile
from helpers.training.runs import upstream_run

TRIALS = 14
BUDGET = 0.11  # of the profile's epochs
POINTS = 300  # of each scene, at most
SPACE = {
    "network_options.depth": ("choice", [1, 2, 3]),
    "network_options.width": ("choice", [8, 12, 16]),
    "learning_rate": ("log", 1e-3, 1e-2),
}
# What the profile has otherwise. Its batches of 128 would leave too few steps: the means by which
# batch normalisation goes in validation take a hundred steps to follow the training.
START = {
    "network": "resnet_descriptor",
    "network_options": {"width": 12, "depth": 2, "dropout": 0.3},
    "batch": 32,
    "validations": 8,
    "validation_batches": 12,  # as many points as three batches of 128
}


def run(
    plan: Profile,
    store: PatchStore,
    trials: int,
    budget: float,
    target: Path,
    train: Callable[..., Path] = train_or_give_up,
) -> dict:
    """Searches until `trials` trials are finished, and writes the table to `target`.

    Args:
        store: the profile's whole dataset, on which the denoiser in front is trained.
        budget: part of the profile's epochs that each trial is trained for, in (0, 1].
        train: as in `search.search`.

    Raises:
        InputError: as `search.search`; or all trials were given up.
    """
    settings = search.with_values(plan.improved_descriptor, START)
    denoiser_run = upstream_run(settings, training.train(plan.improved_denoiser, store))
    smaller = search.with_fewer_points(store, POINTS)
    decisive = describe_search(SPACE, settings, smaller, denoiser_run)
    name = study_name(plan, decisive | {"budget": budget, "seed": plan.seed})
    study = search.search(
        name,
        settings,
        SPACE,
        smaller,
        trials,
        f"sqlite:///{quote(str(paths.RUNS / 'search' / name))}.db",  # as in search.improved
        denoiser_run,
        seed=plan.seed,
        budget=budget,
        train=train,
    )
    settings = replace(settings, epochs=settings.epochs * budget)
    table = head(plan, store, smaller, budget) | found(study, settings, smaller)
    files.write_json(target, table)
    return table


def study_name(plan: Profile, decisive: dict) -> str:
    """A name that ends in a hash of all that decides the search, so that no other goes on with it.

    Args:
        decisive: JSON-able.
    """
    key = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
    return f"depth-{plan.name}-{key[:10]}"


def head(plan: Profile, store: PatchStore, smaller: PatchStore, budget: float) -> dict:
    """What was searched, on what."""
    return {
        "dataset": {"name": store.name, "split": store.split, "fingerprint": store.fingerprint},
        "part": "validation",
        "scenes": len(smaller.parts["validation"]),
        "points": len(smaller.rows("validation")),
        "points_per_scene": POINTS,
        "profile": plan.name,
        "budget": budget,
        "network": START["network"],
        "provenance": provenance() | {"optuna": optuna.__version__},
    }


def found(study: optuna.Study, settings: TrainingSettings, smaller: PatchStore) -> dict:
    """The trials of a study, in their order, and the best of them.

    Args:
        settings: of a trial, as far as they are not searched.
    """
    batches = training.make_batches(settings, smaller, "train")
    planned = training.Plan.of(settings, batches.per_epoch, training.CHECKPOINT_STEPS)
    finished = {
        number: attempt
        for number, attempts in slots_of(study).items()
        for attempt in attempts
        if attempt.state in FINISHED
    }
    rows = [row(number, attempt, settings, planned) for number, attempt in finished.items()]
    best = best_trial(study)
    return {
        "steps": planned.steps,
        "trials": len(rows),
        "pruned": sum(row["state"] == "pruned" for row in rows),
        "best": {"value": best.value, "values": short_names(best.params)},
        "rows": rows,
    }


def row(
    number: int, attempt: FrozenTrial, settings: TrainingSettings, planned: training.Plan
) -> dict:
    """One trial: what it tried, how many steps it was trained for, and its loss if to the end."""
    network = training.make_network(search.with_values(settings, attempt.params))
    return {
        "number": number,
        "state": attempt.state.name.lower(),
        **short_names(attempt.params),
        "validation_loss": attempt.value if attempt.state.name == "COMPLETE" else None,
        "macs": macs(network),
        "steps": planned.interval * max(attempt.intermediate_values, default=0),
    }


def short_names(values: dict) -> dict:
    """{"network_options.depth": 2} -> {"depth": 2}"""
    return {name.rpartition(".")[2]: value for name, value in values.items()}


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="coursework")
    parser.add_argument("--dataset", default="photographs", help="as in `make report DATASET=`")
    parser.add_argument("--split")
    parser.add_argument("--trials", type=int, default=TRIALS, help="in all, of all workers")
    parser.add_argument("--budget", type=float, default=BUDGET, help="part of the epochs")
    parser.add_argument("--json", type=Path, default=paths.MEASURED / "depth.json")
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
    table = run(plan, store, options.trials, options.budget, options.json)
    for one in sorted(table["rows"], key=lambda one: one["validation_loss"] or float("inf")):
        loss = one["validation_loss"]
        words = f"loss {loss:.4f}" if loss is not None else f"given up at step {one['steps']}"
        print(
            f"trial {one['number']:2d}  depth {one['depth']}  width {one['width']:2d}  "
            f"rate {one['learning_rate']:.1e}  {one['macs'] / 1e6:5.1f} M  {words}"
        )


if __name__ == "__main__":
    main()
