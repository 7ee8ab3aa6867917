"""What the names in `TrainingSettings` stand for.

Everything that settings choose by name is a function in one of these dictionaries. What is added
from outside this package (a notebook, an experiment, a user's script) is found like the rest, and
its source is part of the name of the runs that use it.
"""

import inspect
from collections.abc import Callable
from typing import Any

from helpers.common.errors import InputError
from helpers.networks.denoisers import DENOISERS
from helpers.networks.descriptors import DESCRIPTORS
from helpers.settings import TrainingSettings
from helpers.training.losses import LOSSES

BATCHES: dict[str, Callable] = {}  # see `batches`
ASSEMBLIES: dict[str, Callable] = {}  # see `model`


def require_known(kind: str, name: str, known) -> None:
    """Raises InputError that lists the known names if `name` is not among them."""
    if name not in known:
        raise InputError(f"There is no {kind} {name!r}: choose one of {', '.join(known)}.")


def find(kind: str, name: str, known: dict[str, Callable], options: dict[str, Any]) -> Callable:
    """The function of a name.

    Args:
        kind: what it is, for the message: "loss", for example.
        options: arguments that it is to be called with.

    Raises:
        InputError: there is none of that name, or it does not take one of the options.
    """
    require_known(kind, name, known)
    takes = inspect.signature(known[name]).parameters
    if unknown := set(options) - set(takes):
        raise InputError(
            f"{known[name].__name__} has no option {', '.join(sorted(unknown))}: "
            f"choose from {', '.join(takes)}."
        )
    return known[name]


def networks(role: str) -> dict[str, Callable]:
    """The networks of a role, "denoiser" or "descriptor", by their names."""
    return DENOISERS if role == "denoiser" else DESCRIPTORS


def outside_sources(settings: TrainingSettings) -> list[str]:
    """Source of what the settings choose and this package does not hold, in a fixed order."""
    chosen = (
        networks(settings.role).get(settings.network),
        LOSSES.get(settings.loss),
        BATCHES.get(settings.batches),
        ASSEMBLIES.get(settings.assembly),
    )
    outside = [one for one in chosen if one and not one.__module__.startswith("helpers.")]
    return sorted({_source(one) for one in outside})


def _source(thing: Callable) -> str:
    """Source of the file that defines it; of it alone where that file cannot be read."""
    try:
        return inspect.getsource(inspect.getmodule(thing))
    except (OSError, TypeError):  # a cell of a notebook
        return inspect.getsource(thing)
