"""What a multiply-add is worth: scores of cheap and dear networks on scenes they have not seen.

    python experiments/frontier.py                       # about two hours on two cores
    python experiments/frontier.py --rows quick --folds 3 --dataset photographs+sequences:PATH

Each row is a denoiser with a descriptor. All but the baseline's see as many patches, in the same
order; they are scored by cross-validation over scenes (`folds.py`), no test scene is looked at, and
in the end all are timed side by side. Interrupted and started again, it goes on where it was. The
report draws `report/measured/frontier.json`.
"""

import argparse
import time
from dataclasses import replace
from typing import NamedTuple

import common
import folds
import keras
import numpy as np

from helpers import training
from helpers.common import files
from helpers.common.provenance import provenance
from helpers.dataset import PatchStore
from helpers.networks.blocks import macs
from helpers.networks.pipeline import join, predict_patches
from helpers.search import with_values
from helpers.settings import Profile, profile

PATCHES, ROUNDS = 2048, 7  # that are timed


class Row(NamedTuple):
    """The two networks: name and width; no denoiser where that is None."""

    denoiser: tuple[str, int] | None
    body: str
    width: int


RESIDUAL = "residual_unet", 8
ROWS = {
    "today": Row(RESIDUAL, "l2net", 24),
    "full": Row(RESIDUAL, "l2net", 32),
    "narrow": Row(("half_unet", 12), "l2net", 16),
    "halving": Row(("half_unet", 12), "halving", 16),
    "cheap": Row(("half_unet", 10), "halving", 16),
    "quick": Row(("half_unet", 12), "desdis", 32),
    "quick_direct": Row(None, "desdis", 32),
    "quick_narrow": Row(("half_unet", 8), "desdis", 24),
    "quick_wide": Row(("half_unet", 16), "desdis", 48),
}
WHOLE = {"epochs": 20, "most_items": 120_000}  # of the descriptors; `--budget` is a part of it
FAMILIES = {"l2net": "HardNet", "halving": "strided HardNet", "desdis": "DesDis"}
DENOISERS = {"residual_unet": "residual U-Net", "half_unet": "half U-Net"}
START = "today"  # what the others are compared with: the improved approach before it was cheap
BASELINE = "baseline"  # a row of its own: the networks and trainings of the profile


def trainings(base: Profile, name: str, budget: float) -> folds.Trainings:
    """Settings of the denoiser and of the descriptor of a row."""
    if name == BASELINE:
        return base.trainings("baseline")
    row = ROWS[name]
    denoiser, descriptor = base.trainings("improved")
    network, width = row.denoiser or RESIDUAL  # which then is not used
    denoiser = replace(denoiser, network=network, network_options={"width": width})
    if not row.denoiser:
        descriptor = replace(descriptor, joining="direct")
    options = {"network_options.width": row.width, "network_options.body": row.body}
    return denoiser, with_values(replace(descriptor, **WHOLE).shortened(budget), options)


def run(base: Profile, store: PatchStore, options: argparse.Namespace) -> dict:
    """Trains, scores and times rows; writes and returns the table.

    Args:
        store: its training and validation scenes are dealt into folds.
        options: of `folds.parser`.
    """
    rows = {
        name: (" + ".join(titles(name)), trainings(base, name, options.budget))
        for name in options.rows
    }
    table = folds.fill_table(base, store, rows, options)
    table["rows"] = add_costs(
        base, table["rows"], np.reshape(store.noisy[: PATCHES // 16], (-1, 32, 32))
    )
    scored = (one["fold"] for row in table["rows"].values() for one in row["trainings"])
    table["scored"] = sorted({*scored})
    table["epochs"] = WHOLE["epochs"] * options.budget
    table["timed"] = {"patches": PATCHES, "rounds": ROUNDS, "provenance": provenance()}
    files.write_json(options.json, table)
    return table


def titles(name: str) -> tuple[str, str]:
    """What the denoiser and the descriptor of a row are called."""
    if name == BASELINE:
        return "shallow U-Net", "L2-Net"
    row = ROWS[name]
    network, width = row.denoiser or (None, None)
    return (
        f"{DENOISERS[network]} {width}" if network else "none",
        f"{FAMILIES[row.body]} {row.width}",
    )


def add_costs(base: Profile, rows: dict, patches: np.ndarray) -> dict:
    """The rows with names, multiply-adds, parameters and ms a patch, and gaps to START.

    Times are taken in turns. A gap is the mean difference in S over the folds and seeds that both
    rows have, with its standard error; to the first row where START is not there.
    """
    first = rows.get(START, next(iter(rows.values())))["trainings"]
    models = {name: pipeline(base, name) for name in rows}
    times = {name: [] for name in rows}
    for _ in range(ROUNDS + 1):  # the first one compiles
        for name, model in models.items():
            start = time.perf_counter()
            predict_patches(model, patches)
            times[name].append(1e3 * (time.perf_counter() - start) / len(patches))
    return {
        name: row
        | dict(zip(("denoiser", "descriptor"), titles(name), strict=True))
        | dict(zip(("gap", "gap_error"), folds.difference(row["trainings"], first), strict=True))
        | {
            "macs": macs(models[name]),
            "parameters": models[name].count_params(),
            "milliseconds": float(np.median(times[name][1:])),
        }
        for name, row in rows.items()
    }


def pipeline(base: Profile, name: str) -> keras.Model:
    """Both networks of a row, untrained: how long they take does not depend on the weights."""
    denoiser, descriptor = trainings(base, name, 1.0)
    network = training.make_network(descriptor)
    direct = descriptor.joining == "direct"
    return join(None if direct else training.make_network(denoiser), network)


def main(words: list[str] | None = None) -> None:
    options = folds.parser(__doc__, "frontier.json", (*ROWS, BASELINE)).parse_args(words)
    base = profile(options.profile)
    common.show(run(base, common.open_data(options, base), options)["rows"].values())


if __name__ == "__main__":
    main()
