"""From a finished run and a dataset to `scores.json`: describe the test scenes, score them."""

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
from helpers.training.runs import find_run, load_pipeline, upstream_run

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
    denoiser_run = find_run(denoiser, store)
    return denoiser_run, find_run(descriptor, store, upstream_run(descriptor, denoiser_run))


def make_tasks(store: PatchStore, pairs: int, part: str = "test") -> benchmark.Tasks:
    """Benchmark tasks for the scenes of one part, drawn by the official recipe.

    Args:
        pairs: verification pairs of each kind (the official benchmark has a million).
    """
    names = store.parts[part]
    contrast = {name: ref_contrast(store, name) for name in names}
    return benchmark.generate_tasks(
        store.lengths(part), test=list(names), ref_std=contrast, pairs=pairs, split=part
    )


def ref_contrast(store: PatchStore, name: str) -> np.ndarray:
    """Standard deviation of the grey levels of each `ref` patch of a sequence, (N,)."""
    return store.clean[store.scenes[name], 0].std(axis=(1, 2), dtype=np.float64)


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
    target = descriptor_run / ("scores-clean.json" if clean else "scores.json")
    decided_by = {
        "dataset": {
            "name": store.name,
            "split": store.split,
            "fingerprint": store.fingerprint,
        },
        "run": descriptor_run.name,
        "patches": "clean" if clean else "noisy",
        "pairs": pairs,
        "code": code_key(*SCORING_CODE),
    }
    if target.is_file() and (known := files.read_json(target)).get("decided_by") == decided_by:
        print(f"{descriptor_run.name}: scored already, loaded.")
        return known
    patches = 16 * len(store.rows("test"))
    print(f"{descriptor_run.name}: describing {patches:,} test patches, scoring ...", flush=True)
    pipeline = load_pipeline(descriptor_run)
    descriptors = describe(pipeline, store, store.parts["test"], clean)
    scores = benchmark.evaluate(descriptors, make_tasks(store, pairs)).to_json()
    scores |= {"decided_by": decided_by, "provenance": provenance()}
    files.write_json(target, scores)
    return scores


def describe(
    pipeline: keras.Model, store, names: tuple[str, ...], clean: bool = False
) -> dict[str, np.ndarray]:
    """Descriptors of the noisy patches of some sequences.

    Args:
        pipeline: (B, 32, 32, 1) -> (B, D).
        store: a `PatchStore`.
        names: its sequences to describe.
        clean: describe the clean twins instead.

    Returns:
        {sequence: (16, N, D) float32}, strips in the order of `layout.STRIPS`, as the benchmark
        takes them.
    """
    found, patches = {}, store.clean if clean else store.noisy
    for name in tqdm(names, desc="describing sequences"):
        vectors = predict_patches(pipeline, patches[store.scenes[name]])
        found[name] = np.ascontiguousarray(vectors.swapaxes(0, 1))
    return found
