"""The ablation script: what its rows are, and that it writes what it measures."""

import json
from dataclasses import replace
from functools import cache

import ablation
import pytest

from helpers import settings, training
from helpers.common import files, paths
from helpers.training import model, plan, registry

BASE = settings.COURSEWORK
FEW = ("start", "direct")


def rows(budget: float = 1.0) -> dict[str, tuple]:
    return {name: ablation.trainings(BASE, name, budget) for name in ablation.ROWS}


def test_no_two_rows_are_trained_alike():
    trainings = {name: str(both) for name, both in rows().items()}
    del trainings["averaged"]  # differs in what is done with the weights, too
    assert len(set(trainings.values())) == len(trainings)


def test_every_row_can_be_made(tiny_store):
    network = cache(lambda words: training.make_network(made[words]))
    made = {}
    for both in rows().values():
        for one in both:
            words = f"{one.network} {one.network_options}"
            made[words] = one
            assert network(words).count_params() > 0
            training.make_batches(replace(one, batch=8), tiny_store, "train")
            model.make_loss(one)
            registry.find("assembly", one.assembly, registry.ASSEMBLIES, one.assembly_options)


def test_only_rows_about_the_denoiser_change_it():
    made = rows()
    changed = {name for name, both in made.items() if both[0] != made["start"][0]}
    assert changed == {name for name, row in ablation.ROWS.items() if row.denoiser}
    assert "dncnn" in changed and "hynet" not in changed


def test_all_rows_see_about_as_many_patches():
    patches = {}
    for name, (_, row) in rows(ablation.BUDGET).items():
        views = 1 + 3 * row.batch_options.get("views_per_level", 1)
        patches[name] = plan.Plan.of(row, per_epoch=5109 // row.batch).steps * row.batch * views
    start = patches["start"]
    assert patches.pop("longer") == pytest.approx(2 * start, rel=0.05)
    assert patches == pytest.approx(dict.fromkeys(patches, start), rel=0.06)


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Measuring gives numbers in their order, until it is told to break at one."""
    calls = []

    def measure(*_, **__):
        calls.append(len(calls))
        if calls[-1] == measured.breaks_at:
            raise RuntimeError
        return {"S": calls[-1]}

    measured.breaks_at = None
    monkeypatch.setattr(ablation.training, "train", lambda *_: tmp_path)
    monkeypatch.setattr(ablation, "measure", measure)
    return measured


def scores(target) -> dict[str, int]:
    return {name: row["S"] for name, row in json.loads(target.read_text())["rows"].items()}


def test_a_broken_run_loses_no_row_and_rows_of_other_data_are_dropped(
    measured, tiny_store, tmp_path
):
    target = tmp_path / "ablation.json"
    ablation.run(BASE, tiny_store, 0.5, target, FEW)
    measured.breaks_at = 3
    with pytest.raises(RuntimeError):
        ablation.run(BASE, tiny_store, 0.5, target, FEW)
    assert scores(target) == {"start": 2, "direct": 1}
    ablation.run(BASE, tiny_store, 0.5, target, ["longer"])
    assert scores(target) == {"start": 2, "direct": 1, "longer": 4}
    ablation.run(BASE, tiny_store, 1.0, target, ["direct"])
    assert scores(target) == {"direct": 5}


def test_the_table_says_what_was_measured_on_what(measured, tiny_store, tmp_path):
    table = ablation.run(BASE, tiny_store, 0.5, tmp_path / "ablation.json", FEW)
    assert table["dataset"]["fingerprint"] == tiny_store.fingerprint
    assert (table["part"], table["scenes"], table["points"]) == ("validation", 2, 24)
    assert table["rows"]["direct"] == {"title": "no denoiser", "S": 1}
    known = files.read_json(paths.MEASURED / "ablation.json")
    assert set(table) == set(known)


def test_options_name_rows_by_their_ids(capsys):
    with pytest.raises(SystemExit):
        ablation.main(["--rows", "no denoiser"])
    assert "invalid choice: 'no denoiser'" in capsys.readouterr().err


@pytest.mark.deep
@pytest.mark.parametrize("name", ["along_denoising_teacher", "averaged"])
def test_a_row_is_really_trained_and_scored(name, tiny_store, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(ablation, "LAST", 2)
    small = {"network_options": {"width": 4}, "redraw": False, "validation_batches": 1}
    base = replace(
        settings.SMOKE,
        pairs=200,
        improved_denoiser=replace(
            settings.SMOKE.improved_denoiser, epochs=0.1, validations=2, **small
        ),
        improved_descriptor=replace(
            settings.SMOKE.improved_descriptor, batch=8, epochs=1, validations=2, **small
        ),
    )
    table = ablation.run(base, tiny_store, 1.0, tmp_path / "ablation.json", [name])
    row = table["rows"][name]
    assert 0 < row["V"] < 1 and row["macs"] > 0 and row["patches"] > 0
    assert set(row) == set(files.read_json(paths.MEASURED / "ablation.json")["rows"][name])
