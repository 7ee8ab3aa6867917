"""The scripts that measure seeds and speed for the report: what they run, and what they write."""

import importlib.util
import json
from dataclasses import replace

import numpy as np
import pytest

from helpers import settings
from helpers.common import paths
from helpers.common.errors import InputError
from helpers.networks.blocks import macs
from helpers.training.loop import make_network


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, paths.ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def seeds():
    return script("seeds")


@pytest.fixture(scope="module")
def inference():
    return script("inference")


def test_rows_differ_in_seed_and_length_of_training_only(seeds):
    plan = settings.COURSEWORK
    assert seeds.trainings(plan, "improved", 1) == list(plan.trainings("improved"))
    for short, long in zip(
        seeds.trainings(plan, "baseline", 2),
        seeds.trainings(plan, seeds.EARLY_STOPPED, 2),
        strict=True,
    ):
        assert long.seed == short.seed == 2 and long.epochs > short.epochs and long.patience
        same = ("epochs", "validations", "patience")
        assert replace(long, **{key: getattr(short, key) for key in same}) == short


def test_each_training_is_written_and_none_is_made_twice(seeds, tiny_store, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        seeds, "measure", lambda *names: made.append(names[2:]) or {"seed": names[3]}
    )
    target = tmp_path / "seeds.json"
    rows = list(seeds.ROWS)
    seeds.run(settings.SMOKE, tiny_store, rows, [1], target)
    assert made == [("baseline", 1), ("improved", 1), (seeds.EARLY_STOPPED, 1)]
    table = seeds.run(settings.SMOKE, tiny_store, rows, [1, 2], target)
    assert made[3:] == [("baseline", 2), ("improved", 2)]
    seeds.run(settings.SMOKE, tiny_store, [seeds.EARLY_STOPPED], [3], target)
    assert len(made) == 5  # a second one would take an hour, and the report asks for one
    assert json.loads(target.read_text()) == table
    assert [row["seed"] for row in table["rows"]["improved"]] == [1, 2]


def test_a_table_of_other_settings_is_refused(seeds, tiny_store, tmp_path, monkeypatch):
    monkeypatch.setattr(seeds, "measure", lambda *names: {"seed": names[3]})
    target = tmp_path / "seeds.json"
    seeds.run(settings.SMOKE, tiny_store, ["improved"], [1], target)
    with pytest.raises(InputError, match=r"seeds.json is of other data, settings or code"):
        seeds.run(settings.COURSEWORK, tiny_store, ["improved"], [1], target)


def test_a_row_holds_the_scores_of_what_was_trained(seeds, tiny_store, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    small = {"network_options": {"width": 4}, "validations": 2, "validation_batches": 1}
    base = settings.SMOKE
    plan = replace(
        base,
        pairs=200,
        improved_denoiser=replace(base.improved_denoiser, redraw=False, epochs=0.1, **small),
        improved_descriptor=replace(
            base.improved_descriptor, redraw=False, batch=8, epochs=1, **small
        ),
    )
    row = seeds.measure(plan, tiny_store, "improved", 5)
    assert row["seed"] == 5 and 0 < row["V"] < 1
    known = json.loads((tmp_path / "runs" / row["runs"][1] / "scores.json").read_text())
    assert known["V"] == row["V"] and row["trainings"][1]["patches"] > 0


def test_all_ways_take_turns(inference):
    order = []
    ways = {name: lambda _, name=name: order.append(name) for name in "ab"}
    times = inference.measure(ways, np.zeros((2, 32, 32), np.uint8), rounds=2)
    assert order == ["a", "b"] * 3 and all(len(found) == 2 for found in times.values())


def test_the_speed_table_names_what_a_network_costs(inference):
    table = inference.run(settings.SMOKE, np.zeros((16, 32, 32), np.uint8), rounds=1)
    assert set(table["rows"]) == {
        *(
            f"{a}{part}"
            for a in settings.APPROACHES
            for part in (" denoiser", " descriptor", ", both")
        ),
        "RootSIFT",
    }
    found = table["rows"]["baseline denoiser"]
    assert found["macs"] == macs(make_network(settings.SMOKE.baseline_denoiser))
    assert 0 < found["low"] <= found["milliseconds"] <= found["high"]
    assert table["baseline_by_improved"] > 0


def test_genuine_trains_all_but_the_pretrained_on_the_same_scenes(
    tiny_store, tmp_path, monkeypatch
):
    genuine, taught = script("genuine"), []
    run = tmp_path / "run"
    monkeypatch.setattr(
        genuine.training,
        "train",
        lambda settings, store, *_: taught.append((settings, store)) or run,
    )
    monkeypatch.setattr(genuine.runs, "pretrained", lambda: run)
    monkeypatch.setattr(genuine.evaluation, "load_pipeline", lambda run: None)
    monkeypatch.setattr(genuine, "macs", lambda network: 5)
    monkeypatch.setattr(genuine, "_taught", lambda run: {"run": run.name})
    row = dict.fromkeys(genuine.SCORES, 0.5)
    monkeypatch.setattr(genuine.classical, "score_rows", lambda *_: {"raw pixels": row})
    monkeypatch.setattr(genuine.evaluation, "score_run", lambda *_, **__: row)
    plan = settings.COURSEWORK
    table = genuine.run(plan, tiny_store, tiny_store, tmp_path / "genuine.json", patient=True)
    expected = [
        *plan.trainings("baseline"),
        *settings.LONG.trainings("baseline"),
        *plan.trainings("improved"),
    ]
    assert taught == [(one, tiny_store) for one in expected]
    assert list(table["rows"])[1:] == [
        "baseline", genuine.EARLY_STOPPED, "improved", "pretrained", "pretrained, of clean patches"
    ]  # fmt: skip
    assert set(table["trained_on"]) == set(table["macs"]) == set(list(table["rows"])[1:5])
    assert json.loads((tmp_path / "genuine.json").read_text()) == table
