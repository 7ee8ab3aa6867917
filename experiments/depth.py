"""A second search: how deep and how wide the body of a residual descriptor should be.

    python experiments/depth.py                      # about a quarter of an hour on one core
    python experiments/depth.py --dataset sequences:PATH --split a --trials 40

Unlike the profile's own search it is by the validation loss, so that trainings that look hopeless
are given up half-way. It sees the first points of each scene only, and no test scene. Interrupted
and started again, it goes on where it was; started twice at once, two workers share its trials. The
table goes to `report/measured/depth.json`, from which the report and notebook 3 draw it.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import common
import ingredients  # noqa: F401, registers the descriptor
import optuna
import pandas as pd

from helpers import search, training
from helpers.common import files
from helpers.common.provenance import provenance
from helpers.dataset import PatchStore, with_fewer_points
from helpers.evaluation import scoring
from helpers.networks.blocks import macs
from helpers.search.results import best_trial
from helpers.search.trials import FINISHED, counting, train_or_give_up
from helpers.settings import Profile, SearchSettings, TrainingSettings, profile
from helpers.training.plan import Plan
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
    base: Profile,
    store: PatchStore,
    trials: int,
    budget: float,
    target: Path,
    train: Callable[..., Path] = train_or_give_up,
) -> dict:
    """Searches until `trials` trials are finished, and writes the table to `target`.

    Args:
        store: the profile's whole dataset, on which the denoiser in front is trained.
        budget: share of the profile's epochs that each trial is trained for, in (0, 1].
        train: as in `search.Objective`.

    Raises:
        InputError: as `search.search_improved`.
    """
    start = search.with_values(base.improved_descriptor, START)
    denoiser_run = upstream_run(start, training.train(base.improved_denoiser, store))
    wanted = SearchSettings(trials, budget, POINTS, "validation_loss", SPACE)
    searched = replace(base, name=f"depth-{base.name}", improved_descriptor=start, search=wanted)
    study, _ = search.search_improved(searched, store, denoiser_run, train=train)
    smaller = with_fewer_points(store, POINTS)
    table = common.head(smaller, "validation", base) | {
        "dataset": scoring.dataset_of(store),
        "points_per_scene": POINTS,
        "budget": budget,
        "network": start.network,
        "provenance": provenance() | {"optuna": optuna.__version__},
        **found(study, start.shortened(budget), smaller),
    }
    files.write_json(target, table)
    return table


def found(study: optuna.Study, base: TrainingSettings, smaller: PatchStore) -> dict:
    """The trials of a study, in their order, and the best; `base`: settings that they share."""
    batches = training.make_batches(base, smaller, "train")
    plan = Plan.of(base, batches.per_epoch)
    rows = []
    for number, trial in counting(study).items():
        if trial.state in FINISHED:
            network = training.make_network(search.with_values(base, trial.params))
            row = {"number": number, "state": trial.state.name.lower()} | short_names(trial.params)
            row["validation_loss"] = trial.value if row["state"] == "complete" else None
            steps = plan.interval * max(trial.intermediate_values, default=0)
            rows.append(row | {"macs": macs(network), "steps": steps})
    best = best_trial(study)
    return {
        "steps": plan.steps,
        "trials": len(rows),
        "pruned": sum(row["state"] == "pruned" for row in rows),
        "best": {"value": best.value, "values": short_names(best.params)},
        "rows": rows,
    }


def short_names(values: dict) -> dict:
    """{"network_options.depth": 2} -> {"depth": 2}"""
    return {name.rpartition(".")[2]: value for name, value in values.items()}


def main(words: list[str] | None = None) -> None:
    parser = common.parser(__doc__, "depth.json")
    parser.add_argument("--trials", type=int, default=TRIALS, help="in all, of all workers")
    options = parser.parse_args(words)
    base = profile(options.profile)
    store = common.open_data(options, base)
    table = run(base, store, options.trials, BUDGET, options.json)
    print(pd.DataFrame(table["rows"]).sort_values("validation_loss").to_string(index=False))


if __name__ == "__main__":
    main()
