"""Search spaces: plain data that says which settings may be changed, and to what.

    {
        "learning_rate": ("log", 1e-3, 1e-2),
        "network_options.width": ("choice", [8, 16, 24]),
    }

The names are fields of `TrainingSettings`; a dot reaches into a field that is a dict. So a new
setting can be searched as soon as there is one.
"""

from dataclasses import fields, replace
from typing import Any

import optuna

from helpers.errors import InputError
from helpers.settings import TrainingSettings

Space = dict[str, tuple]

FORMS = {
    "log": '("log", low, high) with 0 < low < high',
    "uniform": '("uniform", low, high) with low < high',
    "integer": '("integer", low, high) with whole numbers low < high',
    "choice": '("choice", [a, b, ...]) of numbers, words, true, false or null',
}
PLAIN = (bool, int, float, str, type(None))  # what a database keeps as it is


def suggest(trial: optuna.Trial, space: Space, base: TrainingSettings) -> TrainingSettings:
    """The base settings, changed to what a trial is to try."""
    values = {name: _suggest(trial, name, *choice) for name, choice in space.items()}
    return with_values(base, values)


def _suggest(trial: optuna.Trial, name: str, kind: str, *limits) -> Any:
    if kind == "choice":
        return trial.suggest_categorical(name, *limits)
    if kind == "integer":
        return trial.suggest_int(name, *limits)
    return trial.suggest_float(name, *limits, log=kind == "log")


def with_values(settings: TrainingSettings, values: dict[str, Any]) -> TrainingSettings:
    """Settings with some values changed: {"learning_rate": 1e-3, "network_options.width": 16}."""
    for name, value in values.items():
        field, _, option = name.partition(".")
        if option:
            value = getattr(settings, field) | {option: value}
        settings = replace(settings, **{field: value})
    return settings


def values_inside(space: Space, settings: TrainingSettings) -> dict[str, Any]:
    """The values that certain settings have already, as far as the space allows them."""
    found = {}
    for name, (kind, *limits) in space.items():
        field, _, option = name.partition(".")
        value = getattr(settings, field)
        if option and option not in value:
            continue
        value = value[option] if option else value
        if _is_inside(value, kind, limits):
            found[name] = value
    return found


def _is_inside(value: Any, kind: str, limits: list) -> bool:
    if kind == "choice":
        return value in limits[0]
    return type(value) in _numbers(kind) and limits[0] <= value <= limits[1]


def check_space(space: Space, base: TrainingSettings) -> None:
    """Checks that a space can be searched.

    Raises:
        InputError: it is empty, names no setting, or gives a range or choice that is none.
    """
    if not space:
        raise InputError("The search space is empty: name at least one setting.")
    has_options = {field.name: type(getattr(base, field.name)) is dict for field in fields(base)}
    for name, choice in space.items():
        field, dot, option = name.partition(".")
        if has_options.get(field) is not bool(dot) or bool(option) is not bool(dot):
            known = [f"{name}.OPTION" if inside else name for name, inside in has_options.items()]
            raise InputError(f"There is no setting {name!r} to search: use {', '.join(known)}.")
        if not choice or choice[0] not in FORMS or not _is_choice(*choice):
            form = FORMS.get(choice[0] if choice else None) or " or ".join(FORMS.values())
            raise InputError(f"{name} cannot be {choice!r}: give it as {form}.")


def _is_choice(kind: str, *limits) -> bool:
    if kind == "choice":
        is_list = len(limits) == 1 and type(limits[0]) in (list, tuple)
        return is_list and len(limits[0]) > 0 and all(type(x) in PLAIN for x in limits[0])
    if len(limits) != 2 or not all(type(limit) in _numbers(kind) for limit in limits):
        return False
    return limits[0] < limits[1] and (kind != "log" or limits[0] > 0)


def _numbers(kind: str) -> tuple[type, ...]:
    return (int,) if kind == "integer" else (int, float)
