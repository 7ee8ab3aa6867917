"""The ablation script: what its rows are, and that it writes what it measures."""

import importlib.util
import json
from dataclasses import replace

import pytest

from helpers import settings, training
from helpers.common import paths

SCRIPT = paths.ROOT / "benchmarks" / "ablation.py"


@pytest.fixture(scope="module")
def ablation():
    spec = importlib.util.spec_from_file_location("ablation", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_row_differs_from_the_improved_descriptor_and_can_be_made(ablation):
    rows = {name: parts for name, *parts in ablation.rows(settings.COURSEWORK, budget=0.5)}
    assert len(rows) >= 8 and len({str(parts) for parts in rows.values()}) == len(rows)
    for denoiser, descriptor in rows.values():
        training.make_network(denoiser)
        training.make_network(descriptor)
        training.make_loss(descriptor)


def test_only_rows_about_the_denoiser_change_it(ablation):
    base = settings.COURSEWORK.improved_denoiser
    changed = {n for n, denoiser, _ in ablation.rows(settings.COURSEWORK, 0.5) if denoiser != base}
    assert changed == {
        name for name, changes in ablation.ROWS.items() if "denoiser:" in str(changes)
    }
    assert changed


def test_all_rows_see_about_as_many_patches(ablation):
    patches = {}
    for name, _, row in ablation.rows(settings.COURSEWORK, ablation.BUDGET):
        views = 1 + 3 * row.batch_options.get("views_per_level", 1)
        plan = training.Plan.of(row, per_epoch=5109 // row.batch, checkpoint_steps=200)
        patches[name] = plan.steps * row.batch * views
    start = patches[ablation.REFERENCE]
    assert patches.pop(ablation.TWICE) == pytest.approx(2 * start, rel=0.05)
    assert patches == pytest.approx(dict.fromkeys(patches, start), rel=0.06)


def test_the_table_is_written_with_what_made_it(ablation, tiny_store, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    small = {"network_options": {"width": 4}, "validations": 2, "validation_batches": 1}
    plan = replace(
        settings.SMOKE,
        pairs=200,
        improved_denoiser=replace(
            settings.SMOKE.improved_denoiser, redraw=False, epochs=0.1, **small
        ),
        improved_descriptor=replace(
            settings.SMOKE.improved_descriptor, redraw=False, batch=8, epochs=1, **small
        ),
    )
    names = (ablation.REFERENCE, "taught by one that sees clean patches", ablation.AVERAGED)
    monkeypatch.setattr(ablation, "LAST", 2)
    measured = []
    monkeypatch.setattr(
        ablation.normalisation, "measure_statistics", lambda pipeline, _: measured.append(pipeline)
    )
    monkeypatch.setattr(ablation, "ROWS", {name: ablation.ROWS[name] for name in names})
    ablation.run(plan, tiny_store, 1.0, tmp_path / "ablation.json")
    table = json.loads((tmp_path / "ablation.json").read_text())
    assert set(table["rows"]) == {*names, ablation.TWICE} and table["points"] == 24
    assert len(measured) == len(table["rows"])
    assert table["dataset"]["fingerprint"] == tiny_store.fingerprint
    assert all(0 < row["V"] < 1 and row["macs"] for row in table["rows"].values())


def test_a_broken_run_loses_no_row_and_rows_of_other_data_are_dropped(
    ablation, tiny_store, tmp_path, monkeypatch
):
    target, names = tmp_path / "ablation.json", list(ablation.ROWS)[:2]
    monkeypatch.setattr(ablation, "ROWS", {name: ablation.ROWS[name] for name in names})
    monkeypatch.setattr(ablation, "NAMES", (*names, ablation.TWICE))
    monkeypatch.setattr(ablation.training, "train", lambda *_: tmp_path)
    monkeypatch.setattr(ablation, "measure", lambda *_: {"S": 1})
    ablation.run(settings.SMOKE, tiny_store, 0.5, target)
    monkeypatch.setattr(ablation, "measure", lambda *_: {"S": 2})
    monkeypatch.setattr(ablation.training, "train", _fail_at_second(tmp_path))
    with pytest.raises(RuntimeError):
        ablation.run(settings.SMOKE, tiny_store, 0.5, target)
    rows = json.loads(target.read_text())["rows"]
    assert [rows[name]["S"] for name in (*names, ablation.TWICE)] == [2, 1, 1]
    ablation.run(settings.SMOKE, tiny_store, 0.5, target, wanted=names[1:])
    assert len(json.loads(target.read_text())["rows"]) == 3
    monkeypatch.setattr(ablation.training, "train", _fail_at_second(tmp_path))
    with pytest.raises(RuntimeError):
        ablation.run(settings.SMOKE, tiny_store, 1.0, target)
    assert set(json.loads(target.read_text())["rows"]) == {names[0]}


def _fail_at_second(run):
    calls = []

    def train(*_):
        calls.append(1)
        if len(calls) % 2 == 0:
            raise RuntimeError
        return run

    return train
