"""From a finished run and a dataset to `scores.json`: describe the test scenes, score them."""

from collections.abc import Callable, Iterable
from pathlib import Path

import keras
import numpy as np
from tqdm.auto import tqdm

from helpers import benchmark
from helpers.common import files
from helpers.common.keys import code_key
from helpers.common.provenance import provenance
from helpers.dataset.store import PatchStore
from helpers.networks.pipeline import predict_patches
from helpers.settings import Profile
from helpers.training import runs

SCORING_CODE = ("benchmark", "networks/pipeline.py", "evaluation/scoring.py")


def find_runs(
    profile: Profile, approach: str, store: PatchStore, pretrained: bool = False
) -> tuple[Path, Path]:
    """The finished runs of an approach: denoiser and descriptor.

    Args:
        approach: "baseline" or "improved".
        pretrained: take the networks that come with the code for the improved ones.

    Raises:
        InputError: one of them has not been trained yet.
    """
    if pretrained and approach == "improved":
        runs.warn_of_learned(run := runs.pretrained(), store.parts["test"])
        return runs.pretrained("denoiser"), run
    denoiser, descriptor = profile.trainings(approach)
    denoiser_run = runs.find_run(denoiser, store)
    upstream = runs.upstream_run(descriptor, denoiser_run)
    return denoiser_run, runs.find_run(descriptor, store, upstream)


def make_tasks(store: PatchStore, pairs: int, part: str = "test") -> benchmark.Tasks:
    """Benchmark tasks for the scenes of one part, drawn by the official recipe.

    Args:
        pairs: verification pairs of each kind (the official benchmark has a million).
    """
    contrast = {  # of each `ref` patch, standard deviation of its grey levels
        scene: store.clean[store.scenes[scene], 0].std(axis=(1, 2), dtype=np.float64)
        for scene in store.parts[part]
    }
    return benchmark.generate_tasks(store.lengths(part), contrast, pairs=pairs, split=part)


def score_run(descriptor_run: Path, store: PatchStore, pairs: int, clean: bool = False) -> dict:
    """Scores of a trained pipeline on the noisy patches of the test scenes.

    They are written to `scores.json` in the descriptor's run folder (`scores-clean.json`), and read
    from there when nothing that decides them has changed.

    Args:
        pairs: verification pairs of each kind.
        clean: score the clean twins instead, which no approach is given in use.

    Returns:
        The scores as `benchmark` gives them, with "provenance", and "decided_by".
    """

    def score() -> dict:
        count = 16 * len(store.rows("test"))
        print(f"{descriptor_run.name}: describing {count:,} test patches, scoring ...", flush=True)
        pipeline = runs.load_pipeline(descriptor_run)
        descriptors = describe(pipeline, store, store.parts["test"], clean)
        return benchmark.evaluate(descriptors, make_tasks(store, pairs)).to_json()

    decided_by = {
        "dataset": dataset_of(store),
        "run": descriptor_run.name,
        "patches": "clean" if clean else "noisy",
        "pairs": pairs,
        "code": code_key(*SCORING_CODE),
    }
    target = descriptor_run / ("scores-clean.json" if clean else "scores.json")
    return known_or_new(target, descriptor_run.name, decided_by, score)


def known_or_new(target: Path, title: str, decided_by: dict, score: Callable[[], dict]) -> dict:
    """The scores of a file, computed by `score` and written there unless all is as it was then.

    Args:
        target: JSON file of the scores, "decided_by" and "provenance".
        title: what is said to be loaded.
        decided_by: all that decides the scores.
    """
    if target.is_file() and (known := files.read_json(target)).get("decided_by") == decided_by:
        print(f"{title}: scored already, loaded.")
        return known
    scores = score() | {"decided_by": decided_by, "provenance": provenance()}
    files.write_json(target, scores)
    return scores


def dataset_of(store: PatchStore) -> dict[str, str]:
    """What tells a dataset from others, JSON-able."""
    return {"name": store.name, "split": store.split, "fingerprint": store.fingerprint}


def describe(
    pipeline: keras.Model,
    store: PatchStore,
    scenes: Iterable[str],
    clean: bool = False,
    strips: slice | list[int] = slice(None),
) -> dict[str, np.ndarray]:
    """Descriptors of the noisy patches of some scenes.

    Args:
        pipeline: (B, 32, 32, 1) -> (B, D).
        clean: describe the clean twins instead.
        strips: which ones, by their place in `benchmark.STRIPS`; all by default.

    Returns:
        {scene: (strips, N, D) float32}, as the benchmark takes them.
    """
    found, patches = {}, store.clean if clean else store.noisy
    for scene in tqdm(scenes, desc="describing scenes"):
        vectors = predict_patches(pipeline, patches[store.scenes[scene], strips])
        found[scene] = np.ascontiguousarray(vectors.swapaxes(0, 1))
    return found
