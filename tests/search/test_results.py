"""What is found: the winner, its file and the sentence on it."""

import math
import re
from dataclasses import replace

import optuna
import pytest

from helpers import search
from helpers.common import files
from helpers.common.errors import InputError
from helpers.search import results, studies
from tests.search.conftest import BASE, SPACE


@pytest.fixture
def write(tmp_path):
    """Writes the winner of a study; returns what the file holds."""

    def write(study):
        search.write_winner(tmp_path / "winner.json", study, "postgresql://me:secret@host/x")
        return files.read_json(tmp_path / "winner.json")

    return write


def test_the_winner_is_written_and_read_again(look, write, make_trainer, tmp_path, storage):
    study = look(make_trainer(), 8, space=SPACE)
    written = write(study)
    best = results.best_settings(studies.begin_study("rates", storage, {}))
    assert search.read_winner(tmp_path / "winner.json") == best
    table = search.trials_table(study).set_index("trial")
    assert written["validation_loss"] == table["loss"].min() == table["loss"][written["trial"]]
    assert written["run"] == table["run"][written["trial"]]
    rate = table["learning_rate"][written["trial"]]
    assert written["settings"]["learning_rate"] == rate != BASE.learning_rate
    assert written["trials"] == {"complete": 8}
    assert written["storage"] == "postgresql://***"
    assert written["searched"]["dataset"]["fingerprint"] == "0123456789abcdef"
    assert written["provenance"]["optuna"] == optuna.__version__


def test_the_budget_shortens_trials_but_not_the_winner(look, make_trainer):
    train = make_trainer()
    study = look(train, 3, budget=0.25)
    assert {settings.epochs for settings in train.settings} == {BASE.epochs / 4}
    assert results.best_settings(study).epochs == BASE.epochs


def test_of_equally_good_trials_the_first_one_wins(look, make_trainer):
    decays = {"weight_decay": ("uniform", 0.0, 0.5)}  # nothing to the stand-in for training
    study = look(make_trainer(), 5, space=decays, base=replace(BASE, weight_decay=0.2))
    assert results.best_trial(study).number == 0
    assert results.best_settings(study).weight_decay == 0.2


def test_the_winner_is_compared_with_the_settings_it_began_with(look, write, make_trainer):
    study = look(make_trainer(), 8)
    winner = write(study)
    assert winner["base"] == study.trials[0].value > winner["validation_loss"]
    sentence = results.verdict(winner)
    assert re.match(r"trial \d of 8 won: validation loss 0\.\d+, 0\.5229 with those it", sentence)
    assert f"learning_rate {winner['changed']['learning_rate']:.3g}" in sentence
    best = winner["validation_loss"]
    found = search.summary(winner)
    assert found == {"trials": 8, "best": best, "base": winner["base"], "edges": found["edges"]}


def test_a_winner_at_the_edge_of_the_space_is_said(look, write, make_trainer):
    winner = write(look(make_trainer(), 3))
    low, high = SPACE["learning_rate"][1:]
    for rate, edges in ((low, ["learning_rate"]), ((low * high) ** 0.5, [])):
        moved = winner | {"changed": {"learning_rate": rate}}
        assert search.summary(moved)["edges"] == edges
        assert ("A wider space may" in results.verdict(moved)) is bool(edges)


def test_a_search_that_found_nothing_better_says_so(look, write, make_trainer):
    winner = write(look(make_trainer(), 3, base=replace(BASE, learning_rate=0.01)))
    assert results.verdict(winner).startswith(
        "none of 3 trials was better than the settings it beg"
    )


def test_without_its_base_settings_or_their_loss_a_search_compares_with_nothing(
    look, write, make_trainer
):
    outside = look(make_trainer(), 3, base=replace(BASE, learning_rate=1.0))
    assert write(outside)["base"] is None
    train = make_trainer(lambda number, report: report([1.0, 0.5] + [math.nan] * (number == 0)))
    winner = write(look(train, 3, name="given up"))
    assert winner["base"] is None and "unknown for those" in results.verdict(winner)


@pytest.mark.parametrize(
    "damage",
    [
        lambda winner: [],
        lambda winner: {},
        lambda winner: winner | {"settings": None},
        lambda winner: winner | {"settings": {"speed": 3}},
        lambda winner: winner | {"settings": winner["settings"] | {"approach": "../../x"}},
        lambda winner: winner | {"settings": winner["settings"] | {"validations": -1}},
        lambda winner: winner | {"settings": winner["settings"] | {"learning_rate": "fast"}},
        lambda winner: winner | {"trials": 5},
        lambda winner: winner | {"searched": {"measure": "taste", "space": {}}},
        lambda winner: winner | {"validation_loss": [1]},
    ],
)
def test_a_damaged_winner_is_named_and_searching_again_mends_it(
    look, write, make_trainer, tmp_path, damage
):
    train, path = make_trainer(), tmp_path / "winner.json"
    whole = write(look(train, 2))
    files.write_json(path, damage(whole))
    with pytest.raises(InputError, match=rf"{path}.*: search again with the same options, which"):
        search.read_winner(path)
    assert write(look(train, 2)) == whole and len(train.settings) == 2
    assert search.read_winner(path)


def test_half_a_winner_is_named(tmp_path):
    (tmp_path / "winner.json").write_text('{"settings": {"approach": "impr')
    with pytest.raises(InputError, match=r"winner.json is not valid JSON .*: search again"):
        search.read_winner(tmp_path / "winner.json")


def test_a_search_that_gave_all_trials_up_has_no_winner(look, make_trainer):
    study = look(make_trainer(lambda _, report: report([1.0, math.nan])), 2)
    with pytest.raises(InputError, match="No trial of the study 'rates' has been trained"):
        results.best_settings(study)
