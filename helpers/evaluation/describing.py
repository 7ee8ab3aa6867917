"""Descriptors as files: each scene is written as it ends, and their folder says whose they are."""

import hashlib
from pathlib import Path

from helpers import benchmark
from helpers.benchmark.files import (
    names_by_form,
    read_descriptors,
    sequence_names,
    write_descriptors,
)
from helpers.benchmark.workers import Resources
from helpers.common import files
from helpers.common.errors import InputError
from helpers.common.keys import key
from helpers.dataset.store import PatchStore
from helpers.evaluation import scoring
from helpers.training import runs

RECORD = "described.json"  # beside the descriptors: what made them


def describe_into(
    folder: Path, kind: str, run: Path, store: PatchStore, points: int | None = None
) -> None:
    """Writes the descriptors of a store's noisy test patches; goes on where it was interrupted.

    Args:
        kind: "npy" or "csv", see `write_descriptors`.
        run: folder of a descriptor's run.
        points: the limit that the store was opened with, which tells its patches from others.

    Raises:
        InputError: the folder holds descriptors of other networks, patches or another kind.
    """
    pipeline = runs.load_pipeline(run)
    record = {
        "run": run.name,
        "weights": _weights(run),
        "store": store.folder.name,  # ends in a hash of its source and recipe
        "points": points,
        "format": kind,
    }
    done = names_by_form(folder)
    known = _read_record(folder)
    if any(done.values()) and known != record:
        raise InputError(
            f"{folder} holds descriptors of something else ({known.get('run', 'unknown')}; other "
            "networks, patches or another format): choose another --output, or delete that folder."
        )
    files.write_json(folder / RECORD, record)
    scenes = [scene for scene in store.parts["test"] if scene not in done[kind]]
    if there := len(store.parts["test"]) - len(scenes):
        print(f"{there} of {len(store.parts['test'])} scenes are described already.")
    for scene, vectors in scoring.describe(pipeline, store, scenes):
        write_descriptors({scene: vectors}, folder, kind)


def _read_record(folder: Path) -> dict:
    path = folder / RECORD
    return files.read_json(path, cure=f"delete {folder}") if path.is_file() else {}


def _weights(run: Path) -> str:
    networks = [folder / "model.keras" for folder in (run, runs.denoiser_of(run)) if folder]
    return key([hashlib.sha256(path.read_bytes()).hexdigest() for path in networks])


def score_folder(
    folder: Path, store: PatchStore, tasks: benchmark.Tasks
) -> tuple[benchmark.Scores, list[str]]:
    """Scores the descriptors of a folder, and says what the scores must not be taken for.

    Raises:
        InputError: they are of other points than the store has.
    """
    lengths = store.lengths("test")
    descriptors = read_descriptors(folder, list(lengths), Resources(progress=True))
    for name, points in lengths.items():
        if (found := descriptors[name].shape[1]) != points:
            raise InputError(
                f"{folder} has {found} points of {name}, the dataset {points}: describe this "
                "dataset, or give the --points, --profile and --dataset that it was described with."
            )
    if rest := len(sequence_names(folder)) - len(lengths):
        print(f"left out: {rest} other sequences in {folder}; --part all scores all scenes.")
    scores = scoring.evaluate(descriptors, tasks)
    run = Path(_read_record(folder).get("run", "unknown"))
    return scores, scores.warnings + scoring.warnings_of(run, lengths)
