"""Cross-validation over scenes: by it, and never by test scenes, is chosen what is shipped.

The scenes of a dataset that are not for the test are dealt into folds. Each fold in turn is what
the others' networks are scored on; training stops by the clock of its schedule, not by a look at
the scenes that are scored. Rows that are compared see the same folds, patches and noise, so that
their differences are paired.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import common
import numpy as np

from helpers import benchmark, training
from helpers.common import files
from helpers.common.errors import InputError
from helpers.common.keys import code_key
from helpers.common.provenance import provenance
from helpers.dataset import PatchStore, with_fewer_points
from helpers.evaluation import scoring
from helpers.settings import Profile, TrainingSettings
from helpers.training.runs import TRAINING_CODE

FOLDS = 3
BUDGET = 0.25  # of the length that a script calls whole
Trainings = tuple[TrainingSettings, TrainingSettings]


def parser(description: str, table: str, rows: Sequence[str]) -> argparse.ArgumentParser:
    """A parser with the options that scripts share which compare rows by cross-validation."""
    made = common.parser(description, table)
    made.add_argument("--rows", nargs="+", choices=rows, default=rows, metavar="ROW")
    made.add_argument("--folds", type=int, default=FOLDS)
    made.add_argument("--first", type=int, help="do only so many of the folds now")
    made.add_argument("--seeds", type=int, nargs="+", default=[1])
    made.add_argument("--budget", type=float, default=BUDGET, help="part of the whole training")
    return made


def fill_table(
    base: Profile,
    store: PatchStore,
    rows: Mapping[str, tuple[str, Trainings]],
    options: argparse.Namespace,
) -> dict:
    """Trains and scores rows fold by fold, and writes the table to `options.json` after each.

    Interrupted and started again, it goes on where it was.

    Args:
        store: its training and validation scenes are dealt into folds.
        rows: titles and settings by ids; rows that the file has beside these stay in it.
        options: of `parser`.

    Raises:
        InputError: the file is of other data, settings or code, and stays as it is.
    """
    dealt = deal(store, options.folds, base.points_per_scene)
    table = common.head(store, "train", base) | {
        "part": "training and validation scenes, by cross-validation",
        "folds": {fold.split: list(fold.parts["validation"]) for fold in dealt},
        "budget": options.budget,
        "code": code_key(*TRAINING_CODE, *scoring.SCORING_CODE),
        "provenance": provenance(),
    }
    table["rows"] = known = common.rows_before(options.json, table)
    settings = {name: [asdict(one) for one in both] for name, (_, both) in rows.items()}
    if known is None or any(known.get(n, {}).get("settings", s) != s for n, s in settings.items()):
        raise InputError(
            f"{options.json} is of other data, settings or code: delete it or name another."
        )
    for seed in options.seeds:
        for fold in dealt[: options.first]:
            for name, (title, both) in rows.items():
                row = known.setdefault(
                    name, {"title": title, "settings": settings[name], "trainings": []}
                )
                if any(
                    (one["fold"], one["seed"]) == (fold.split, seed) for one in row["trainings"]
                ):
                    continue
                print(f"--- {title}, {fold.split}, seed {seed}", flush=True)
                row["trainings"].append(train_and_score(both, fold, seed, base.pairs))
                row |= mean_scores(row["trainings"])
                files.write_json(options.json, table)
    return table


def deal(store: PatchStore, count: int, points_per_scene: int | None = None) -> list[PatchStore]:
    """Views of a store, each with another fold of its scenes as "validation" and no "test".

    Scenes are dealt in turn in the order of their names, so that those of one kind, `i_` or `v_`,
    are spread over all folds.

    Args:
        points_per_scene: at most so many of each scene; None for all.
    """
    scenes = sorted(store.parts["train"] + store.parts["validation"])
    dealt = []
    for fold in range(count):
        held_out = tuple(scenes[fold::count])
        learned = tuple(scene for scene in scenes if scene not in held_out)
        parts = {"train": learned, "validation": held_out}
        view = PatchStore(store.folder, parts, f"fold {fold + 1} of {count}")
        dealt.append(with_fewer_points(view, points_per_scene))
    return dealt


def train_and_score(both: Trainings, store: PatchStore, seed: int, pairs: int) -> dict:
    """Trains denoiser and descriptor with a seed, and scores them on the validation scenes.

    Returns:
        The scores, the runs' names, and what it took: "steps", "patches" and "minutes" of the
        descriptor alone, and where.
    """
    both = tuple(replace(settings, seed=seed, patience=0) for settings in both)
    direct = both[1].joining == "direct"  # then no denoiser is needed
    trained = (training.train(both[1], store),) if direct else common.train_both(both, store)
    run = trained[-1]
    pipeline = training.load_pipeline(run)
    descriptors = dict(scoring.describe(pipeline, store, store.parts["validation"]))
    tasks = scoring.make_tasks(store, pairs, part="validation")
    scores = benchmark.evaluate(descriptors, tasks).to_json()
    outcome = files.read_json(run / "outcome.json")
    return {
        "fold": store.split,
        "seed": seed,
        **{key: scores[key] for key in common.SCORES},
        **{key: outcome[key] for key in ("steps", "patches", "minutes")},
        "runs": [folder.name for folder in trained],
        "provenance": provenance(),
    }


def mean_scores(trainings: Sequence[Mapping]) -> dict[str, float]:
    """Means over folds and seeds of the scores, and "error", the standard error of that of S."""
    means = {key: float(np.mean([one[key] for one in trainings])) for key in common.SCORES}
    values = [one["S"] for one in trainings]
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return means | {"error": error}


def difference(row: Sequence[Mapping], start: Sequence[Mapping]) -> tuple[float, float | None]:
    """Mean difference in S of two rows over the folds and seeds that both have, and its error."""
    known = {(one["fold"], one["seed"]): one["S"] for one in start}
    gaps = [one["S"] - known[at] for one in row if (at := (one["fold"], one["seed"])) in known]
    error = float(np.std(gaps, ddof=1) / np.sqrt(len(gaps))) if len(gaps) > 1 else None
    return float(np.mean(gaps)), error
