"""What each ingredient brings: pipelines that differ from a common start in one thing.

    python benchmarks/ablation.py                                  # about two hours on two cores
    python benchmarks/ablation.py --dataset sequences:PATH --split a --budget 0.5

Rows are scored on validation scenes, with statistics of batch normalisation measured anew, since
those of so short trainings lag behind; no test scene is looked at. All descriptors but the last see
about as many patches, not counting the teacher's; denoisers are trained as the profile says.
Interrupted and started again, it goes on where it was. The table goes to
`report/measured/ablation.json`, from which the report draws it.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from experiments import averaging, normalisation
from helpers import benchmark, training
from helpers.common import files, paths
from helpers.common.provenance import provenance
from helpers.dataset import PatchStore, open_dataset
from helpers.evaluation import scoring
from helpers.evaluation.scoring import describe
from helpers.networks.blocks import macs
from helpers.report.tables import format_number
from helpers.search import with_values
from helpers.settings import Profile, TrainingSettings, profile
from helpers.training import backend, load_pipeline
from helpers.training.runs import run_folder, upstream_run

BUDGET = 0.15  # of the profile's epochs
# Where the rows start from: not all that paid is in it yet.
START = {"augment": True, "validations": 12}
REFERENCE = "flips and turns, frozen denoiser"
DENOISER = "denoiser:"
AVERAGED = "constant rate, last weights averaged"
LAST = 12  # weights of which the mean is taken: the second half of that training
TWICE = "twice as long"  # for those that take longer a patch

# Changes of the start, as helpers.search.space names them; "denoiser:" marks the denoiser's.
ROWS = {
    REFERENCE: {},
    "no denoiser": {"joining": "direct"},
    "denoiser learns along": {"joining": "end_to_end"},
    "denoiser learns along and still denoises": {"joining": "end_to_end", "reconstruction": 0.02},
    "taught by one that sees clean patches": {"distillation": 1.0},
    "denoiser learns along, still denoises, is taught": {
        "joining": "end_to_end",
        "reconstruction": 0.02,
        "distillation": 1.0,
    },
    "random negatives": {"loss": "next_in_batch"},
    "second-order similarity (SOSNet)": {"loss": "second_order"},
    "hybrid similarity (HyNet)": {"loss": "hybrid"},
    "cross-entropy (InfoNCE)": {"loss": "info_nce", "loss_options.temperature": 0.1},
    "noise as it was stored": {"redraw": False},
    "no flips and turns": {"augment": False},  # the improved descriptor
    "each view jittered": {"batch_options.jittered": True},
    "each view relit": {"batch_options.relit": True},
    "two views of a level": {"batch_options.views_per_level": 2},
    "constant learning rate": {"schedule": "constant"},
    AVERAGED: {"schedule": "constant", "validations": 24},
    "twice as wide": {"network_options.width": 32},
    "HyNet's layers": {"network": "hynet"},
    "residual descriptor": {"network": "resnet_descriptor"},
    "baseline's L2-Net as descriptor": {"network": "l2net", "network_options": {}},
    "denoiser knows the noise profile": {"denoiser:network_options.profile": True},
    "denoiser without biases": {"denoiser:network_options.bias": False},
    "denoiser by absolute error": {"denoiser:loss": "mean_absolute_error"},
    "denoiser by DSSIM, too": {"denoiser:loss": "charbonnier_dssim"},
    # Widths at which these cost about as much as the residual U-Net; the baseline's has none.
    "DnCNN as denoiser": {
        "denoiser:network": "dncnn",
        "denoiser:network_options": {"width": 14},
    },
    "FFDNet as denoiser": {
        "denoiser:network": "ffdnet",
        "denoiser:network_options": {"width": 28},
    },
    "NAFNet as denoiser": {
        "denoiser:network": "nafnet_tiny",
        "denoiser:network_options": {"width": 13},
    },
    "baseline's U-Net as denoiser": {
        "denoiser:network": "shallow_unet",
        "denoiser:network_options": {},
    },
}
NAMES = (*ROWS, TWICE)


def run(
    plan: Profile,
    store: PatchStore,
    budget: float,
    target: Path,
    wanted: Sequence[str] | None = None,
) -> dict:
    """Trains and scores rows, and writes the table to `target` after each.

    Args:
        budget: part of the profile's epochs that each row is trained for, in (0, 1].
        wanted: which rows, all where None; those that `target` has already stay.
    """
    table = {
        "dataset": {"name": store.name, "split": store.split, "fingerprint": store.fingerprint},
        "part": "validation",
        "scenes": len(store.parts["validation"]),
        "points": len(store.rows("validation")),
        "profile": plan.name,
        "budget": budget,
        "batches_for_statistics": normalisation.BATCHES,
        "provenance": provenance(),
        "rows": {},
    }
    table["rows"] = _known_rows(target, table)
    for name, denoiser, descriptor in rows(plan, budget):
        if wanted and name not in wanted:
            continue
        print(f"--- {name}", flush=True)
        denoiser_run = training.train(denoiser, store)
        last = LAST if name == AVERAGED else 0
        known = table["rows"] | {name: measure(descriptor, store, denoiser_run, plan.pairs, last)}
        table["rows"] = {key: known[key] for key in NAMES if key in known}  # the start first
        files.write_json(target, table)
    return table


def _known_rows(target: Path, table: dict) -> dict:
    """Rows that were measured before on the same data, until they are measured again."""
    known = files.read_json(target) if target.is_file() else {}
    alike = all(known.get(key) == table[key] for key in table.keys() - {"provenance", "rows"})
    return {name: row for name, row in known.get("rows", {}).items() if alike and name in NAMES}


def rows(plan: Profile, budget: float) -> Iterator[tuple[str, TrainingSettings, TrainingSettings]]:
    """The name of each row, and the settings of its denoiser and of its descriptor."""
    base = plan.improved_descriptor
    base = with_values(replace(base, epochs=base.epochs * budget, patience=0), START)
    for name, changes in ROWS.items():
        ours = {key: value for key, value in changes.items() if not key.startswith(DENOISER)}
        others = {key.removeprefix(DENOISER): changes[key] for key in changes.keys() - ours.keys()}
        settings = with_values(base, ours)
        views = 1 + 3 * settings.batch_options.get("views_per_level", 1)
        settings = replace(settings, epochs=settings.epochs * 4 / views)
        yield name, with_values(plan.improved_denoiser, others), settings
    yield TWICE, plan.improved_denoiser, replace(base, epochs=2 * base.epochs)


def measure(
    settings: TrainingSettings, store: PatchStore, denoiser_run: Path, pairs: int, last: int = 0
) -> dict:
    """Trains one row, and scores it on the validation scenes.

    Args:
        last: how many of the last weights to average; 0: none.
    """
    teacher_run = None
    if settings.distillation:
        clean = settings.batch_options | {"noisy": False}
        alone = {"joining": "direct", "distillation": 0.0, "reconstruction": 0.0}
        teacher = replace(settings, **alone, batch_options=clean)
        teacher_run = training.train(teacher, store)
    behind = upstream_run(settings, denoiser_run)
    watch = {}
    if last:
        watch["on_validation"] = averaging.Snapshots(run_folder(settings, store, behind))
    folder = training.train(settings, store, behind, teacher_run=teacher_run, **watch)
    backend.make_deterministic(settings.seed)  # of the dropout while statistics are measured
    pipeline = averaging.average(folder, last) if last else load_pipeline(folder)
    normalisation.measure_statistics(pipeline, training.make_batches(settings, store, "train"))
    names = store.parts["validation"]
    tasks = scoring.make_tasks(store, pairs, part="validation")
    scores = benchmark.evaluate(describe(pipeline, store, names), tasks).to_json()
    outcome = files.read_json(folder / "outcome.json")
    return {key: scores[key] for key in ("V", "M", "R", "S")} | {
        "run": folder.name,
        "minutes": outcome["minutes"],
        "patches": outcome["patches"],
        "macs": macs(pipeline),
        "parameters": pipeline.count_params(),
    }


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="coursework")
    parser.add_argument("--dataset", default="photographs", help="as in `make report DATASET=`")
    parser.add_argument("--split")
    parser.add_argument("--budget", type=float, default=BUDGET, help="part of the epochs")
    parser.add_argument("--rows", nargs="+", choices=NAMES, metavar="ROW", help="only these")
    parser.add_argument("--json", type=Path, default=paths.MEASURED / "ablation.json")
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
    table = run(plan, store, options.budget, options.json, options.rows)
    for name, row in sorted(table["rows"].items(), key=lambda item: -(item[1]["S"] or 0)):
        scores = "  ".join(f"{key} {format_number(row[key])}" for key in ("V", "M", "R", "S"))
        print(f"{name:42s} {scores}  {row['minutes']:5.1f} min {row['macs'] / 1e6:6.1f} M")


if __name__ == "__main__":
    main()
