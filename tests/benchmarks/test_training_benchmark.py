"""The benchmark of training: each way of feeding really trains, and the ratios are right."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from helpers import training
from helpers.dataset import write_strips

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "training.py"
SPEC = importlib.util.spec_from_file_location("training_benchmark", SCRIPT)
benchmark = sys.modules["training_benchmark"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(benchmark)


def settings_of(case):
    return benchmark.Variant("tensorflow", case, batch=4).settings("smoke")


@pytest.mark.parametrize("way", benchmark.WAYS)
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="its bare step leaves no trace")
def test_each_way_takes_as_many_training_steps_as_it_is_told(way, tiny_store):
    settings = settings_of("unet")
    batches = training.make_batches(settings, tiny_store, "train")
    _, model = training.compiled(settings, training.Behind(), 100)
    before = model.get_weights()
    take = benchmark.WAYS[way](settings, model, batches, tiny_store)
    take(1)
    take(2)
    assert int(model.optimizer.iterations) == 3
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("case", benchmark.CASES)
def test_the_course_feeds_batches_of_the_shapes_that_we_do(case, tiny_store):
    settings = settings_of(case)
    rows = tiny_store.rows("train").tolist()
    twins = [benchmark._dictionary(each, rows) for each in (tiny_store.noisy, tiny_store.clean)]
    course = benchmark.course_batch(*twins, benchmark.course_items(settings, rows, step=0))
    ours = training.make_batches(settings, tiny_store, "train")(0)
    assert [each.shape for each in course] == [each.shape for each in ours]
    assert np.isin(course[0].reshape(-1, 1024), tiny_store.noisy.reshape(-1, 1024)).all()


def test_a_ratio_is_the_median_over_turns_of_simultaneous_rates():
    slow, fast = {"rates": [10.0, 1.0, 30.0]}, {"rates": [20.0, 4.0, 30.0]}
    assert benchmark.ratio(slow, fast) == 0.5


def test_a_checkpoint_every_200_steps_costs_its_time():
    result = {"patches_a_step": 50, "patches_per_second": 1000, "checkpoint_seconds": 2.5}
    assert benchmark.with_checkpoints(result) == pytest.approx(10 / 12.5)


def test_levers_change_one_setting_each_and_only_if_it_is_another(tiny_store):
    words = ["--levers", "--batches", "50", "100"]
    changes = [
        benchmark.describe(variant)
        for variant in benchmark.levers(
            benchmark.Variant("tensorflow", "unet"), tiny_store, benchmark.parse(words)
        )
    ]
    xla = ["any order, XLA on", "any order, XLA off"]
    assert changes == ["batch 100", *xla, "mixed_bfloat16", "noise drawn anew"]


def test_one_command_writes_a_table_and_the_figures(tiny_store, tmp_path):
    write_strips(tiny_store, tmp_path / "strips")
    words = f"--dataset n-hpatches:{tmp_path}/strips --profile smoke --cases unet".split()
    words += f"--seconds 0.2 --rounds 2 --json {tmp_path}/figures.json".split()
    done = subprocess.run(
        [sys.executable, SCRIPT, *words],
        env=os.environ | {"NHPATCHES_HOME": str(tmp_path), "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "U-Net, batch 50" in done.stdout, done.stderr[-3000:]
    results = json.loads((tmp_path / "figures.json").read_text())
    assert [result["way"] for result in results] == ["step", "ours", "course"]
    for result in results:
        assert result.get("error") is None and len(result["rates"]) == 2
        assert result["patches_per_second"] > 0 and result["peak_mb"] > 100
