"""What is in a store, measured rather than believed."""

import numpy as np

from helpers.benchmark.layout import LEVELS, STRIPS, strip_columns
from helpers.dataset.layout import PARTS
from helpers.dataset.likeness import likeness
from helpers.dataset.noise import SIGMA, noise_profile
from helpers.dataset.store import PatchStore

MID_GREY = (100, 155)  # where the noise of the recipe is hardly clipped
SAMPLE = 2000  # points on which the noise is measured


def info(store: PatchStore) -> str:
    """Describes a store in a few lines of text: counts, sizes, noise, duplicates and the split."""
    points, size65 = len(store), store.clean65 is not None
    size = sum(file.stat().st_size for file in store.folder.iterdir()) / 1e6
    duplicates, constant = duplicates_and_constants(store)
    lines = [
        f"{store.name}, split {store.split}, fingerprint {store.fingerprint[:16]}, "
        f"in {store.folder}",
        f"{len(store.scenes)} scenes, {points} points, {points * len(STRIPS)} patches stored, "
        f"{size:.0f} MB; 65 px patches {'kept' if size65 else 'not kept'}",
        f"ref patches: {duplicates} repeat an earlier one, {constant} are of one grey",
    ]
    for level, sigma in measured_sigma(store).items():
        lines.append(f"noise {level}: sigma {sigma:.1f} at 65 px, by the recipe {SIGMA[level]:.1f}")
    means = np.mean([list(scene.values()) for scene in correlations(store).values()], axis=0)
    alike = ", ".join(f"{level} {mean:.2f}" for level, mean in zip(LEVELS, means, strict=True))
    lines.append(f"correlation of clean patches with `ref` (near 0 if unrelated): {alike}")
    for part in PARTS:
        lengths = store.lengths(part)
        names = ", ".join(f"{name} {points}" for name, points in lengths.items())
        lines.append(f"{part}: {len(lengths)} scenes, {sum(lengths.values())} points: {names}")
    return "\n".join([*lines, *store.notes])


def measured_sigma(store: PatchStore) -> dict[str, float]:
    """Noise of each level, as the standard deviation in grey levels that it had at 65 px.

    Measured where the clean pixels are mid-grey, on at most SAMPLE points; NaN without such pixels.
    """
    rows = np.concatenate([np.arange(rows.start, rows.stop) for rows in _taken(store).values()])
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int))]
    measured = {}
    for level in LEVELS:
        clean, noisy = (array[rows, strip_columns(level)] for array in (store.clean, store.noisy))
        unclipped = (clean > MID_GREY[0]) & (clean < MID_GREY[1])
        ratios = ((noisy.astype(np.float32) - clean) / noise_profile())[unclipped]
        measured[level] = float(np.sqrt(np.mean(ratios**2))) if ratios.size else float("nan")
    return measured


def _taken(store: PatchStore) -> dict[str, slice]:
    """Rows of the scenes that the split takes; of all where it takes none."""
    taken = {scene: rows for scene, rows in store.scenes.items() if scene not in store.unused}
    return taken or store.scenes


def duplicates_and_constants(store: PatchStore) -> tuple[int, int]:
    """How many `ref` patches repeat an earlier one, and how many have a single grey level."""
    refs = store.clean[:, STRIPS.index("ref")]
    different = {hash(patch.tobytes()) for patch in refs}
    return len(refs) - len(different), int((np.ptp(refs, axis=(1, 2)) == 0).sum())


def correlations(store: PatchStore) -> dict[str, dict[str, float]]:
    """Mean normalised cross-correlation of `ref` with the clean patches of its point.

    Returns:
        Scene -> level -> correlation in -1..1, of at most `likeness.SAMPLE` points; that of patches
        of different points is about 0.15.
    """
    alike = {scene: likeness(store.clean[rows])[0] for scene, rows in _taken(store).items()}
    return {
        scene: {level: float(strips[strip_columns(level)].mean()) for level in LEVELS}
        for scene, strips in alike.items()
    }
