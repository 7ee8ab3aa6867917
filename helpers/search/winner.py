"""The winner of a search as a file that later steps take their settings from."""

from dataclasses import asdict
from pathlib import Path

import optuna
from optuna.trial import TrialState

from helpers.common import files
from helpers.common.errors import InputError
from helpers.common.provenance import provenance
from helpers.search.results import base_settings, best_settings, best_trial, trials_table
from helpers.search.space import short, values_inside
from helpers.search.studies import shown
from helpers.search.workers import counting, number_of, slots_of
from helpers.settings import TrainingSettings


def write_winner(path: Path | str, study: optuna.Study, storage: str) -> None:
    """Writes the best settings of a study as JSON, with all it takes to find them again.

    Args:
        storage: where the study lives; a password in it is left out.

    Raises:
        InputError: no trial has been trained to its end, or the file cannot be written.
    """
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
    first = counting(slots_of(study, 1).get(0, []))
    inside = values_inside(study.user_attrs["description"]["space"], base_settings(study))
    complete = first is not None and first.state == TrialState.COMPLETE
    return first.value if complete and first.params == inside else None


def summary(winner: dict) -> dict:
    """The numbers of a search: its trials, the best loss, and the loss of the base settings.

    Args:
        winner: what `write_winner` wrote.

    Returns:
        "trials", "best" and "base"; the last is None where trial 0 did not have these settings or
        was given up.
    """
    best = winner[winner["searched"]["measure"]]
    return {"trials": sum(winner["trials"].values()), "best": best, "base": winner["base"]}


def verdict(winner: dict) -> str:
    """One sentence on whether a search was worth it.

    Args:
        winner: what `write_winner` wrote.
    """
    trials, best, base = summary(winner).values()
    words = f"{winner['searched']['measure'].replace('_', ' ')} {best:.4f}"
    if best == base:
        return f"none of {trials} trials was better than the settings it began with ({words})."
    changed = ", ".join(f"{name} {short(value)}" for name, value in winner["changed"].items())
    before = "unknown for those" if base is None else f"{base:.4f} with those"
    return f"trial {winner['trial']} of {trials} won: {words}, {before} it began with; {changed}."


def read_winner(path: Path | str) -> TrainingSettings:
    """The settings that `write_winner` wrote.

    Raises:
        InputError: the file is missing, damaged or from another version of the settings.
    """
    try:
        return TrainingSettings(**files.read_json(path)["settings"])
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} holds no settings that are known here ({error}): search again."
        ) from error
