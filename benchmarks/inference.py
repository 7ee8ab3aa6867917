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
from measuring import timed

from helpers import search, training
from helpers.common import files, paths
from helpers.common.provenance import provenance
from helpers.dataset import open_dataset
from helpers.evaluation import classical
from helpers.networks import pipeline
from helpers.networks.blocks import macs
from helpers.settings import APPROACHES, Profile, profile

ROUNDS = 7
PATCHES = 2048  # four blocks


def networks(base: Profile) -> dict[str, tuple[str, keras.Model]]:
    """Both networks of each approach, and both joined, untrained: titles and models by ids."""
    found = {}
    for approach in APPROACHES:
        both = [training.make_network(settings) for settings in base.trainings(approach)]
        for role, network in zip(("denoiser", "descriptor"), both, strict=True):
            found[f"{approach}_{role}"] = f"{approach} {role}", network
        found[approach] = f"{approach}, both", pipeline.join(*both)
    return found


def measure(ways: dict[str, Callable], patches: np.ndarray, rounds: int) -> dict[str, list[float]]:
    """Milliseconds a patch of each way in each round; every round runs all of them once."""
    times = {name: [] for name in ways}
    for way in ways.values():
        way(patches)  # compiles
    for _ in range(rounds):
        for name, way in ways.items():
            times[name].append(1e3 * timed(way, patches)[0] / len(patches))
    return times


def run(base: Profile, patches: np.ndarray, rounds: int) -> dict:
    """The table: median, fastest and slowest round of each way, with what a network costs."""
    made = networks(base)
    ways = {name: partial(pipeline.predict_patches, model) for name, (_, model) in made.items()}
    ways["root_sift"] = classical.root_sift
    rows = {}
    for name, times in measure(ways, patches, rounds).items():
        title, model = made.get(name, ("RootSIFT", None))
        spread = {"milliseconds": float(np.median(times)), "low": min(times), "high": max(times)}
        cost = {"macs": macs(model), "parameters": model.count_params()} if model else {}
        rows[name] = {"title": title, **spread, **cost}
    return {
        "profile": base.name,
        "patches": len(patches),
        "batch": pipeline.PREDICT_BATCH,
        "rounds": rounds,
        "rows": rows,
        "baseline_by_improved": rows["baseline"]["milliseconds"] / rows["improved"]["milliseconds"],
        "provenance": provenance(),
    }


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="coursework")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, default=paths.MEASURED / "inference.json")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    options = parse(words)
    base = profile(options.profile)
    store = open_dataset("photographs", seed=base.seed, points_per_scene=base.points_per_scene)
    base = search.with_winner(base, store)  # a search may have made the networks wider
    patches = np.reshape(store.noisy[: PATCHES // 16], (-1, 32, 32))
    table = run(base, patches, options.rounds)
    files.write_json(options.json, table)
    for row in table["rows"].values():
        spread = f"({row['low']:.3f} to {row['high']:.3f})"
        print(f"{row['title']:22s} {row['milliseconds']:7.3f} ms  {spread}")


if __name__ == "__main__":
    main()
