"""Whatever spaces and winners' files hold: usable settings, or one sentence."""

import json
from dataclasses import asdict, fields

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import search
from helpers.common.errors import InputError
from helpers.search import space
from helpers.settings import TrainingSettings
from tests.search.conftest import BASE, NAMED, SPACE

MANY = settings(max_examples=300, derandomize=True, deadline=None, database=None)
NUMBERS = st.sampled_from([0, 1, -1, 0.5, 1e-3, 4, 10**30, 1e300, float("inf"), float("nan"), -0.0])
PLAIN = st.one_of(st.none(), st.booleans(), NUMBERS, st.text("a./é\0", max_size=3))
THINGS = st.recursive(
    PLAIN,
    lambda more: st.lists(more, max_size=3) | st.dictionaries(st.text("ab"), more),
    max_leaves=5,
)
NAMES = [field.name for field in fields(TrainingSettings)]
OPTIONS = ["network_options.width", "loss_options.level_weights", "loss_options.x", "part", ".", ""]
CHOICES = st.one_of(
    THINGS,
    st.tuples(st.sampled_from(["log", "uniform", "integer"]), NUMBERS, NUMBERS),
    st.tuples(st.just("choice"), THINGS),
    st.tuples(st.just("choice"), st.lists(PLAIN, min_size=1, max_size=3)),
)
SPACES = st.dictionaries(st.sampled_from(NAMES + OPTIONS), CHOICES, min_size=1, max_size=3)
WINNER = {
    "settings": asdict(BASE), "validation_loss": 0.5, "base": 0.6, "changed": {}, "trial": 0,
    "trials": {"complete": 2}, "searched": {"measure": "validation_loss", "space": {}},
}  # fmt: skip


def said(work) -> str:
    """The sentence that it ends in, or nothing."""
    try:
        work()
    except InputError as error:
        return str(error)
    return ""


@MANY
@given(SPACES | THINGS)
def test_a_space_can_be_searched_or_is_refused_in_a_sentence(found):
    sentence = said(lambda: space.check_space(found, BASE))
    assert not sentence or (sentence.endswith(".") and "\n" not in sentence)
    if not sentence:
        trial = optuna.create_study().ask()
        assert isinstance(space.suggest(trial, found, BASE), TrainingSettings)


@MANY
@given(st.sampled_from([*SPACE, *NAMED]), THINGS, st.integers(0, 2))
def test_a_space_with_one_thing_in_it_replaced_is_one_or_is_none(name, thing, place):
    whole = NAMED | SPACE
    choice = [*whole[name]]
    choice[place % len(choice)] = thing
    sentence = said(lambda: space.check_space(whole | {name: tuple(choice)}, BASE))
    assert not sentence or (sentence.endswith(".") and name in sentence)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("winner") / "winner.json"


@MANY
@given(
    st.sampled_from([(), *((key,) for key in WINNER), *(("settings", name) for name in NAMES)]),
    THINGS,
)
def test_a_winner_with_one_thing_in_it_replaced_is_settings_or_a_sentence(file, where, thing):
    winner = json.loads(json.dumps(WINNER)) if where else thing
    inside = winner
    for key in where[:-1]:
        inside = inside[key]
    if where:
        inside[where[-1]] = thing
    file.write_text(json.dumps(winner))
    sentence = said(lambda: search.read_winner(file))
    assert not sentence or (sentence.endswith(".") and str(file) in sentence)


@MANY
@given(st.integers(0, 10**6), st.binary(max_size=2))
def test_a_damaged_winner_is_settings_or_a_sentence(file, place, bytes_there):
    whole = json.dumps(WINNER).encode()
    place %= len(whole)
    file.write_bytes(whole[:place] + bytes_there + whole[place + 1 :])
    sentence = said(lambda: search.read_winner(file))
    assert not sentence or (sentence.endswith(".") and str(file) in sentence)
