"""Milliseconds a patch at use: baseline, improved and RootSIFT, side by side.

    python benchmarks/inference.py        # a minute

Each is run on the same uint8 patches, block by block as in evaluation, in turns, so that whatever
else the machine does slows all of them alike. How long a network takes does not depend on its
weights, so nothing need be trained. The table goes to `report/measured/inference.json`, from which
the report draws it (its rows have ids and titles, as `experiments/common.py` says). Run it on an
otherwise idle machine.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from measuring import timed

from helpers import training
from helpers.common import files, paths
from helpers.common.provenance import provenance
from helpers.evaluation import classical
from helpers.networks import pipeline
from helpers.networks.blocks import macs
from helpers.notebook import data
from helpers.settings import APPROACHES, Profile

PATCHES, ROUNDS = 2048, 7  # four blocks, measured so many times


def networks(base: Profile) -> dict[str, tuple[str, keras.Model]]:
    """Both networks of each approach, and both joined, untrained: titles and models by ids."""
    found = {}
    for approach in APPROACHES:
        both = [training.make_network(settings) for settings in base.trainings(approach)]
        for role, network in zip(("denoiser", "descriptor"), both, strict=True):
            found[f"{approach}_{role}"] = f"{approach} {role}", network
        found[approach] = f"{approach}, both", pipeline.join(*both)
    return found


def measure(ways: dict[str, Callable], patches: np.ndarray, rounds: int) -> dict[str, np.ndarray]:
    """Milliseconds a patch of each way in each round; every round runs all of them once."""
    for way in ways.values():
        way(patches)  # compiles
    seconds = [[timed(way, patches)[0] for way in ways.values()] for _ in range(rounds)]
    return dict(zip(ways, 1e3 * np.transpose(seconds) / len(patches), strict=True))


def run(base: Profile, patches: np.ndarray, rounds: int) -> dict:
    """The table: median, fastest and slowest round of each way, with what a network costs."""
    made = networks(base)
    ways = {name: partial(pipeline.predict_patches, model) for name, (_, model) in made.items()}
    rows = {}
    for name, times in measure(ways | {"root_sift": classical.root_sift}, patches, rounds).items():
        title, model = made.get(name, ("RootSIFT", None))
        cost = {"macs": macs(model), "parameters": model.count_params()} if model else {}
        spread = zip(("milliseconds", "low", "high"), np.quantile(times, (0.5, 0, 1)), strict=True)
        rows[name] = {"title": title, **dict(spread), **cost}
    return {
        "profile": base.name,
        "patches": len(patches),
        "batch": pipeline.PREDICT_BATCH,
        "rounds": rounds,
        "rows": rows,
        "baseline_by_improved": rows["baseline"]["milliseconds"] / rows["improved"]["milliseconds"],
        "provenance": provenance(),
    }


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="coursework")
    parser.add_argument("--json", type=Path, default=paths.MEASURED / "inference.json")
    options = parser.parse_args(words)
    # A search may have made the networks wider.
    base, store = data.open_data(options.profile, winner=True)
    table = run(base, np.reshape(store.noisy[: PATCHES // 16], (-1, 32, 32)), ROUNDS)
    files.write_json(options.json, table)
    print(pd.DataFrame(table["rows"]).T[["title", "milliseconds", "low", "high"]])


if __name__ == "__main__":
    main()
