"""What the names in `TrainingSettings` stand for.

Everything that settings choose by name is a function in one of these dictionaries:

    DENOISERS, DESCRIPTORS  (**network_options) -> keras.Model
    LOSSES                  (y_true, y_pred, **loss_options), see `losses`
    BATCHES                 (store, part, batch, seed, ..., **batch_options), see `batches`
    ASSEMBLIES              (settings, network, denoiser_run, **assembly_options), see `model`

The code of what is added from outside (by a notebook, an experiment, a user's script) is part of
the name of the runs that use it, comments and docstrings apart.
"""

import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from helpers.common.errors import InputError
from helpers.common.keys import source_key
from helpers.common.values import check_options
from helpers.networks.denoisers import DENOISERS
from helpers.networks.descriptors import DESCRIPTORS
from helpers.settings import TrainingSettings
from helpers.training.losses import LOSSES

BATCHES: dict[str, Callable] = {}  # filled by `batches`
ASSEMBLIES: dict[str, Callable] = {}  # filled by `model`


def find(kind: str, name: str, known: dict[str, Callable], options: dict[str, Any]) -> Callable:
    """The function of a name, with its options filled in; `kind` is what messages call it.

    Raises:
        InputError: there is none of that name, or it does not take one of the options or its value.
    """
    if name not in known:
        raise InputError(f"There is no {kind} {name!r}: choose one of {', '.join(known)}.")
    check_options(known[name], options)
    return partial(known[name], **options)


def networks(role: str) -> dict[str, Callable]:
    """The networks of a role, "denoiser" or "descriptor", by their names."""
    return DENOISERS if role == "denoiser" else DESCRIPTORS


def outside_sources(settings: TrainingSettings) -> list[str]:
    """Keys of the code that the settings choose and `helpers` does not hold, in a fixed order.

    Raises:
        InputError: the source of one cannot be read.
    """
    chosen = (
        networks(settings.role).get(settings.network),
        LOSSES.get(settings.loss),
        BATCHES.get(settings.batches),
        ASSEMBLIES.get(settings.assembly),
    )
    return sorted({source for one in chosen if one for source in _sources(one)})


def _sources(thing: Callable) -> list[str]:
    """Keys of the file that defines it, or of all its package's folder; nothing of `helpers`.

    Of a function in a notebook it is the function alone, of a `functools.partial` its arguments
    as well.
    """
    if isinstance(thing, partial):
        return [*_sources(thing.func), repr((thing.args, thing.keywords))]
    if f"{thing.__module__}.".startswith("helpers."):
        return []
    module = inspect.getmodule(thing)
    if getattr(module, "__package__", None):
        folder = Path(inspect.getfile(module)).parent
        return [source_key(file.read_text(encoding="utf-8")) for file in folder.glob("*.py")]
    for one in (module, thing):
        with suppress(OSError, TypeError):  # `__main__` of a notebook has no file
            return [source_key(inspect.getsource(one))]
    raise InputError(
        f"The source of {thing} cannot be read, but is part of a run's name: define it in a file "
        "or in a notebook's cell."
    )
