"""What a search has found: its trials as a table, the best of them, and what mattered."""

import math

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from helpers.common.errors import InputError
from helpers.search.space import (
    Space,
    meant,
    named_choices,
    short,
    value_of,
    values_inside,
    with_values,
)
from helpers.search.workers import counting, number_of, slots_of
from helpers.settings import TrainingSettings

FEWEST = 4  # complete trials from which importances are worth a look


def best_settings(study: optuna.Study) -> TrainingSettings:
    """The settings of the trial of the lowest loss, with all epochs of the base settings.

    Raises:
        InputError: no trial has been trained to its end.
    """
    searched = study.user_attrs["description"]
    return with_values(base_settings(study), meant(searched["space"], best_trial(study).params))


def base_settings(study: optuna.Study) -> TrainingSettings:
    """The settings that a search began with."""
    return TrainingSettings(**study.user_attrs["description"]["settings"])


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


def space_table(space: Space, **settings: TrainingSettings) -> pd.DataFrame:
    """One row a searched setting: what is tried, and what certain settings have.

    Args:
        settings: heading of a column -> settings.
    """
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


def importances(study: optuna.Study, seed: int = 0) -> dict[str, float]:
    """How much of the variance of the loss each setting explains by itself; their sum is 1.

    Returns:
        Setting -> share in [0, 1], highest first; the same at each call. Empty with fewer than
        FEWEST complete trials, or if their losses are all alike.

    Reference: Hutter et al., An efficient approach for assessing hyperparameter importance, ICML
    2014 (fANOVA).
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < FEWEST or len({trial.value for trial in complete}) == 1:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}
