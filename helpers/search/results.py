"""What a search has found: its trials as a table, its winner as a file."""

import math
from dataclasses import asdict
from pathlib import Path

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from helpers import files
from helpers.errors import InputError
from helpers.provenance import provenance
from helpers.search.space import with_values
from helpers.search.studies import shown
from helpers.search.workers import counting, number_of, slots_of
from helpers.settings import TrainingSettings


def best_settings(study: optuna.Study) -> TrainingSettings:
    """The settings of the trial of the lowest loss, with all epochs of the base settings.

    Raises:
        InputError: no trial has been trained to its end.
    """
    base = TrainingSettings(**study.user_attrs["description"]["settings"])
    return with_values(base, _best(study).params)


def _best(study: optuna.Study) -> FrozenTrial:
    try:
        return study.best_trial
    except ValueError as error:
        raise InputError(
            f"No trial of the study {study.study_name!r} has been trained to its end: search on, "
            "or among lower learning rates and smaller batches under another name."
        ) from error


def trials_table(study: optuna.Study) -> pd.DataFrame:
    """One row a trial, whatever number of attempts it took, and one column a searched setting.

    Other columns: `trial`, its number; `state`: complete, pruned, running, waiting or fail
    (abandoned); `loss`, NaN unless complete; `attempts`; `minutes`; `run`, the folder's name.
    """
    return pd.DataFrame(_row(*slot) for slot in slots_of(study).items())


def _row(number: int, attempts: list[FrozenTrial]) -> dict:
    last = counting(attempts) or attempts[-1]
    return {
        "trial": number,
        "state": last.state.name.lower(),
        "loss": last.value if last.state == TrialState.COMPLETE else math.nan,
        "attempts": len(attempts),
        "minutes": last.duration.total_seconds() / 60 if last.duration else math.nan,
        "run": last.user_attrs.get("run"),
        **last.params,
    }


def write_winner(path: Path | str, study: optuna.Study, storage: str) -> None:
    """Writes the best settings of a study as JSON, with all it takes to find them again.

    Args:
        storage: where the study lives; a password in it is left out.

    Raises:
        InputError: no trial has been trained to its end, or the file cannot be written.
    """
    best, searched = _best(study), study.user_attrs["description"]
    states = trials_table(study)["state"].value_counts()
    winner = {
        "settings": asdict(best_settings(study)),
        searched["measure"]: best.value,
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
