"""Search spaces: plain data that says which settings may be changed, and to what.

    {
        "learning_rate": ("log", 1e-3, 1e-2),
        "network_options.width": ("choice", [8, 16, 24]),
        "loss_options.level_weights": ("choice", {"alike": [1, 1, 1], "to tough": [0.5, 1, 1.5]}),
    }

The names are fields of `TrainingSettings`; a dot reaches into a field that is a dict. So a new
setting can be searched as soon as there is one.

Optuna keeps plain values only. Choices among others, such as lists, have names: Optuna sees the
name ("a trial's value"), the settings get what it stands for.
"""

import inspect
import itertools
import json
import math
import reprlib
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

import optuna

from helpers.common.errors import InputError
from helpers.settings import TrainingSettings
from helpers.training.model import check_functions
from helpers.training.registry import LOSSES, networks

Space = dict[str, tuple]

FORM = (
    '["log", "uniform" or "integer", low, high] with low < high (for "log" above 0), ["choice", '
    '[a, b, ...]] of numbers, words, true, false or null, or ["choice", {"name": value, ...}] of '
    "other values"
)
NUMBERS = {"log": (int, float), "uniform": (int, float), "integer": (int,)}
UNSAID = "–"  # for an option that settings leave out, so that its function's default holds
FIXED = ("approach", "role")  # what a search is for
CHOOSING = ("network", "loss", "batches", "assembly")  # whose functions take options
LARGEST = 1e15  # above it a database keeps other numbers
PLAIN = (bool, int, float, str, type(None))  # what a database keeps as it is


def suggest(trial: optuna.Trial, space: Space, base: TrainingSettings) -> TrainingSettings:
    """The base settings, changed to what a trial is to try."""
    values = {}
    for name, (kind, *limits) in space.items():
        if kind == "choice":
            values[name] = trial.suggest_categorical(name, list(limits[0]))
        elif kind == "integer":
            values[name] = trial.suggest_int(name, *limits)
        else:
            values[name] = trial.suggest_float(name, *limits, log=kind == "log")
    return with_values(base, meant(space, values))


def meant(space: Space, values: dict[str, Any]) -> dict[str, Any]:
    """What a trial's values stand for: themselves, unless they are names of choices."""
    return {name: named_choices(*space[name]).get(value, value) for name, value in values.items()}


def named_choices(kind: str, *limits) -> dict[str, Any]:
    """What the names of a choice stand for; empty where choices have no names."""
    return limits[0] if kind == "choice" and isinstance(limits[0], dict) else {}


def with_values(settings: TrainingSettings, values: dict[str, Any]) -> TrainingSettings:
    """Settings with some values changed: {"learning_rate": 1e-3, "network_options.width": 16}."""
    for name, value in values.items():
        field, _, option = name.partition(".")
        if option:
            value = getattr(settings, field) | {option: value}
        settings = replace(settings, **{field: value})
    return settings


def values_inside(space: Space, settings: TrainingSettings) -> dict[str, Any]:
    """The trial's values that certain settings have already, as far as the space allows them."""
    found = {}
    for name, (kind, *limits) in space.items():
        value = value_of(settings, name)
        if kind != "choice":
            inside = type(value) in NUMBERS[kind] and limits[0] <= value <= limits[1]
        elif named := named_choices(kind, *limits):
            words = [word for word, stands_for in named.items() if _same(stands_for, value)]
            inside, value = bool(words), next(iter(words), None)
        else:
            inside = value in limits[0]
        if inside:
            found[name] = value
    return found


def _same(first: Any, second: Any) -> bool:
    return json.loads(json.dumps(first)) == json.loads(json.dumps(second))  # lists for tuples


def value_of(settings: TrainingSettings, name: str) -> Any:
    """The value of a setting by its name in a space; UNSAID for an option that is not given."""
    field, _, option = name.partition(".")
    value = getattr(settings, field)
    return value.get(option, UNSAID) if option else value


def is_at_edge(value: Any, kind: str, *limits) -> bool:
    """Whether a trial's value is the lowest or highest of what was tried, or within a twentieth.

    Choices that are no numbers have no edges, and nothing lies beyond 0.
    """
    choices = limits[0] if kind == "choice" else ()
    if value == 0 or isinstance(choices, dict) or not {*map(type, choices)} <= {int, float}:
        return False
    if choices:
        return value in (min(choices), max(choices))
    low, high = limits
    if kind == "log":
        value, low, high = math.log(value), math.log(low), math.log(high)
    return not 0.05 < (value - low) / (high - low) < 0.95


def short(value: Any) -> str:
    """A value as text for the eye: numbers with three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def check_space(space: Space, base: TrainingSettings) -> None:
    """Raises an InputError unless a space names settings, and values that they can have."""
    if not space or not isinstance(space, dict):
        raise InputError(
            "The search space is empty or no dictionary: name at least one setting, as in "
            '{"learning_rate": ["log", 0.001, 0.01]}.'
        )
    names = [field.name for field in fields(base) if field.name not in FIXED]
    has_options = {name: type(getattr(base, name)) is dict for name in names}
    for name, choice in space.items():
        field, dot, option = name.partition(".")
        if has_options.get(field) is not bool(dot) or bool(option) is not bool(dot):
            known = [f"{name}.OPTION" if inside else name for name, inside in has_options.items()]
            raise InputError(f"There is no setting {name!r} to search: use {', '.join(known)}.")
        if not isinstance(choice, list | tuple) or not _is_choice(*choice):
            raise InputError(f"{name} cannot be {reprlib.repr(choice)}: give it as {FORM}.")
    _check_values(space, base)


def _check_values(space: Space, base: TrainingSettings) -> None:
    """Tries each value, or both ends of a range, with each choice of functions."""
    values = {name: _values(*choice) for name, choice in space.items()}
    choosing = [name for name in space if name in CHOOSING]
    for chosen in itertools.product(*(values[name] for name in choosing)):
        start = dict(zip(choosing, chosen, strict=True))
        for name, value in ((one, value) for one in space for value in values[one]):
            try:
                check_functions(with_values(base, start | {name: value}))
            except InputError as error:
                raise InputError(f"{name} cannot be searched so: {error}") from error


def _values(kind: str, *limits) -> list:
    if kind != "choice":
        return list(limits)
    return list(limits[0].values() if isinstance(limits[0], dict) else limits[0])


def fitting(space: Space, base: TrainingSettings) -> Space:
    """A space without the options that network and loss of certain settings do not take."""
    functions = {
        "network_options": networks(base.role).get(base.network),
        "loss_options": LOSSES.get(base.loss),
    }

    def is_taken(name: str) -> bool:
        field, _, option = name.partition(".")
        function = functions.get(field)
        return function is None or option in inspect.signature(function).parameters

    return {name: choice for name, choice in space.items() if is_taken(name)}


def _is_choice(kind: Any = None, *limits) -> bool:
    with suppress(TypeError, ValueError, RecursionError):  # too few or many values, or no JSON
        if kind in NUMBERS:
            low, high = limits
            numbers = all(type(limit) in NUMBERS[kind] for limit in limits)
            ranged = numbers and -LARGEST <= low < high <= LARGEST
            return ranged and (kind != "log" or low > 0)
        [choices] = limits
        json.dumps(choices, allow_nan=False)
        if kind == "choice" and type(choices) is dict:
            return bool(choices) and {type(name) for name in choices} == {str}
        is_list = kind == "choice" and type(choices) in (list, tuple) and len(choices) > 0
        return is_list and all(type(choice) in PLAIN for choice in choices)
    return False
