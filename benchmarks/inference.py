"""Milliseconds a patch at use: baseline, improved and RootSIFT, side by side.

    python benchmarks/inference.py        # a minute

Each is run on the same uint8 patches, block by block as in evaluation, in turns, so that whatever
else the machine does slows all of them alike. How long a network takes does not depend on its
weights, so nothing need be trained. The table goes to `report/measured/inference.json`, from which
the report draws it. Run it on an otherwise idle machine.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

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


def networks(plan: Profile) -> dict:
    """Both networks of each approach, and both joined, untrained."""
    found = {}
    for approach in APPROACHES:
        denoiser, descriptor = map(training.make_network, plan.trainings(approach))
        found |= {f"{approach} denoiser": denoiser, f"{approach} descriptor": descriptor}
        found[f"{approach}, both"] = pipeline.join(denoiser, descriptor)
    return found


def measure(ways: dict[str, Callable], patches: np.ndarray, rounds: int) -> dict[str, list[float]]:
    """Milliseconds a patch of each way in each round; every round runs all of them once."""
    times = {name: [] for name in ways}
    for way in ways.values():
        way(patches)  # compiles
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way(patches)
            times[name].append(1e3 * (time.perf_counter() - start) / len(patches))
    return times


def run(plan: Profile, patches: np.ndarray, rounds: int) -> dict:
    """The table: median, fastest and slowest round of each way, with what a network costs."""
    models = networks(plan)
    ways = {name: _prediction(model) for name, model in models.items()}
    ways["RootSIFT"] = classical.root_sift
    rows = {}
    for name, times in measure(ways, patches, rounds).items():
        rows[name] = {
            "milliseconds": float(np.median(times)),
            "low": min(times),
            "high": max(times),
        }
        if model := models.get(name):
            rows[name] |= {
                "macs": macs(model),
                "parameters": model.count_params(),
            }
    return {
        "profile": plan.name,
        "patches": len(patches),
        "batch": pipeline.PREDICT_BATCH,
        "rounds": rounds,
        "rows": rows,
        "baseline_by_improved": rows["baseline, both"]["milliseconds"]
        / rows["improved, both"]["milliseconds"],
        "provenance": provenance(),
    }


def _prediction(model) -> Callable:
    return lambda patches: pipeline.predict_patches(model, patches)


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="coursework")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, default=paths.MEASURED / "inference.json")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    options = parse(words)
    plan = profile(options.profile)
    store = open_dataset("photographs", seed=plan.seed, points_per_scene=plan.points_per_scene)
    plan = search.with_winner(plan, store)  # a search may have made the networks wider
    patches = np.reshape(store.noisy[: PATCHES // 16], (-1, 32, 32))
    table = run(plan, patches, options.rounds)
    files.write_json(options.json, table)
    for name, row in table["rows"].items():
        print(f"{name:22s} {row['milliseconds']:7.3f} ms  ({row['low']:.3f} to {row['high']:.3f})")


if __name__ == "__main__":
    main()
