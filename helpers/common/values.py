"""One check of kind and range for the values that users write: settings, profiles, options."""

import inspect
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from reprlib import repr as shortened
from typing import Annotated, Any, get_type_hints

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from helpers.common.errors import InputError


def _plain(options: dict) -> dict:
    try:
        json.dumps(options, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"it should hold what JSON can write ({error})") from error
    return options


def _not_zero(weights: Sequence[float]) -> Sequence[float]:
    if not sum(weights):
        raise ValueError("it should have a weight above zero")
    return weights


Count = Annotated[int, Field(ge=1, le=10**9)]
Some = Annotated[int, Field(ge=0, le=10**9)]  # or none
Seed = Annotated[int, Field(ge=0, lt=2**32)]
# It names a folder.
Word = Annotated[str, Field(max_length=60, pattern="^[-_]*[a-zA-Z0-9][a-zA-Z0-9_-]*$")]
Margin = Annotated[float, Field(ge=0, le=1000)]
PerLevel = Annotated[int, Field(ge=1, le=5)]  # views of a level
Weights = Annotated[Sequence[Annotated[float, Field(ge=0, le=10**6)]], AfterValidator(_not_zero)]
Options = Annotated[dict[str, Any], AfterValidator(_plain)]  # arguments of a function


class Checked:
    """A dataclass whose fields are checked against their type hints whenever one is made.

    Raises:
        InputError: a value is of another kind, or out of its range.
    """

    def __post_init__(self):
        for name, hint in _hints(type(self)).items():
            check(name, getattr(self, name), hint)


def check(name: str, value: Any, hint: Any) -> None:
    """Checks a value against a type hint; nothing is converted: "3" and True are no numbers.

    Raises:
        InputError: it does not fit; the sentence gives name, value and range.
    """
    try:
        _adapter(hint).validate_python(value, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        inside = "" if first["input"] is value else f" ({shortened(first['input'])} in it)"
        wanted = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
        raise InputError(f"{name} cannot be {shortened(value)}{inside}: {wanted}.") from error


def check_options(function: Callable, options: dict[str, Any]) -> None:
    """Checks arguments of a function by its signature and type hints, as far as it has hints.

    Raises:
        InputError: it does not take one of the options, or not such a value.
    """
    name, takes = getattr(function, "__name__", "It"), inspect.signature(function).parameters
    if unknown := set(options) - set(takes):
        raise InputError(
            f"{name} has no option {', '.join(sorted(unknown))}: choose from {', '.join(takes)}."
        )
    for option, hint in _hints(function).items():
        if option in options:
            check(f"{option} of {name}", options[option], hint)


@lru_cache
def _hints(thing: Callable) -> dict[str, Any]:
    try:
        return get_type_hints(thing, include_extras=True)
    except (NameError, TypeError):  # of somebody's function: names that are not there, or no hints
        return {}


@lru_cache
def _adapter(hint: Any) -> TypeAdapter:
    try:
        return TypeAdapter(hint)
    except PydanticUserError:  # a hint that says nothing of plain values
        return TypeAdapter(Any)
