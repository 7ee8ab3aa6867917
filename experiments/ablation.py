"""What each ingredient brings: pipelines that differ from a common start in one thing.

    python experiments/ablation.py                                  # about two hours on two cores
    python experiments/ablation.py --dataset sequences:PATH --split a --budget 0.5

Rows are scored on validation scenes, with statistics of batch normalisation measured anew, since
those of so short trainings lag behind. All descriptors but the last see about as many patches, not
counting the teacher's; denoisers are trained as the profile says. Interrupted and started again, it
goes on where it was. The report draws `report/measured/ablation.json`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import common
from ingredients import averaging

from helpers import benchmark, training
from helpers.common import files
from helpers.common.provenance import provenance
from helpers.dataset import PatchStore
from helpers.evaluation import scoring
from helpers.networks.blocks import macs
from helpers.search import with_values
from helpers.settings import Profile, TrainingSettings, profile
from helpers.training import backend
from helpers.training.runs import run_folder, upstream_run

BUDGET = 0.15  # of the profile's epochs
# Where the rows start from: flips and turns, and nothing that a search has found.
START = {
    "augment": True,
    "validations": 12,
    "learning_rate": 3e-3,
    "network_options": {"width": 16, "dropout": 0.3},
    "loss_options": {"level_weights": [1, 1, 1]},
}
DENOISER = {"network": "residual_unet", "network_options": {"width": 8}}
LAST = 12  # weights of which the mean is taken: the second half of that training


class Row(NamedTuple):
    """A title, and what differs from the start, named as in `helpers.search.space`."""

    title: str
    descriptor: Mapping = {}  # changes of its settings
    denoiser: Mapping = {}
    epochs: float = 1.0  # in those of the start


def network(name: str, **options) -> dict:
    """Another network, with no options but these."""
    return {"network": name, "network_options": options}


VIEWS = {"batches": "ChangedViews"}
ALONG = {"joining": "end_to_end"}
TWINS = {**VIEWS, "batch_options.twins": True, "assembly": "taught"}
DENOISING = {**ALONG, **TWINS, "assembly_options.reconstruction": 0.02}
TAUGHT = {**TWINS, "assembly_options.distillation": 1.0}
UNET = {"network": "unet_variant"}
ROWS = {
    "start": Row("flips and turns, frozen denoiser"),
    "direct": Row("no denoiser", {"joining": "direct"}),
    "along": Row("denoiser learns along", ALONG),
    "along_denoising": Row("denoiser learns along and still denoises", DENOISING),
    "teacher": Row("taught by one that sees clean patches", TAUGHT),
    "along_denoising_teacher": Row(
        "denoiser learns along, still denoises, is taught", {**DENOISING, **TAUGHT}
    ),
    "random_negatives": Row("random negatives", {"loss": "next_in_batch"}),
    "second_order": Row("second-order similarity (SOSNet)", {"loss": "second_order"}),
    "hybrid": Row("hybrid similarity (HyNet)", {"loss": "hybrid", "assembly": "raw"}),
    "cross_entropy": Row(
        "cross-entropy (InfoNCE)", {"loss": "info_nce", "loss_options.temperature": 0.1}
    ),
    "stored_noise": Row("noise as it was stored", {"redraw": False}),
    "upright": Row("no flips and turns", {"augment": False}),  # the improved descriptor
    "geometric": Row("each view jittered", {**VIEWS, "batch_options.geometric": True}),
    "photometric": Row("each view relit", {**VIEWS, "batch_options.photometric": True}),
    # Seven views of a point in place of four.
    "two_views": Row("two views of a level", {"batch_options.views_per_level": 2}, epochs=4 / 7),
    "constant_rate": Row("constant learning rate", {"schedule": "constant"}),
    "averaged": Row(
        "constant rate, last weights averaged", {"schedule": "constant", "validations": 2 * LAST}
    ),
    "wide": Row("twice as wide", {"network_options.width": 32}),
    "hynet": Row("HyNet's layers", {"network": "hynet"}),
    "residual": Row("residual descriptor", {"network": "resnet_descriptor"}),
    "l2net": Row("baseline's L2-Net as descriptor", network("l2net")),
    "noise_profile": Row(
        "denoiser knows the noise profile", denoiser={**UNET, "network_options.profile": True}
    ),
    "no_biases": Row("denoiser without biases", denoiser={**UNET, "network_options.bias": False}),
    "absolute_error": Row("denoiser by absolute error", denoiser={"loss": "mean_absolute_error"}),
    "dssim": Row("denoiser by DSSIM, too", denoiser={"loss": "charbonnier_dssim"}),
    # Widths at which these cost about as much as the residual U-Net; the baseline's has none.
    "dncnn": Row("DnCNN as denoiser", denoiser=network("dncnn", width=14)),
    "ffdnet": Row("FFDNet as denoiser", denoiser=network("ffdnet", width=28)),
    "nafnet": Row("NAFNet as denoiser", denoiser=network("nafnet_tiny", width=13)),
    "shallow_unet": Row("baseline's U-Net as denoiser", denoiser=network("shallow_unet")),
    "longer": Row("twice as long", epochs=2),  # for those that take longer a patch
}


def run(
    base: Profile, store: PatchStore, budget: float, target: Path, wanted: Iterable[str] = ROWS
) -> dict:
    """Trains and scores rows, and writes the table to `target` after each.

    Args:
        budget: part of the profile's epochs that each row is trained for, in (0, 1].
        wanted: ids of rows; those that `target` has already stay until they are measured again.
    """
    facts = {"budget": budget, "batches_for_statistics": averaging.BATCHES}
    table = common.head(store, "validation", base) | facts | {"provenance": provenance()}
    known = common.rows_before(target, table) or {}
    for name in wanted:
        print(f"--- {ROWS[name].title}", flush=True)
        denoiser, descriptor = trainings(base, name, budget)
        denoiser_run = training.train(denoiser, store)
        row = measure(descriptor, store, denoiser_run, base.pairs, averaged=name == "averaged")
        known[name] = {"title": ROWS[name].title, **row}
        table["rows"] = {key: known[key] for key in ROWS if key in known}  # the start first
        files.write_json(target, table)
    return table


def trainings(base: Profile, name: str, budget: float) -> tuple[TrainingSettings, TrainingSettings]:
    """Settings of the denoiser and of the descriptor of a row."""
    row = ROWS[name]
    descriptor = base.improved_descriptor.shortened(budget * row.epochs)
    descriptor = with_values(descriptor, {"patience": 0} | START | row.descriptor)
    return with_values(base.improved_denoiser, DENOISER | row.denoiser), descriptor


def measure(
    settings: TrainingSettings, store: PatchStore, denoiser_run: Path, pairs: int, averaged: bool
) -> dict:
    """Trains a descriptor, and scores it on the validation scenes.

    Args:
        averaged: take the mean of its last weights.
    """
    upstream, watch = upstream_run(settings, denoiser_run), {}
    if settings.assembly_options.get("distillation"):
        settings = with_values(settings, {"assembly_options.teacher": teacher(settings, store)})
    if averaged:
        watch["on_validation"] = averaging.snapshots(run_folder(settings, store, upstream))
    folder = training.train(settings, store, upstream, **watch)
    backend.make_deterministic(settings.seed)  # of the dropout while statistics are measured
    pipeline = averaging.average(folder, LAST) if averaged else training.load_pipeline(folder)
    batches = training.make_batches(settings, store, "train")
    averaging.recalibrate_batch_norm(pipeline, batches)
    tasks = scoring.make_tasks(store, pairs, part="validation")
    descriptors = scoring.describe(pipeline, store, store.parts["validation"])
    scores = benchmark.evaluate(dict(descriptors), tasks).to_json()
    outcome = files.read_json(folder / "outcome.json")
    return {
        **{key: scores[key] for key in common.SCORES},
        "run": folder.name,
        **{key: outcome[key] for key in ("minutes", "patches")},
        "macs": macs(pipeline),
        "parameters": pipeline.count_params(),
    }


def teacher(settings: TrainingSettings, store: PatchStore) -> str:
    """Trains the same descriptor on clean patches, and names its run."""
    clean = settings.batch_options | {"twins": False, "clean": True}
    alone = {"joining": "direct", "assembly": "plain", "assembly_options": {}}
    return training.train(replace(settings, **alone, batch_options=clean), store).name


def main(words: list[str] | None = None) -> None:
    parser = common.parser(__doc__, "ablation.json")
    parser.add_argument("--budget", type=float, default=BUDGET, help="part of the epochs")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS, metavar="ROW")
    options = parser.parse_args(words)
    base = profile(options.profile)
    table = run(base, common.open_data(options, base), options.budget, options.json, options.rows)
    common.show(sorted(table["rows"].values(), key=lambda row: -(row["S"] or 0)))


if __name__ == "__main__":
    main()
