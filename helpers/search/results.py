"""What a search has found: its trials, the best of them, and the winner's file."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from helpers.common import files
from helpers.common.errors import InputError, reason
from helpers.common.provenance import provenance
from helpers.search.space import (
    Space,
    is_at_edge,
    meant,
    named_choices,
    short,
    value_of,
    values_inside,
    with_values,
)
from helpers.search.studies import shown
from helpers.search.trials import counting, number_of, slots_of
from helpers.settings import TrainingSettings, checked


def best_settings(study: optuna.Study) -> TrainingSettings:
    """The settings of `best_trial`, with all epochs of the base settings."""
    space = study.user_attrs["description"]["space"]
    return with_values(_base_settings(study), meant(space, best_trial(study).params))


def best_trial(study: optuna.Study) -> FrozenTrial:
    """The attempt of the lowest loss; of equals the first, so that nothing changes for nothing.

    Raises:
        InputError: no trial has been trained to its end.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        raise InputError(
            f"No trial of the study {study.study_name!r} has been trained to its end: search on, "
            "or among lower learning rates and smaller batches under another name."
        )
    return min(complete, key=lambda trial: (trial.value, number_of(trial)))


def _base_settings(study: optuna.Study) -> TrainingSettings:
    return TrainingSettings(**study.user_attrs["description"]["settings"])


# --- tables --------------------------------------------------------------------------------------


def trials_table(study: optuna.Study) -> pd.DataFrame:
    """One row a trial, whatever number of attempts it took, and one column a searched setting.

    Other columns: `trial`, its number; `state`: complete, pruned, running, waiting or fail
    (abandoned); `loss`, NaN unless complete; `attempts`; `minutes`; `run`, the folder's name.
    """
    slots, rows = slots_of(study), []
    for number, attempt in counting(study).items():
        complete = attempt.state == TrialState.COMPLETE
        rows.append(
            {
                "trial": number,
                "state": attempt.state.name.lower(),
                "loss": attempt.value if complete else math.nan,
                "attempts": len(slots[number]),
                "minutes": attempt.duration.total_seconds() / 60 if attempt.duration else math.nan,
                "run": attempt.user_attrs.get("run"),
                **attempt.params,
            }
        )
    return pd.DataFrame(rows)


def space_table(space: Space, **settings: TrainingSettings) -> pd.DataFrame:
    """One row a searched setting: what is tried, and what certain settings have, by heading."""
    columns = {"tried": [_tried(*choice) for choice in space.values()]}
    for title, one in settings.items():
        found = values_inside(space, one)  # has the names of choices where they have names
        columns[title] = [short(found.get(name, value_of(one, name))) for name in space]
    return pd.DataFrame(columns, index=pd.Index(list(space), name="setting"))


def _tried(kind: str, *limits) -> str:
    if kind != "choice":
        return f"{limits[0]:g} to {limits[1]:g}" + (", log scale" if kind == "log" else "")
    named = named_choices(kind, *limits)
    return ", ".join(f"{choice} {named[choice]}" if named else str(choice) for choice in limits[0])


# --- the winner ----------------------------------------------------------------------------------


def write_winner(path: Path | str, study: optuna.Study, storage: str) -> None:
    """Writes the best settings of a study as JSON, with all it takes to find them again."""
    best, searched = best_trial(study), study.user_attrs["description"]
    states = trials_table(study)["state"].value_counts()
    winner = {
        "settings": asdict(best_settings(study)),
        searched["measure"]: best.value,
        "base": _loss_of_base(study),
        "changed": best.params,
        "trial": number_of(best),
        "run": best.user_attrs["run"],
        "trials": {state: int(count) for state, count in states.items()},
        "study": study.study_name,
        "storage": shown(storage),
        "searched": searched,
        "provenance": provenance() | {"optuna": optuna.__version__},
    }
    files.write_json(path, winner)


def _loss_of_base(study: optuna.Study) -> float | None:
    """The loss of trial 0 if the space allowed it the base settings and it came to its end."""
    first = counting(study)[0]
    inside = values_inside(study.user_attrs["description"]["space"], _base_settings(study))
    return first.value if first.state == TrialState.COMPLETE and first.params == inside else None


def winner_file(path: Path | str) -> dict[str, Any]:
    """All that `write_winner` wrote.

    Raises:
        InputError: the file is missing, damaged or from another version of the settings.
    """
    cure = (
        "search again with the same options, which trains nothing twice and writes it anew, or "
        "name a file that --winner has written"
    )
    winner = files.read_json(path, cure=cure)
    try:  # all that is looked at
        checked(winner["settings"], str(path))
        verdict(winner)
        space_table(winner["searched"]["space"])
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise InputError(
            f"{path} holds no winner of a search ({reason(error)}): {cure}."
        ) from error
    return winner


def read_winner(path: Path | str) -> TrainingSettings:
    """The settings that `write_winner` wrote; raises as `winner_file`."""
    return TrainingSettings(**winner_file(path)["settings"])


def summary(winner: dict) -> dict:
    """What a winner's file says: "trials", the losses "best" and "base", and "edges".

    "base" is None where trial 0 did not have the base settings or was given up. "edges" names the
    settings that a wider space might improve on.
    """
    searched, count = winner["searched"], sum(winner["trials"].values())
    changed = winner["changed"].items()
    edges = [name for name, value in changed if is_at_edge(value, *searched["space"][name])]
    best = winner[searched["measure"]]
    return {"trials": count, "best": best, "base": winner["base"], "edges": edges}


def verdict(winner: dict) -> str:
    """A sentence or two, from a winner's file, on whether the search was worth it."""
    trials, best, base, edges = summary(winner).values()
    words = f"{winner['searched']['measure'].replace('_', ' ')} {best:.4f}"
    wider = f" A wider space may hold better ones: {', '.join(edges)}." if edges else ""
    if best == base:
        words = f"none of {trials} trials was better than the settings it began with ({words})."
        return words + wider
    changed = ", ".join(f"{name} {short(value)}" for name, value in winner["changed"].items())
    before = "unknown for those" if base is None else f"{base:.4f} with those"
    words = f"trial {winner['trial']} of {trials} won: {words}, {before} it began with; {changed}."
    return words + wider
