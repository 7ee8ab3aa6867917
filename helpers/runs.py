"""Run folders: where the run of certain settings on certain data lives, and what is in it."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import keras

from helpers import files, paths
from helpers.checkpoints import UNREADABLE
from helpers.dataset.store import PatchStore
from helpers.errors import InputError
from helpers.provenance import code_fingerprint
from helpers.settings import TrainingSettings


def run_folder(
    settings: TrainingSettings, store: PatchStore, denoiser_run: Path | None = None
) -> Path:
    """Where the run of these settings on these data lives, trained or not."""
    decisive = describe_run(settings, store, denoiser_run) | {
        "code": code_fingerprint(),
        "backend": keras.backend.backend(),
    }
    key = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
    return paths.RUNS / f"{settings.name}-{key[:10]}"


def describe_run(
    settings: TrainingSettings, store: PatchStore, denoiser_run: Path | None = None
) -> dict:
    """Settings and data of a run as JSON-able values."""
    # Without clean 65 px patches (genuine N-HPatches) there is only the noise that was stored.
    redraw = settings.redraw and store.clean65 is not None
    return {
        "settings": asdict(settings) | {"redraw": redraw},
        "dataset": {"name": store.name, "fingerprint": store.fingerprint},
        "denoiser": denoiser_run.name if denoiser_run else None,
    }


def find_run(
    settings: TrainingSettings, store: PatchStore, denoiser_run: Path | None = None
) -> Path:
    """The folder of a finished run.

    Raises:
        InputError: it has not been trained yet.
    """
    folder = run_folder(settings, store, denoiser_run)
    if not folder.is_dir():
        raise InputError(
            f"{folder} is missing: train the {settings.name} with these settings first "
            "(the notebook before this one, or `python -m helpers train`)."
        )
    return folder


def denoiser_of(descriptor_run: Path) -> Path:
    """The run folder of the denoiser that a descriptor was trained behind.

    Raises:
        InputError: `descriptor_run` is not the folder of a descriptor, or the denoiser is gone.
    """
    name = files.read_json(descriptor_run / "settings.json").get("denoiser")
    if not name:
        raise InputError(f"{descriptor_run} is no descriptor's run: name one of a descriptor.")
    denoiser_run = descriptor_run.parent / name
    if not denoiser_run.is_dir():
        raise InputError(f"{denoiser_run} is missing: {descriptor_run.name} needs this denoiser.")
    return denoiser_run


def load_network(run: Path) -> keras.Model:
    """The trained network of a run folder, loaded in safe mode.

    Raises:
        InputError: the file is missing or damaged.
    """
    path = run / "model.keras"
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except UNREADABLE as error:
        raise InputError(
            f"{path} is missing or damaged: delete the folder {run} and train again."
        ) from error
