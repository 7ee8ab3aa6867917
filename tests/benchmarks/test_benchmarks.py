"""The scripts that measure speed and memory: what they count, and that they run."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace

import keras
import measuring
import numpy as np
import pytest

from helpers import settings
from helpers.common import paths
from helpers.networks.blocks import macs
from helpers.training import make_batches, make_network
from helpers.training.model import compiled


def script(name: str):
    """A script under a name of its own, since rooms and packages have some of theirs."""
    path = paths.ROOT / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{name}_script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_memory_and_answer_come_from_a_process_of_its_own():
    found = measuring.in_own_process(dict, {"answer": 1})
    assert found["answer"] == 1 and found["resident"] > 1


@pytest.mark.parametrize(
    "work, argument, words",
    [(int, "x", "ValueError: invalid literal"), (os._exit, 3, "ended with 3")],
)
def test_a_measurement_that_breaks_is_named_and_ends_nothing_else(work, argument, words):
    assert words in measuring.in_own_process(work, argument)["error"]


@pytest.mark.parametrize("way", ["step", "ours"])
def test_each_way_takes_as_many_training_steps_as_it_is_told(way, tiny_store):
    script_of, denoiser = script("training"), replace(settings.SMOKE.baseline_denoiser, batch=4)
    batches = make_batches(denoiser, tiny_store, "train")
    _, model = compiled(denoiser, None, 100)
    before = model.get_weights()
    ways = script_of.ways_of(model, batches)
    ways[way](1)
    ways[way](2)
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 3
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


def test_a_ratio_is_the_median_over_turns_of_simultaneous_rates():
    step, ours = np.array([[[20, 2], [4, 4], [30, 1]], [[10, 1], [1, 4], [30, 3]]])
    found = script("training").ratios(step, ours)
    assert found == {"of step": 0.5, "of step, core": 1}


def test_rates_are_steps_by_the_seconds_of_each_turn():
    steps = []
    found = script("training").rates({"step": steps.append, "ours": steps.append}, 5, rounds=3)
    assert steps == [2, 2, *[5] * 6]
    assert {way: turns.shape for way, turns in found.items()} == {"step": (3, 2), "ours": (3, 2)}


def test_the_cases_of_training_are_those_of_a_profile():
    assert all(hasattr(settings.SMOKE, case) for case in script("training").CASES)


def test_all_ways_of_inference_take_turns():
    order = []
    ways = {name: lambda _, name=name: order.append(name) for name in "ab"}
    times = script("inference").measure(ways, np.zeros((2, 32, 32), np.uint8), rounds=2)
    assert order == ["a", "b"] * 3 and all(len(found) == 2 for found in times.values())


def test_the_speed_table_has_the_committed_ids_and_titles():
    found = script("inference").networks(settings.SMOKE)
    titles = {name: title for name, (title, _) in found.items()} | {"root_sift": "RootSIFT"}
    committed = json.loads((paths.MEASURED / "inference.json").read_text())["rows"]
    assert titles == {name: row["title"] for name, row in committed.items()}
    costs = {name: macs(model) for name, (_, model) in found.items()}
    assert costs["improved"] == costs["improved_denoiser"] + costs["improved_descriptor"]


@pytest.mark.deep
def test_the_speed_table_names_what_a_network_costs():
    patches = np.zeros((16, 32, 32), np.uint8)
    table = script("inference").run(settings.SMOKE, patches, rounds=1)
    found = table["rows"]["baseline_denoiser"]
    assert found["macs"] == macs(make_network(settings.SMOKE.baseline_denoiser))
    assert 0 < found["low"] <= found["milliseconds"] <= found["high"]
    assert set(table) == set(json.loads((paths.MEASURED / "inference.json").read_text()))


def test_the_benchmark_is_timed_beside_its_limit():
    words = ["--share=0.01", "--pairs=200", "--size=8", "--threads=1"]
    command = [sys.executable, paths.ROOT / "benchmarks" / "benchmark.py", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "memory at most in MB" in done.stdout, done.stderr
    assert all(task in done.stdout for task in ("verification", "matching", "retrieval", "all"))
    assert "limit/ours" in done.stdout
