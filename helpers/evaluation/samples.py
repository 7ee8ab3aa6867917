"""Looking at what trained networks do, as arrays that `report.figures` and `report.diagram` draw.

Nothing here is chosen by looks: points are drawn with a fixed seed or by a rule that is written
down. `described` is always what `describe_strip` returns, of the same strip.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from helpers.benchmark.layout import LEVELS, STRIPS, strip_columns
from helpers.benchmark.matching import nearest
from helpers.benchmark.tasks import LEAST_STD
from helpers.common.files import read_json
from helpers.dataset.cutting.extractor import project
from helpers.dataset.store import PatchStore
from helpers.evaluation.scoring import describe
from helpers.networks.pipeline import predict_patches
from helpers.training.runs import denoiser_of, load_network, load_pipeline

Described = dict[str, dict[str, np.ndarray]]  # approach -> scene -> descriptors (2, N, D)
Triples = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]  # by approach

UNNAMED = re.compile(r"(?:functional|sequential|model)(?:_\d+)?")  # so by Keras
STRIP = "h1"  # where points are looked for: the hard patches of the first other image
SCENES = 6  # that are looked at, at most
SEED = 7  # of the points that are shown; fixed, so that nobody picks the pretty ones


def denoise_sample(
    store: PatchStore, denoiser_runs: dict[str, Path], part: str = "validation", points: int = 200
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Some points of a part, drawn with a fixed seed, as every denoiser leaves them.

    Args:
        denoiser_runs: approach -> run folder of its denoiser.

    Returns:
        clean: uint8 (points, 16, 32, 32).
        estimates: "noisy" and each approach -> (points, 16, 32, 32), grey levels 0..255.
    """
    chosen = np.random.default_rng(SEED).permutation(store.rows(part))[:points]
    noisy = store.noisy[chosen]
    estimates = {name: _denoised(load_network(run), noisy) for name, run in denoiser_runs.items()}
    return store.clean[chosen], {"noisy": noisy, **estimates}


def _denoised(denoiser: keras.Model, patches: np.ndarray) -> np.ndarray:
    return np.clip(predict_patches(denoiser, patches)[..., 0], 0, 255)


def denoising_rows(clean: np.ndarray, estimates: dict[str, np.ndarray]) -> tuple:
    """What `figures.plot_denoising` takes: the typical point of `denoise_sample` at each level."""
    point = typical_point(clean)
    strips = [strip_columns(level).start for level in LEVELS]
    rows = {name: patches[point, strips] for name, patches in estimates.items()}
    return rows.pop("noisy"), rows, clean[point, strips], LEVELS


def typical_point(patches: np.ndarray) -> int:
    """The point, of (points, 16, 32, 32), whose `ref` patch has the median contrast."""
    contrast = np.std(patches[:, 0], axis=(1, 2), dtype=np.float64)
    return int(np.argsort(contrast, kind="stable")[len(contrast) // 2])


# --- whole pipelines -----------------------------------------------------------------------------


def pipeline_networks(descriptor_run: Path) -> list[keras.Model]:
    """The networks that a patch passes, in order: the denoiser, if there is one, the descriptor.

    One that its function gave no name has the one that the settings know it by.
    """
    denoiser_run, last = denoiser_of(descriptor_run), load_network(descriptor_run)
    front = [load_network(denoiser_run)] if denoiser_run else []
    inside = [layer for layer in last.layers if isinstance(layer, keras.Model)]  # end to end
    networks, runs = front + (inside or [last]), [descriptor_run]
    if len(networks) > 1:
        described = read_json(descriptor_run / "settings.json")
        runs.insert(0, descriptor_run.parent / described["denoiser"])
    for network, run in zip(networks, runs, strict=True):
        if UNNAMED.fullmatch(network.name):
            network.name = read_json(run / "settings.json")["settings"]["network"]
    return networks


def pipeline_sample(store: PatchStore, descriptor_runs: dict[str, Path]) -> tuple:
    """What `diagram.plot_pipeline` takes, for the typical point of the first test scene.

    Args:
        descriptor_runs: approach -> run folder of its descriptor.

    Returns:
        Approach -> networks; patches uint8 (3, 32, 32), of STRIP and the two of `ref` that it is
        compared with; approach -> denoised patch, for those with a denoiser; approach ->
        descriptors (3, D).
    """
    scene = store.noisy[store.scenes[store.parts["test"][0]]]
    point = typical_point(scene)
    other = (point + 1) % len(scene)  # points lie in random order
    patches = np.stack([scene[point, STRIPS.index(STRIP)], scene[point, 0], scene[other, 0]])
    networks, denoised, vectors = {}, {}, {}
    for name, run in descriptor_runs.items():
        networks[name] = pipeline_networks(run)
        if len(networks[name]) > 1:
            denoised[name] = _denoised(networks[name][0], patches[:1])[0]
        vectors[name] = predict_patches(load_pipeline(run), patches)
    return networks, patches, denoised, vectors


def describe_strip(store: PatchStore, descriptor_runs: dict[str, Path]) -> Described:
    """Descriptors of the noisy patches of `ref` and of STRIP, for the pictures below.

    Args:
        descriptor_runs: approach -> run folder of its descriptor.

    Returns:
        Approach -> scene -> (2, N, D), of SCENES test scenes, evenly spaced in their list.
    """
    names = np.array(store.parts["test"])
    names = names[np.unique(np.linspace(0, len(names) - 1, SCENES).astype(int))].tolist()
    strips = [0, STRIPS.index(STRIP)]
    return {
        approach: dict(describe(load_pipeline(run), store, names, strips=strips))
        for approach, run in descriptor_runs.items()
    }


def compare_neighbours(
    store: PatchStore, described: Described, queries: int = 5, count: int = 5
) -> tuple[np.ndarray, np.ndarray, Triples]:
    """What each approach finds for the same `ref` patches, among the patches of STRIP.

    Queries are drawn with a fixed seed, from one scene after the other, of all with the contrast
    that the benchmark asks of queries. Of every two, the first is one that the improved approach
    finds (or the last one, without it) and the second one that it misses, if there are such.

    Args:
        count: neighbours of each query; fewer where a scene has fewer points.

    Returns:
        Queries (Q, 32, 32); the right patches (Q, 32, 32); approach -> its nearest patches
        (Q, count, 32, 32), whether each is right (Q, count), and the rank of the right one (Q,).
    """
    rng = np.random.default_rng(SEED)
    last = described.get("improved", list(described.values())[-1])
    pools = {name: store.noisy[store.scenes[name]][:, [0, STRIPS.index(STRIP)]] for name in last}
    asked = []
    for number in range(queries):
        scene = list(last)[number % len(last)]
        point = _draw_query(pools[scene][:, 0], last[scene], number % 2 == 0, rng)
        asked.append((scene, point))
    count = min(count, *(len(pools[scene]) for scene, _ in asked))
    found = {
        approach: neighbours_of(
            [(point, vectors[scene], pools[scene][:, 1]) for scene, point in asked], count
        )
        for approach, vectors in described.items()
    }
    return *np.stack([pools[scene][point] for scene, point in asked], axis=1), found


def _draw_query(patches: np.ndarray, vectors: np.ndarray, found: bool, rng) -> int:
    """A textured point that is found, or one that is not; any point where there is none."""
    points = np.arange(len(patches))
    textured = patches.std(axis=(1, 2), dtype=np.float64) > LEAST_STD
    candidates = np.flatnonzero(((nearest(*vectors)[0] == points) == found) & textured)
    return int(rng.choice(candidates if len(candidates) else points))


def neighbours_of(
    queries: Iterable[tuple[int, Sequence[np.ndarray], np.ndarray]], count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a descriptor finds for some points.

    Args:
        queries: of each the point, descriptors (2, N, D) of the `ref` patches and of the pool's,
            and the pool (N, 32, 32).
        count: patches that are wanted, at most as many as the smallest pool has.

    Returns:
        Nearest patches (Q, count, 32, 32), whether each is right (Q, count), and the ranks of the
        right ones, from 1 on, (Q,).
    """
    rows = []
    for point, vectors, pool in queries:
        distances = np.linalg.norm(vectors[1] - vectors[0][point], axis=1)
        order = np.argsort(distances, kind="stable")
        shown = order[:count]
        rows.append((pool[shown], shown == point, 1 + np.flatnonzero(order == point)[0]))
    return tuple(np.stack(column) for column in zip(*rows, strict=True))


def matches(
    look: tuple[Sequence[np.ndarray], Sequence[np.ndarray], np.ndarray],
    described: Described,
    scene: str,
    shown: int = 50,
) -> tuple[list[np.ndarray], Triples]:
    """Where some points of a scene's first image are, and where each approach takes them to be.

    Args:
        look: images, homographies and regions of the scene, from `look` of a dataset's source.
        shown: points, drawn with a fixed seed; the same for all approaches.

    Returns:
        First image and STRIP's; approach -> points in the first image (P, 2), in pixels, the
        centres of the regions that they are matched with in the other (P, 2), and whether these are
        the right ones (P,). The jitter of the patches is left out.
    """
    images, homographies, regions = look
    number = int(STRIP[1:])
    chosen = np.random.default_rng(SEED).permutation(len(regions))[:shown]
    there = project(homographies[number - 1], regions[:, :2])
    lines = {}
    for approach, vectors in described.items():
        reference, other = vectors[scene]
        match, _, _ = nearest(reference[chosen], other)
        lines[approach] = regions[chosen, :2], there[match], match == chosen
    return [images[0], images[number]], lines


def count_matches(scene: str, lines: Triples) -> dict[str, Any]:
    """What the text of the report says of `matches`: scene, points, right ones by approach."""
    counts = {name: int(right.sum()) for name, (_, _, right) in lines.items()}
    return {"scene": scene, "points": len(next(iter(lines.values()))[2]), "right": counts}


def pair_distances(described: Described) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Distances of every `ref` patch from the patch of its point, and from another of its scene.

    Returns:
        Approach -> distances of same points (N,), and of different points (N,), the same for all.
    """
    distances = {}
    for approach, scenes in described.items():
        rng, pairs = np.random.default_rng(SEED), []
        for reference, other in scenes.values():
            wrong = np.roll(other, rng.integers(1, max(len(other), 2)), axis=0)
            pairs.append(np.linalg.norm(reference - np.stack([other, wrong]), axis=2))
        distances[approach] = tuple(np.concatenate(pairs, axis=1))
    return distances
