"""Looking at what trained networks do, as arrays that `figures` and `diagram` draw.

Nothing here is chosen by looks: points are drawn with a fixed seed or by a rule that is written
down.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from helpers.benchmark.layout import LEVELS, STRIPS
from helpers.benchmark.matching import nearest
from helpers.benchmark.tasks import LEAST_STD
from helpers.dataset.cutting.extractor import project
from helpers.dataset.store import PatchStore
from helpers.networks.pipeline import predict_patches
from helpers.training.runs import denoiser_of, load_network, load_pipeline

STRIP = "h1"  # where points are looked for: the hard patches of the first other image
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
    clean: np.ndarray, estimates: dict[str, np.ndarray], point: int | None = None
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray, tuple[str, ...]]:
    """One patch of each level of one point, as `figures.plot_denoising` takes them.

    Args:
        clean, estimates: from `denoise_sample`.
        point: which of the sample; where None, the one of `typical_point`.

    Returns:
        noisy (3, 32, 32), {approach: (3, 32, 32)}, clean (3, 32, 32), names of the levels.
    """
    point = typical_point(clean) if point is None else point
    strips = [STRIPS.index(level[0] + "1") for level in LEVELS]
    rows = {name: patches[point, strips] for name, patches in estimates.items()}
    return rows.pop("noisy"), rows, clean[point, strips], LEVELS


# --- whole pipelines -----------------------------------------------------------------------------


def pipeline_networks(descriptor_run: Path) -> list[keras.Model]:
    """The networks that a patch passes, in order: the denoiser, if there is one, the descriptor.

    Raises:
        InputError: the folder is no descriptor's, or the denoiser in front of it is gone.
    """
    denoiser_run, last = denoiser_of(descriptor_run), load_network(descriptor_run)
    front = [load_network(denoiser_run)] if denoiser_run else []
    parts = [layer for layer in last.layers if isinstance(layer, keras.Model)]  # end to end
    return front + (parts or [last])


def pipeline_sample(
    store: PatchStore, descriptor_runs: dict[str, Path], strip: str = STRIP
) -> tuple[dict[str, list[keras.Model]], np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What `diagram.plot_pipeline` takes, for the typical point of the first test scene.

    Args:
        descriptor_runs: approach -> run folder of its descriptor.
        strip: of the noisy patch; the two it is compared with come from `ref`.

    Returns:
        Approach -> networks; patches uint8 (3, 32, 32); approach -> denoised patch, for those with
        a denoiser; approach -> descriptors (3, D).
    """
    scene = store.noisy[store.scenes[store.parts["test"][0]]]
    point = typical_point(scene)
    other = (point + 1) % len(scene)  # points lie in random order
    patches = np.stack([scene[point, STRIPS.index(strip)], scene[point, 0], scene[other, 0]])
    networks = {name: pipeline_networks(run) for name, run in descriptor_runs.items()}
    denoised = {
        name: np.clip(predict_patches(chain[0], patches[:1])[0, ..., 0], 0, 255)
        for name, chain in networks.items()
        if len(chain) > 1
    }
    vectors = {
        name: predict_patches(load_pipeline(run), patches) for name, run in descriptor_runs.items()
    }
    return networks, patches, denoised, vectors


def typical_point(patches: np.ndarray) -> int:
    """The point whose `ref` patch has the median contrast.

    Args:
        patches: (points, 16, 32, 32).
    """
    contrast = np.std(patches[:, 0], axis=(1, 2), dtype=np.float64)
    return int(np.argsort(contrast, kind="stable")[len(contrast) // 2])


def describe_strip(
    store: PatchStore, descriptor_runs: dict[str, Path], strip: str = STRIP, scenes: int = 6
) -> dict[str, dict[str, np.ndarray]]:
    """Descriptors of the noisy patches of `ref` and of one other strip, for the pictures below.

    Args:
        descriptor_runs: approach -> run folder of its descriptor.
        scenes: at most this many test scenes, evenly spaced in their list.

    Returns:
        Approach -> scene -> (2, N, D): `ref`, then `strip`.
    """
    names = store.parts["test"]
    names = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, scenes).astype(int))]
    columns, described = [0, STRIPS.index(strip)], {}
    for approach, run in descriptor_runs.items():
        pipeline = load_pipeline(run)
        described[approach] = {}
        for name in names:
            patches = store.noisy[store.scenes[name]][:, columns]
            vectors = predict_patches(pipeline, patches).swapaxes(0, 1)
            described[approach][name] = np.ascontiguousarray(vectors)
    return described


def compare_neighbours(
    store: PatchStore,
    described: dict[str, dict[str, np.ndarray]],
    strip: str = STRIP,
    queries: int = 5,
    count: int = 5,
) -> tuple[np.ndarray, np.ndarray, dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """What each approach finds for the same `ref` patches, among the patches of a strip.

    Queries are drawn with a fixed seed, from one scene after the other, of all with the contrast
    that the benchmark asks of queries. Of every two, the first is one that the last approach finds
    and the second one that it misses, as far as there are such.

    Args:
        described: from `describe_strip`, with the same strip.
        count: neighbours of each query; fewer where a scene has fewer points.

    Returns:
        Queries (Q, 32, 32); the right patches (Q, 32, 32); approach -> its nearest patches
        (Q, count, 32, 32), whether each is right (Q, count), and the rank of the right one (Q,).
    """
    rng, rows, (*_, last) = np.random.default_rng(SEED), [], described.values()
    for number in range(queries):
        scene = list(last)[number % len(last)]
        textured = _pool(store, scene, "ref").std(axis=(1, 2), dtype=np.float64) > LEAST_STD
        rows.append((scene, _draw_query(last[scene], number % 2 == 0, textured, rng)))
    found, count = {}, min(count, *(len(last[scene][1]) for scene, _ in rows))
    for approach, vectors in described.items():
        columns = [
            neighbours_of(point, vectors[scene], _pool(store, scene, strip), count)
            for scene, point in rows
        ]
        found[approach] = tuple(np.stack(column) for column in zip(*columns, strict=True))
    shown = [(_pool(store, s, "ref")[point], _pool(store, s, strip)[point]) for s, point in rows]
    return *(np.stack(column) for column in zip(*shown, strict=True)), found


def _draw_query(vectors: np.ndarray, found: bool, textured: np.ndarray, rng) -> int:
    """A textured point that is found, or one that is not; any point where there is none."""
    points = np.arange(len(textured))
    match, _, _ = nearest(*vectors)
    candidates = np.flatnonzero(((match == points) == found) & textured)
    return int(rng.choice(candidates if len(candidates) else points))


def neighbours_of(point: int, vectors: np.ndarray, pool: np.ndarray, count: int) -> tuple:
    """What a descriptor finds for a point: nearest patches, whether each is right, and the rank.

    Args:
        vectors: (2, N, D), of the `ref` patches and of those in the pool.
        pool: (N, 32, 32).
        count: patches that are wanted.

    Returns:
        (count, 32, 32), (count,), and the rank of the right one, from 1 on.
    """
    distances = np.linalg.norm(vectors[1] - vectors[0, point], axis=1)
    order = np.argsort(distances, kind="stable")
    shown = order[:count]
    return pool[shown], shown == point, 1 + np.flatnonzero(order == point)[0]


def _pool(store: PatchStore, scene: str, strip: str) -> np.ndarray:
    return store.noisy[store.scenes[scene]][:, STRIPS.index(strip)]


def matches(
    look: tuple[Sequence[np.ndarray], Sequence[np.ndarray], np.ndarray],
    described: dict[str, dict[str, np.ndarray]],
    scene: str,
    strip: str = STRIP,
    shown: int = 50,
) -> tuple[list[np.ndarray], dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Where some points of a scene's first image are, and where each approach takes them to be.

    Args:
        look: images, homographies and regions of the scene, from `dataset.look_at_scene`.
        described: from `describe_strip`, with the same strip.
        scene: one of those described.
        shown: points, drawn with a fixed seed; the same for all approaches.

    Returns:
        First image and the strip's; approach -> points in the first image (P, 2), in pixels, the
        centres of the regions that they are matched with in the other (P, 2), and whether these are
        the right ones (P,). The jitter of the patches is left out.
    """
    images, homographies, regions = look
    number = int(strip[1:])
    chosen = np.random.default_rng(SEED).permutation(len(regions))[:shown]
    there = project(homographies[number - 1], regions[:, :2])
    lines = {}
    for approach, vectors in described.items():
        reference, other = vectors[scene]
        match, _, _ = nearest(reference[chosen], other)
        lines[approach] = regions[chosen, :2], there[match], match == chosen
    return [images[0], images[number]], lines


def count_matches(
    scene: str, lines: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> dict[str, Any]:
    """What the text of the report says of `matches`: scene, points, right ones by approach."""
    counts = {name: int(right.sum()) for name, (_, _, right) in lines.items()}
    return {"scene": scene, "points": len(next(iter(lines.values()))[2]), "right": counts}


def pair_distances(
    described: dict[str, dict[str, np.ndarray]],
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Distances of every `ref` patch from the patch of its point, and from another of its scene.

    Args:
        described: from `describe_strip`.

    Returns:
        Approach -> distances of same points (N,), and of different points (N,); the pairs are the
        same for all approaches.
    """
    distances = {}
    for approach, scenes in described.items():
        rng = np.random.default_rng(SEED)
        pairs = []
        for reference, other in scenes.values():
            wrong = np.roll(other, rng.integers(1, max(len(other), 2)), axis=0)
            pairs.append([np.linalg.norm(reference - x, axis=1) for x in (other, wrong)])
        distances[approach] = tuple(np.concatenate(column) for column in zip(*pairs, strict=True))
    return distances
