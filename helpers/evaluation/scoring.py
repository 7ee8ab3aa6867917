"""From a finished run and a dataset to its scores: describe the test scenes, score them.

They are kept in the run's folder, a `scores-<key>.json` for each dataset and task set.
"""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import keras
import numpy as np
from tqdm.auto import tqdm

from helpers import benchmark
from helpers.benchmark.splits import OFFICIAL
from helpers.benchmark.workers import Resources
from helpers.common import files
from helpers.common.errors import InputError
from helpers.common.keys import code_key, key
from helpers.common.provenance import provenance
from helpers.dataset.store import PatchStore
from helpers.networks.pipeline import predict_patches
from helpers.settings import Profile
from helpers.training import runs

SCORING_CODE = ("benchmark", "networks/pipeline.py", "evaluation/scoring.py")


def find_runs(
    profile: Profile, approach: str, store: PatchStore, pretrained: bool = False
) -> tuple[Path, Path]:
    """The finished runs of an approach, denoiser and descriptor; an InputError if there are none.

    Args:
        pretrained: take the networks that come with the code for the improved ones.
    """
    if pretrained and approach == "improved":
        return runs.pretrained("denoiser"), runs.pretrained()
    denoiser, descriptor = profile.trainings(approach)
    denoiser_run = runs.find_run(denoiser, store)
    upstream = runs.upstream_run(descriptor, denoiser_run)
    return denoiser_run, runs.find_run(descriptor, store, upstream)


def make_tasks(store: PatchStore, pairs: int, part: str = "test") -> benchmark.Tasks:
    """Benchmark tasks for the scenes of one part, drawn by the official recipe."""
    contrast = {  # of each `ref` patch, standard deviation of its grey levels
        scene: store.clean[store.scenes[scene], 0].std(axis=(1, 2), dtype=np.float64)
        for scene in store.parts[part]
    }
    lengths = store.lengths(part)
    whole = store.split in OFFICIAL and {*benchmark.load_split(store.split).test} == {*lengths}
    split = store.split if whole else part  # the official order draws the published lists
    return benchmark.generate_tasks(lengths, contrast, pairs=pairs, split=split)


def read_tasks(folder: Path, store: PatchStore) -> benchmark.Tasks:
    """Lists of a folder for the test scenes of a store: those of its split, or what there is.

    Raises:
        InputError: there are none, or they are for other scenes.
    """
    there = sorted(file.stem.partition("split-")[2] for file in folder.glob("verif_pos_split-*"))
    if not there:
        raise InputError(
            f"{folder} holds no task lists: name the folder of the published ones, or one that "
            "--write-tasks has filled."
        )
    names = [name for name in (store.split, "test") if name in there]
    tasks = benchmark.read_tasks(folder, (names or there)[0])
    if odd := sorted({*tasks.sequences} ^ {*store.parts["test"]}):
        raise InputError(
            f"The lists in {folder} and the scenes that are scored differ in {odd[0]}: use lists "
            "that were made for these scenes, or choose the scenes by --split, --scenes or --part."
        )
    return tasks


def evaluate(descriptors: dict[str, np.ndarray], tasks: benchmark.Tasks) -> benchmark.Scores:
    """`benchmark.evaluate` with progress bars; its warnings are in the scores only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return benchmark.evaluate(descriptors, tasks, resources=Resources(progress=True))


def warnings_of(run: Path, scenes: Iterable[str]) -> list[str]:
    """A sentence where some of these scenes have taught the run, which are the pretrained ones."""
    seen = ", ".join(runs.learned_scenes(run, scenes))
    return [
        f"The pretrained networks have learned from {seen}: scores of these scenes are too good, "
        "so leave them out (--part test, or --scenes with others)."
    ] * bool(seen)


def score_run(descriptor_run: Path, store: PatchStore, pairs: int, clean: bool = False) -> dict:
    """Scores of a trained pipeline on the noisy patches of the test scenes; prints their warnings.

    They are written to the descriptor's run folder, and read from there when nothing that decides
    them has changed.

    Args:
        pairs: verification pairs of each kind (the official benchmark has a million).
        clean: score the clean twins instead, which no approach is given in use.

    Returns:
        The scores as `benchmark` gives them, with "provenance", and "decided_by".
    """

    def score() -> dict:
        count, kind = 16 * len(store.rows("test")), "clean" if clean else "noisy"
        print(
            f"{descriptor_run.name}: describing {count:,} {kind} test patches, scoring ...",
            flush=True,
        )
        pipeline = runs.load_pipeline(descriptor_run)
        descriptors = dict(describe(pipeline, store, store.parts["test"], clean))
        scores = evaluate(descriptors, make_tasks(store, pairs)).to_json()
        return scores | {"warnings": scores["warnings"] + warnings_of(descriptor_run, descriptors)}

    decided_by = {
        "dataset": dataset_of(store),
        "run": descriptor_run.name,
        "patches": "clean" if clean else "noisy",
        "pairs": pairs,
        "code": code_key(*SCORING_CODE),
    }
    scores = known_or_new(descriptor_run, "scores", decided_by, score)
    for sentence in scores["warnings"]:
        print(f"warning: {sentence}")
    return scores


def known_or_new(folder: Path, stem: str, decided_by: dict, score: Callable[[], dict]) -> dict:
    """The scores of a file in a folder, computed by `score` and written unless they are known.

    Its name says all that decides them but the code: so scores on other data or tasks stay beside
    these, and those of older code are replaced.
    """
    what = {name: value for name, value in decided_by.items() if name != "code"}
    target = folder / f"{stem}-{key(what, 10)}.json"
    known = _read_scores(target)
    if known.get("decided_by") == decided_by:
        print(f"{folder.name}/{target.name}: scored already, loaded.")
        return known
    scores = score() | {"decided_by": decided_by, "provenance": provenance()}
    scores = json.loads(json.dumps(scores))  # as they will be read
    files.write_json(target, scores | {"checksum": key(scores)})
    return scores


def _read_scores(target: Path) -> dict:
    """What a file of scores holds; nothing where there is none, or it is not as it was written."""
    try:
        known = files.read_json(target) if target.is_file() else {}
    except InputError:
        known = {"damaged": True}
    if known and known.pop("checksum", None) != key(known):
        print(f"{target} was changed since it was written: scored anew.")
        return {}
    return known


def dataset_of(store: PatchStore) -> dict[str, str]:
    """What tells a dataset from others, JSON-able."""
    return {"name": store.name, "split": store.split, "fingerprint": store.fingerprint}


def describe(
    pipeline: keras.Model,
    store: PatchStore,
    scenes: Iterable[str],
    clean: bool = False,
    strips: slice | list[int] = slice(None),
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields each scene and descriptors (strips, N, D) float32 of its noisy patches.

    Args:
        pipeline: (B, 32, 32, 1) -> (B, D).
        clean: describe the clean twins instead.
        strips: which ones, by their place in `benchmark.STRIPS`; all by default.
    """
    patches = store.clean if clean else store.noisy
    for scene in tqdm(scenes, desc="describing scenes"):
        vectors = predict_patches(pipeline, patches[store.scenes[scene], strips])
        yield scene, np.ascontiguousarray(vectors.swapaxes(0, 1))
