"""Run folders: where the run of certain settings on certain data lives, and what is in it."""

import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

import keras

from helpers.common import files, paths
from helpers.common.errors import InputError
from helpers.common.keys import code_key, deciding, key
from helpers.dataset.store import PatchStore
from helpers.networks.pipeline import join
from helpers.settings import TrainingSettings
from helpers.training.checkpoints import UNREADABLE
from helpers.training.registry import outside_sources

PRETRAINED = Path(__file__).parent / "pretrained"  # run folders: denoiser/ and descriptor/
# Code whose change makes a trained network a different one.
TRAINING_CODE = (
    *("networks", "training", "dataset/noise.py"),
    *("dataset/layout.py", "benchmark/layout.py"),
)


def run_folder(
    settings: TrainingSettings, store: PatchStore, denoiser_run: Path | None = None
) -> Path:
    """Where the run of these settings on these data lives, trained or not."""
    decisive = describe_run(settings, store, denoiser_run) | {
        "settings": deciding(_used(settings, store)),
        "scenes": [[*store.lengths(part).items()] for part in ("train", "validation")],
        "code": code_key(*TRAINING_CODE),
        "outside": outside_sources(settings),
        "backend": keras.backend.backend(),
    }
    return paths.RUNS / f"{settings.name}-{key(decisive, 10)}"


def unfinished_folder(folder: Path) -> Path:
    """Where a run is while it is being trained."""
    return folder.with_name(f"{folder.name}.unfinished")


def describe_run(
    settings: TrainingSettings, store: PatchStore, denoiser_run: Path | None = None
) -> dict:
    """Settings and data of a run as JSON-able values."""
    return {
        "settings": asdict(_used(settings, store)),
        "dataset": {"name": store.name, "fingerprint": store.fingerprint},
        "denoiser": denoiser_run.name if denoiser_run else None,
    }


def _used(settings: TrainingSettings, store: PatchStore) -> TrainingSettings:
    # Without clean 65 px patches (genuine N-HPatches) there is only the noise that was stored.
    return replace(settings, redraw=settings.redraw and store.clean65 is not None)


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


def named(run: Path | str) -> Path:
    """A run folder by its path; "pretrained" stands for the descriptor that comes with the code.

    Raises:
        InputError: there is no such folder.
    """
    if str(run) == "pretrained":
        return pretrained()
    if not Path(run).is_dir():
        raise InputError(f"{run} is missing: name the run folder of a descriptor, or pretrained.")
    return Path(run).resolve()  # the denoiser's folder lies beside it, also beside "."


def pretrained(role: str = "descriptor") -> Path:
    """A copy, among the runs, of a finished network that comes with the code.

    A copy, because scores are written into a run's folder; the descriptor's brings the one of the
    denoiser in front of it along.

    Raises:
        InputError: the checkout lacks it.
    """
    if role == "descriptor":
        pretrained("denoiser")
    folder = paths.RUNS / pretrained_name(role)
    with files.locked(folder.with_name(f".{folder.name}.lock")):
        if not folder.is_dir():
            unfinished = unfinished_folder(folder)
            shutil.rmtree(unfinished, ignore_errors=True)  # of a copy that was killed
            shutil.copytree(PRETRAINED / role, unfinished)
            os.replace(unfinished, folder)
    return folder


def pretrained_name(role: str) -> str:
    """The name of a pretrained network's run folder, which ends in a hash of its weights."""
    model = PRETRAINED / role / "model.keras"
    if not model.is_file():
        raise InputError(f"{model} is missing: restore it from the repository.")
    return f"pretrained-{role}-{hashlib.sha256(model.read_bytes()).hexdigest()[:10]}"


def learned_scenes(run: Path, names: Iterable[str]) -> list[str]:
    """Which of these scenes have taught the pretrained networks, if the run is one of theirs.

    Descriptors of such a scene are better than those of scenes that the networks have not seen.
    """
    if not run.name.startswith("pretrained-"):
        return []
    taught = files.read_json(PRETRAINED / "data.json")["trained_on"]["scenes"]
    return sorted(set(names) & {*taught["train"], *taught["validation"]})


def upstream_run(settings: TrainingSettings, denoiser_run: Path) -> Path | None:
    """The denoiser's run that a descriptor of these settings is trained behind, if any."""
    return None if settings.joining == "direct" else denoiser_run


def denoiser_of(descriptor_run: Path) -> Path | None:
    """The run folder of the denoiser that stays in front of a descriptor.

    None where the descriptor's own file holds all of the pipeline: where it looks at noisy patches
    itself, or was trained end to end.

    Raises:
        InputError: `descriptor_run` is not the folder of a descriptor, or the denoiser is gone.
    """
    described = files.read_json(descriptor_run / "settings.json")
    settings = described.get("settings", {}) if isinstance(described, dict) else {}
    if settings.get("role", settings.get("part")) != "descriptor":  # runs of older code say part
        raise InputError(f"{descriptor_run} is no descriptor's run: name one of a descriptor.")
    if not described["denoiser"] or settings["joining"] == "end_to_end":
        return None
    denoiser_run = descriptor_run.parent / described["denoiser"]
    if not denoiser_run.is_dir():
        raise InputError(f"{denoiser_run} is missing: {descriptor_run.name} needs this denoiser.")
    return denoiser_run


def load_network(run: Path) -> keras.Model:
    """The trained network of a run folder, loaded in safe mode.

    Raises:
        InputError: the file is missing or damaged.
    """
    path = run / "model.keras"
    if run.suffix == ".unfinished":
        raise InputError(f"{run} is a training that has not ended: start it again to go on.")
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except UNREADABLE as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise InputError(
            f"{path} is missing or damaged, or needs code that is not imported ({first}): "
            f"import what defines its layers, or else delete the folder {run} and train again."
        ) from error


def load_pipeline(descriptor_run: Path) -> keras.Model:
    """The trained pipeline of a descriptor's run folder: (B, 32, 32, 1) noisy -> (B, D).

    Raises:
        InputError: the folder is no descriptor's, or the denoiser in front of it is gone.
    """
    denoiser_run = denoiser_of(descriptor_run)
    return join(denoiser_run and load_network(denoiser_run), load_network(descriptor_run))
