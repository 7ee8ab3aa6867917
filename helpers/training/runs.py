"""Run folders: where the run of certain settings on certain data lives, and what is in it."""

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal, NotRequired

import keras
from pydantic import ConfigDict
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from helpers.common import files, paths
from helpers.common.errors import InputError, reason
from helpers.common.keys import code_key, deciding, key
from helpers.dataset.store import PatchStore
from helpers.networks.pipeline import join
from helpers.settings import TrainingSettings
from helpers.training.checkpoints import UNREADABLE
from helpers.training.registry import outside_sources

PRETRAINED = Path(__file__).parent / "pretrained"  # run folders: denoiser/ and descriptor/
UNFINISHED = ".unfinished"
MODEL, CHECKSUMS = "model.keras", "checksums.json"
CHECKED = ("settings.json", "steps.csv", "history.csv", "outcome.json", MODEL)
# Code whose change makes a trained network a different one.
TRAINING_CODE = (
    *("networks", "training", "dataset/noise.py"),
    *("dataset/layout.py", "benchmark/layout.py"),
)


class Described(TypedDict):
    """What `settings.json` holds, and more."""

    __pydantic_config__ = ConfigDict(extra="allow")
    settings: dict[str, Any]
    denoiser: NotRequired[str | None]
    continued_on: NotRequired[list[dict[str, Any]]]  # what changed after an interruption


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


def unfinished_folder(run: Path) -> Path:
    """Where this process trains a run."""
    return run.with_name(f"{run.name}.{files.owner()}{UNFINISHED}")


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
    redraw_nothing = settings.redraw and store.clean65 is None
    return replace(settings, redraw=False) if redraw_nothing else settings


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
    require_same(folder, describe_run(settings, store, denoiser_run))
    verify(folder)
    return folder


def require_same(folder: Path, described: dict) -> dict:
    """What the `settings.json` of a run says, if it is a run of these settings and data.

    Its name leaves out what is at its default, and a default may have changed since.

    Raises:
        InputError: it is damaged, or one of others.
    """
    found = files.read_json(folder / "settings.json", Described, _deletion(folder))
    told = json.loads(json.dumps(described))  # as it is read: lists for tuples
    # Fields that are newer than the run were at their default.
    told["settings"] = {name: told["settings"].get(name) for name in found["settings"]}
    if any(found.get(name) != value for name, value in told.items()):
        raise InputError(f"{folder} holds a training of other settings: {_deletion(folder)}.")
    return found


def seal(run: Path) -> None:
    """Writes the check sums of all files of a finished run."""
    sums = {name: _digest(run / name) for name in CHECKED if (run / name).is_file()}
    files.write_json(run / CHECKSUMS, sums)


def verify(run: Path, cure: str = "") -> None:
    """Compares the files of a run with their check sums; runs that older code left have none.

    Raises:
        InputError: one is missing or damaged, and so no result of this run.
    """
    if not (run / CHECKSUMS).exists():
        return
    cure = cure or _deletion(run)
    sums = files.read_json(run / CHECKSUMS, dict[Literal[CHECKED], str], cure)
    for name, sum_then in sums.items():
        if sum_then != _digest(run / name):
            raise InputError(f"{run / name} is missing or has changed since training: {cure}.")


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _deletion(run: Path) -> str:
    return f"delete the folder {run} and start again"


def named(run: Path | str) -> Path:
    """A run folder by its path, or "pretrained"; raises InputError if there is none."""
    if str(run) == "pretrained":
        return pretrained()
    if not Path(run).is_dir():
        raise InputError(f"{run} is missing: name the run folder of a descriptor, or pretrained.")
    verify(Path(run))
    return Path(run).resolve()  # the denoiser's folder lies beside it, also beside "."


def pretrained(role: str = "descriptor") -> Path:
    """A copy, among the runs, of a network that comes with the code: scores are written into it.

    The descriptor's brings the denoiser in front of it along. Raises InputError if the checkout
    lacks one.
    """
    if role == "descriptor":
        pretrained("denoiser")
    source, restore = PRETRAINED / role, "restore it from the repository"
    folder = paths.RUNS / pretrained_name(role)
    if not folder.is_dir():
        verify(source, restore)
        with files.atomic_path(folder) as temporary:
            shutil.copytree(source, temporary)
        files.remove_leftovers(paths.RUNS)
    verify(folder)
    return folder


def pretrained_name(role: str) -> str:
    """The name of a pretrained network's run folder, which ends in a hash of its weights."""
    model = PRETRAINED / role / MODEL
    if not model.is_file():
        raise InputError(f"{model} is missing: restore it from the repository.")
    return f"pretrained-{role}-{hashlib.sha256(model.read_bytes()).hexdigest()[:10]}"


def learned_scenes(run: Path, names: Iterable[str]) -> list[str]:
    """Which of these scenes have taught a run, if it is of the pretrained networks."""
    if not run.name.startswith("pretrained-"):
        return []
    kind, cure = dict[str, dict[str, Any]], "restore it from the repository"
    taught = files.read_json(PRETRAINED / "data.json", kind, cure)["trained_on"]["scenes"]
    return sorted(set(names) & {*taught["train"], *taught["validation"]})


def upstream_run(settings: TrainingSettings, denoiser_run: Path) -> Path | None:
    """The denoiser's run that a descriptor of these settings is trained behind, if any."""
    return None if settings.joining == "direct" else denoiser_run


def denoiser_of(descriptor_run: Path) -> Path | None:
    """The run folder of the denoiser that stays in front of a descriptor.

    None where the descriptor's own file holds all of the pipeline: if it is direct, or was trained
    end to end.

    Raises:
        InputError: `descriptor_run` is not the folder of a descriptor, or the denoiser is gone.
    """
    verify(descriptor_run)
    path = descriptor_run / "settings.json"
    described = files.read_json(path, Described, _deletion(descriptor_run))
    settings = described["settings"]
    if settings.get("role", settings.get("part")) != "descriptor":  # runs of older code say part
        raise InputError(f"{descriptor_run} is no descriptor's run: name one of a descriptor.")
    if not described.get("denoiser") or settings.get("joining") == "end_to_end":
        return None
    denoiser_run = descriptor_run.parent / described["denoiser"]
    if not denoiser_run.is_dir():
        raise InputError(f"{denoiser_run} is missing: {descriptor_run.name} needs this denoiser.")
    return denoiser_run


def load_network(run: Path) -> keras.Model:
    """The trained network of a run folder, in safe mode; InputError if missing or damaged."""
    path = run / MODEL
    if run.suffix == UNFINISHED:
        raise InputError(f"{run} is a training that has not ended: start it again to go on.")
    verify(run)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except UNREADABLE as error:
        raise InputError(
            f"{path} is missing or damaged, or needs code that is not imported ({reason(error)}): "
            f"import what defines its layers, or else {_deletion(run)}."
        ) from error


def load_pipeline(descriptor_run: Path) -> keras.Model:
    """The trained pipeline of a descriptor's run folder: (B, 32, 32, 1) noisy -> (B, D)."""
    denoiser_run = denoiser_of(descriptor_run)
    return join(denoiser_run and load_network(denoiser_run), load_network(descriptor_run))
