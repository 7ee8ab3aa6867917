"""Values that users write are checked for kind and range before anything is done with them."""

from dataclasses import asdict, replace
from typing import Annotated

import pytest
from hypothesis import given, settings, strategies
from pydantic import Field

from helpers.common.errors import InputError
from helpers.common.values import check_options
from helpers.networks.descriptors import hardnet
from helpers.settings import IMPROVED_DESCRIPTOR, PROFILES, SEARCH, checked
from helpers.training.batches import Views
from helpers.training.losses import charbonnier, hardest_in_batch

JUNK = strategies.one_of(
    strategies.none(),
    strategies.booleans(),
    strategies.integers(),
    strategies.floats(),
    strategies.text(),
    strategies.sampled_from(["../../x", "NaN", -1, 0, 1e308, 10**400, float("inf"), {1: 2}]),
    strategies.lists(strategies.integers()),
    strategies.dictionaries(strategies.text(), strategies.floats()),
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("role", "../denoiser"), ("approach", "../x"), ("approach", ""), ("validations", -1)),
        *(("epochs", 0), ("epochs", -1), ("epochs", float("inf")), ("learning_rate", float("nan"))),
        *(("joining", "sideways"), ("schedule", "linear"), ("optimizer", "adam")),
        *(("learning_rate", "fast"), ("batch", 10**30), ("batch", 2.5), ("seed", -1)),
        *(("network_options", {"width": float("nan")}), ("loss_options", []), ("loss", None)),
    ],
)
def test_a_value_of_another_kind_or_range_is_named(field, value):
    with pytest.raises(InputError, match=rf"^{field} cannot be .*should"):
        replace(IMPROVED_DESCRIPTOR, **{field: value})


def test_searches_and_profiles_are_checked_as_well():
    with pytest.raises(InputError, match="budget cannot be 2"):
        replace(SEARCH, budget=2)
    with pytest.raises(InputError, match="pairs cannot be 0"):
        replace(PROFILES["smoke"], pairs=0)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(strategies.dictionaries(strategies.sampled_from([*asdict(IMPROVED_DESCRIPTOR), "x"]), JUNK))
def test_settings_out_of_a_file_are_right_or_refused_in_one_sentence(changes):
    try:
        found = checked(asdict(IMPROVED_DESCRIPTOR) | changes, "winner.json")
    except InputError as error:
        assert str(error).startswith("winner.json: ") and str(error).endswith(".")
    else:
        assert 0 < found.epochs <= 10**6 and found.validations > 0 and "/" not in found.name


@pytest.mark.parametrize("values", [{}, [], None, {"approach": "x"}])
def test_what_are_no_settings_is_refused(values):
    with pytest.raises(InputError, match=r"^winner\.json: "):
        checked(values, "winner.json")


def test_settings_come_back_from_a_file_as_they_were():
    assert checked(asdict(IMPROVED_DESCRIPTOR), "winner.json") == IMPROVED_DESCRIPTOR


def of_a_user(x, width: Annotated[int, Field(ge=1)] = 1, other: "Unknown" = None):  # noqa: F821
    return x


def test_options_that_a_function_does_not_take_are_named():
    with pytest.raises(InputError, match="of_a_user has no option deep: choose from x, width"):
        check_options(of_a_user, {"deep": 1})
    check_options(of_a_user, {"width": 3, "other": object()})  # whose hints cannot be read


@pytest.mark.parametrize(
    ("function", "options"),
    [
        *((hardnet, {"width": width}) for width in (0, -1, 2.5, "16", True, 10**9)),
        *((hardnet, {"dropout": share}) for share in (-0.1, 1, float("nan"), None)),
        *((hardest_in_batch, {"level_weights": w}) for w in (3, "111", [1, -1, 1], ["a"], [0, 0])),
        *((hardest_in_batch, {"margin": margin}) for margin in ("1", float("inf"))),
        (charbonnier, {"epsilon": -1}),
        *((Views, {"views_per_level": views}) for views in (0, 6, 1.5)),
    ],
)
def test_options_of_our_own_functions_have_a_kind_and_a_range(function, options):
    (name,) = options
    with pytest.raises(InputError, match=rf"^{name} of {function.__name__} cannot be"):
        check_options(function, options)
