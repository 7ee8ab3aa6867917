"""Spaces: what is one, what a trial makes of it, and what it says of settings."""

import math
from dataclasses import replace

import optuna
import pytest

from helpers import search
from helpers.common.errors import InputError
from helpers.search import space
from helpers.settings import PROFILES, SMOKE
from tests.search.conftest import BASE, NAMED, RATES, SPACE


def suggested(values: dict, of: dict, base) -> object:
    return space.suggest(optuna.trial.FixedTrial(values), of, base)


def test_a_suggestion_changes_fields_and_options_and_nothing_else():
    base = replace(BASE, network_options={"width": 8, "depth": 2})
    plain = {"learning_rate": 1e-3, "patience": 17, "weight_decay": 0.25}
    found = suggested({"network_options.width": 24, **plain}, SPACE, base)
    assert found == replace(base, network_options={"width": 24, "depth": 2}, **plain)
    assert base.network_options == {"width": 8, "depth": 2}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        [1],
        5,
        {"learning_rate": 5},
        {"learning_rate": {"a": 1}},
        {"learning_rate": [["log"]]},
        {"learning_rat": ("log", 1e-3, 1e-2)},
        {"learning_rate.width": ("log", 1e-3, 1e-2)},
        {"learning_rate.": ("log", 1e-3, 1e-2)},
        {"network_options": ("choice", [8, 16])},
        {"network_options.": ("choice", [8, 16])},
        {"learning_rate": ()},
        {"learning_rate": ("logarithmic", 1e-3, 1e-2)},
        {"learning_rate": ("log", 0.0, 1e-2)},
        {"learning_rate": ("log", 1e-2, 1e-3)},
        {"learning_rate": ("log", 1e-3)},
        {"learning_rate": ("uniform", "0", "1")},
        {"patience": ("integer", 1.5, 3)},
        {"network_options.width": ("choice", [])},
        {"network_options.width": ("choice", "wide")},
        {"network_options.width": ("choice", 8, 16)},
        {"network_options.widths": ("choice", [[8, 16], [16, 32]])},
        {"loss_options.level_weights": ("choice", {})},
        {"loss_options.level_weights": ("choice", {1: [1, 1, 1]})},
        {"loss_options.level_weights": ("choice", {"odd": [1, 1, math.nan]})},
        {"loss_options.level_weights": ("choice", {"odd": object})},
        {"role": ("choice", ["../../elsewhere"])},
        {"approach": ("choice", ["search", "../../elsewhere"])},
        {"learning_rate": ("log", 1e-3, math.inf)},
        {"learning_rate": ("uniform", -1.0, 1.0)},
        {"validations": ("integer", -1, 3)},
        {"validations": ("choice", [4, "many"])},
        {"epochs": ("choice", [0])},
        {"batch": ("choice", [2**40])},
        {"patience": ("integer", 1, 10**30)},
        {"network": ("choice", ["hardnet", "nosuchnet"])},
        {"network_options.width": ("choice", [8, None])},
        {"network_options.width": ("integer", -8, 16)},
        {"network_options.depth": ("integer", 1, 3)},
        {"loss_options.level_weights": ("choice", {"odd": {"easy": 1}})},
    ],
    ids=str,
)
def test_what_is_no_space_is_refused_in_one_sentence(wrong):
    with pytest.raises(InputError, match=r"(name|use|write|give it as|should|choose) .*[.]$"):
        space.check_space(wrong, BASE)


def test_options_that_network_or_loss_do_not_take_are_left_out():
    base = replace(BASE, network="l2net", network_options={})
    kept = space.fitting(NAMED | SPACE, base)
    assert set(NAMED | SPACE) - set(kept) == {"network_options.width"}
    space.check_space(kept, base)
    assert space.fitting(SPACE, BASE) == SPACE


def test_options_are_tried_with_each_network_that_may_be_chosen():
    both = {"network": ("choice", ["hardnet", "l2net"])}
    with pytest.raises(InputError, match="l2net has no option width"):
        space.check_space(both, BASE)
    space.check_space(both, replace(BASE, network_options={}))


def test_only_values_that_a_space_allows_are_inside_it():
    base = replace(BASE, learning_rate=1.0, patience=16)
    inside = {"network_options.width": 8, "patience": 16, "weight_decay": base.weight_decay}
    assert space.values_inside(SPACE, base) == inside
    assert space.values_inside({"network_options.depth": ("integer", 1, 3)}, base) == {}


def test_a_named_choice_gives_the_trial_its_name_and_the_settings_its_value():
    values = {"loss_options.level_weights": "to tough", "learning_rate": 1e-3}
    assert suggested(values, NAMED, BASE).loss_options == {"level_weights": [0.5, 1, 1.5]}


@pytest.mark.parametrize(
    ("weights", "name"),
    [((1.0, 1.0, 1.0), "alike"), ([0.5, 1, 1.5], "to tough"), (None, "none"), ([1, 2, 3], None)],
)
def test_a_named_choice_is_recognised_by_its_value(weights, name):
    base = replace(BASE, loss_options={"level_weights": weights})
    assert space.values_inside(NAMED, base).get("loss_options.level_weights") == name
    assert "loss_options.level_weights" not in space.values_inside(NAMED, BASE)  # left out


def test_the_table_of_a_space_says_what_is_tried_and_what_settings_have():
    table = search.space_table(NAMED | SPACE, own=BASE)
    assert table.loc["loss_options.level_weights", "tried"].startswith("alike [1, 1, 1], to tough")
    assert table.loc["learning_rate", "tried"] == "0.0001 to 0.1, log scale"
    assert table["own"].to_dict() == {
        "loss_options.level_weights": "–",
        "learning_rate": "0.003",
        "network_options.width": "8",
        "patience": "4",
        "weight_decay": "0.0001",
    }


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_can_begin_its_search(name, tiny_store):
    base, wanted = PROFILES[name].improved_descriptor, PROFILES[name].search
    search.Objective(base, wanted.space, tiny_store, measure=wanted.measure).check()
    assert set(space.values_inside(wanted.space, base)) == set(wanted.space)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"measure": "test_error"}, "no measure 'test_error'"),
        (
            {"measure": "validation_error", "base": SMOKE.improved_denoiser, "space": RATES},
            "A denoiser",
        ),
        ({"space": {"loss": ("choice", ["hardest_in_batch", "triplet"])}}, "different loss mean"),
        ({"space": {"loss_options.margin": ("uniform", 0.5, 1.5)}}, "different loss_options"),
        ({"space": {"batch": ("choice", [64, 128])}}, "different batch mean"),
        ({"space": {"assembly": ("choice", ["plain"])}}, "different assembly mean"),
        ({"space": {"batch_options.views_per_level": ("integer", 1, 2)}}, "different batch_opt"),
    ],
    ids=str,
)
def test_what_no_measure_compares_is_refused(change, named, tiny_store):
    about = {"base": BASE, "space": SPACE, "store": tiny_store} | change
    with pytest.raises(InputError, match=rf"{named}.*[.]$"):
        search.Objective(**about).check()


@pytest.mark.parametrize(
    ("base", "measure"),
    [(BASE, "validation_error"), (SMOKE.improved_denoiser, "validation_loss")],
)
def test_a_score_compares_what_a_loss_of_views_cannot(base, measure, tiny_store):
    sizes = {"batch": ("choice", [64, 128])}
    search.Objective(base, sizes, tiny_store, measure=measure).check()


@pytest.mark.parametrize(
    ("value", "choice", "expected"),
    [
        (16, ("choice", [16, 24, 32]), True),
        (24, ("choice", [16, 24, 32]), False),
        (0.0, ("choice", [0.0, 0.1, 0.3]), False),  # nothing lies beyond
        (0.3, ("choice", [0.0, 0.1, 0.3]), True),
        ("adamw", ("choice", ["adamw", "sgd"]), False),
        ("low", ("choice", {"low": [1, 2], "high": [2, 3]}), False),
        (9.9, ("uniform", 0, 10), True),
        (9, ("uniform", 0, 10), False),
        (1.0, ("log", 1.0, 100.0), True),
        (2.0, ("log", 1.0, 100.0), False),
    ],
)
def test_what_lies_at_the_edge_of_a_space(value, choice, expected):
    assert space.is_at_edge(value, *choice) is expected
