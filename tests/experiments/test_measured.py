"""The other scripts that measure for the report: what they run and write, and what is committed."""

import json
from dataclasses import replace

import ablation
import common
import genuine
import pytest
import seeds

from helpers import settings
from helpers.common import files, paths
from helpers.common.errors import InputError
from helpers.evaluation import classical

HAND_MADE = {name: row.title for name, row in classical.ROWS.items()}
NETWORKS = {f"{a}{role}" for a in settings.APPROACHES for role in ("", "_denoiser", "_descriptor")}
IDS = {
    "ablation": set(ablation.ROWS),
    "genuine": {*HAND_MADE, *common.TITLES},
    "inference": NETWORKS | {"root_sift"},
}


@pytest.mark.parametrize("name", IDS)
def test_committed_rows_have_the_ids_that_scripts_write_and_titles_apart(name):
    rows = files.read_json(paths.MEASURED / f"{name}.json")["rows"]
    assert set(rows) == IDS[name]
    titles = [row["title"] for row in rows.values()]
    assert all(titles) and len(set(titles)) == len(titles)


def test_committed_seeds_have_rows_of_both_approaches_with_the_titles_that_the_script_writes():
    rows = files.read_json(paths.MEASURED / "seeds.json")["rows"]
    assert set(settings.APPROACHES) <= set(rows) <= set(seeds.ROWS)
    assert {name: row["title"] for name, row in rows.items()} == {
        name: seeds.TITLES[name] for name in rows
    }


def test_committed_rows_have_the_titles_that_scripts_write():
    titles = {name: row.title for name, row in ablation.ROWS.items()}
    found = files.read_json(paths.MEASURED / "ablation.json")["rows"]
    assert {name: row["title"] for name, row in found.items()} == titles
    found = files.read_json(paths.MEASURED / "genuine.json")["rows"]
    assert {name: row["title"] for name, row in found.items()} == HAND_MADE | common.TITLES


def test_committed_genuine_says_of_each_network_what_taught_it_and_what_it_costs():
    table = files.read_json(paths.MEASURED / "genuine.json")
    networks = set(table["rows"]) - HAND_MADE.keys() - {"pretrained_clean"}
    assert set(table["trained_on"]) == set(table["macs"]) == networks


def test_rows_differ_in_seed_and_length_of_training_only():
    base = settings.COURSEWORK
    assert seeds.trainings(base, "improved", 1) == list(base.trainings("improved"))
    searched = replace(base, improved_descriptor=replace(base.improved_descriptor, batch=2))
    assert seeds.trainings(searched, "improved", 1)[1].batch == 2
    assert seeds.trainings(searched, "defaults", 1) == list(base.trainings("improved"))
    for short, long in zip(
        seeds.trainings(base, "baseline", 2),
        seeds.trainings(base, "early_stopped", 2),
        strict=True,
    ):
        assert long.seed == short.seed == 2 and long.epochs > short.epochs and long.patience
        same = ("epochs", "most_items", "validations", "patience")
        assert replace(long, **{key: getattr(short, key) for key in same}) == short


@pytest.fixture
def made(monkeypatch):
    """The names and seeds that were asked for; nothing is trained."""
    calls = []
    monkeypatch.setattr(
        seeds, "measure", lambda *words: calls.append(words[2:]) or {"seed": words[3]}
    )
    return calls


def test_each_training_is_written_and_none_is_made_twice(made, tiny_store, tmp_path):
    target, rows = tmp_path / "seeds.json", ["baseline", "improved", "early_stopped"]
    seeds.run(settings.SMOKE, tiny_store, rows, [1], target)
    assert made == [("baseline", 1), ("improved", 1), ("early_stopped", 1)]
    table = seeds.run(settings.SMOKE, tiny_store, rows, [1, 2], target)
    assert made[3:] == [("baseline", 2), ("improved", 2)]
    seeds.run(settings.SMOKE, tiny_store, ["early_stopped"], [3], target)
    assert len(made) == 5  # a second one would take an hour, and the report asks for one
    assert json.loads(target.read_text()) == table
    improved = {"title": "improved", "trainings": [{"seed": 1}, {"seed": 2}]}
    assert table["rows"]["improved"] == improved


def test_a_table_of_other_settings_is_refused(made, tiny_store, tmp_path):
    target = tmp_path / "seeds.json"
    seeds.run(settings.SMOKE, tiny_store, ["improved"], [1], target)
    with pytest.raises(InputError, match=r"seeds.json is of other data, settings or code"):
        seeds.run(settings.COURSEWORK, tiny_store, ["improved"], [1], target)


def test_genuine_trains_all_but_the_pretrained_on_the_same_scenes(
    tiny_store, tmp_path, monkeypatch
):
    taught, run, row = [], tmp_path / "run", dict.fromkeys(common.DETAILS, 0.5)
    monkeypatch.setattr(
        common.training, "train", lambda one, store, *_: taught.append((one, store)) or run
    )
    monkeypatch.setattr(genuine.runs, "pretrained", lambda: run)
    monkeypatch.setattr(genuine.training, "load_pipeline", lambda run: None)
    monkeypatch.setattr(genuine, "macs", lambda network: 5)
    monkeypatch.setattr(genuine, "_taught", lambda run: {"run": run.name})
    by_hand = {"raw_pixels": {"title": "raw pixels", **row}}
    monkeypatch.setattr(genuine.classical, "score_rows", lambda *_: by_hand)
    monkeypatch.setattr(genuine.scoring, "score_run", lambda *_, **__: row)
    base = settings.COURSEWORK
    table = genuine.run(base, tiny_store, tiny_store, tmp_path / "genuine.json", patient=True)
    expected = [
        *base.trainings("baseline"),
        *settings.LONG.trainings("baseline"),
        *base.trainings("improved"),
    ]
    assert taught == [(one, tiny_store) for one in expected]
    assert list(table["rows"]) == ["raw_pixels", *common.TITLES]
    assert set(table["trained_on"]) == set(table["macs"]) == set(list(table["rows"])[1:5])
    assert json.loads((tmp_path / "genuine.json").read_text()) == table


def test_genuine_has_no_usual_dataset(capsys):
    with pytest.raises(SystemExit):
        genuine.main([])
    assert "required: --dataset" in capsys.readouterr().err
