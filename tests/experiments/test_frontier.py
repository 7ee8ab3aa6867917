"""The frontier: what its rows are, and that a second start goes on where the first one was."""

import json

import frontier
import pytest

from helpers import settings
from helpers.common.errors import InputError
from helpers.training.model import check

BASE = settings.COURSEWORK
ROW = frontier.ROWS["quick"]
PARSER = frontier.folds.parser("Frontier.", "frontier.json", (*frontier.ROWS, frontier.BASELINE))


def test_rows_differ_and_can_be_made():
    costs = {}
    for name in frontier.ROWS:
        denoiser, descriptor = frontier.trainings(BASE, name, 1.0)
        check(denoiser, None)
        check(descriptor, None)
        costs[name] = frontier.macs(frontier.pipeline(BASE, name))
    assert len(set(costs.values())) == len(costs) >= 8
    assert costs["quick_direct"] < costs["quick"] < costs["quick_wide"] < costs["full"]


def test_all_rows_but_the_baseline_see_as_many_patches():
    descriptors = [frontier.trainings(BASE, name, 0.5)[1] for name in frontier.ROWS]
    assert len({(one.epochs, one.most_items, one.batch, one.batches) for one in descriptors}) == 1
    assert frontier.trainings(BASE, "baseline", 0.5) == BASE.trainings("baseline")


@pytest.fixture
def measured(monkeypatch):
    """Trainings are counted, not made."""
    calls = []

    def train_and_score(both, fold, seed, pairs):
        calls.append((both[1].network_options.get("width"), fold.split))
        scores = dict.fromkeys("VMRS", len(calls) / 10)
        return {"fold": fold.split, "seed": seed, **scores}

    monkeypatch.setattr(frontier.folds, "train_and_score", train_and_score)
    monkeypatch.setattr(frontier, "ROUNDS", 1)
    monkeypatch.setattr(frontier, "PATCHES", 64)
    return calls


def test_a_second_start_trains_only_what_is_missing_and_keeps_what_is_of_other_settings(
    measured, photographs, tmp_path, monkeypatch
):
    target, rows = tmp_path / "frontier.json", ["quick", "baseline"]

    def run(*words: str) -> dict:
        options = PARSER.parse_args(["--json", str(target), "--rows", *words])
        return frontier.run(BASE, photographs, options)

    first = run("quick", "--first", "1")
    before = target.read_bytes()
    with pytest.raises(InputError, match="other data, settings or code"):
        run("quick", "--budget", "0.5")
    monkeypatch.setitem(frontier.ROWS, "quick", frontier.ROWS["halving"])
    with pytest.raises(InputError, match="other data, settings or code"):
        run("quick")
    monkeypatch.setitem(frontier.ROWS, "quick", ROW)
    assert target.read_bytes() == before
    assert len(measured) == 1 and [*first["rows"]] == rows[:1]
    table = run(*rows)
    assert len(measured) == 6 and len(set(measured)) == 6
    assert json.loads(target.read_text()) == table
    quick, baseline = (table["rows"][name] for name in rows)
    assert quick["milliseconds"] > 0 and quick["macs"] < baseline["macs"]
    assert [one["S"] for one in quick["trainings"]] == [0.1, 0.3, 0.5]
    assert (quick["denoiser"], quick["descriptor"]) == ("half U-Net 12", "DesDis 32")
    assert quick["gap"] == 0 and baseline["gap"] == pytest.approx(0.1)
    assert not {*photographs.parts["test"]} & {s for fold in table["folds"].values() for s in fold}
