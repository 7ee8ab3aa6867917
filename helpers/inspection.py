"""Looking at what trained networks do: denoised samples and nearest neighbours, as arrays."""

from pathlib import Path

import numpy as np

from helpers.dataset.layout import LEVELS, STRIPS
from helpers.dataset.store import PatchStore
from helpers.evaluation import load_pipeline
from helpers.networks.pipeline import predict_patches
from helpers.runs import load_network

SEED = 7  # of the points that are shown; fixed, so that nobody picks the pretty ones


def denoise_sample(
    store: PatchStore, denoiser_runs: dict[str, Path], part: str = "validation", points: int = 200
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Some points of a part, as every denoiser leaves them.

    Args:
        denoiser_runs: approach -> run folder of its denoiser.
        points: how many, drawn at random with a fixed seed.

    Returns:
        clean: uint8 (points, 16, 32, 32).
        estimates: "noisy" and each approach -> (points, 16, 32, 32), grey levels 0..255.
    """
    rows = store.rows(part)
    chosen = np.random.default_rng(SEED).permutation(rows)[:points]
    noisy = store.noisy[chosen]
    estimates = {"noisy": noisy}
    for approach, run in denoiser_runs.items():
        denoised = predict_patches(load_network(run), noisy)[..., 0]
        estimates[approach] = np.clip(denoised, 0, 255)
    return store.clean[chosen], estimates


def denoising_rows(
    clean: np.ndarray, estimates: dict[str, np.ndarray], point: int = 0
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray, tuple[str, ...]]:
    """One patch of each level of one point, as `figures.plot_denoising` takes them.

    Args:
        clean, estimates: from `denoise_sample`.
        point: which of the sample.

    Returns:
        noisy (3, 32, 32), {approach: (3, 32, 32)}, clean (3, 32, 32), names of the levels.
    """
    strips = [STRIPS.index(level[0] + "1") for level in LEVELS]
    rows = {name: patches[point, strips] for name, patches in estimates.items()}
    return rows.pop("noisy"), rows, clean[point, strips], LEVELS


def neighbours(
    store: PatchStore,
    descriptor_run: Path,
    strip: str = "t1",
    queries: int = 5,
    count: int = 6,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The patches of one strip that a pipeline finds nearest to some `ref` patches.

    Args:
        descriptor_run: run folder of the pipeline's descriptor.
        strip: where to search, in the query's own test scene; its noisy patches are described.
        queries: one query each from the first test scenes, drawn with a fixed seed.
        count: neighbours of each.

    Returns:
        queries uint8 (Q, 32, 32); neighbours uint8 (Q, count, 32, 32); correct bool (Q, count).
    """
    pipeline, rng = load_pipeline(descriptor_run), np.random.default_rng(SEED)
    found = []
    for name in store.parts["test"][:queries]:
        scene = store.noisy[store.sequences[name]]
        query, pool = int(rng.integers(len(scene))), scene[:, STRIPS.index(strip)]
        vector = predict_patches(pipeline, scene[query, 0])
        distance = np.linalg.norm(predict_patches(pipeline, pool) - vector, axis=1)
        nearest = np.argsort(distance, kind="stable")[:count]
        found.append((scene[query, 0], pool[nearest], nearest == query))
    return tuple(np.stack(column) for column in zip(*found, strict=True))
