"""What is in a store, measured rather than believed."""

from pathlib import Path

import numpy as np

from helpers.benchmark.layout import LEVELS, STRIPS, strip_columns
from helpers.common.errors import InputError
from helpers.dataset.layout import PARTS, PATCH_SIDE
from helpers.dataset.noise import SIGMA, noise_profile
from helpers.dataset.store import PatchStore

MID_GREY = (100, 155)  # where the noise of the recipe is hardly clipped
NOISE_SAMPLE = 2000  # points on which the noise is measured
LIKENESS_SAMPLE = 300  # points of a scene that are compared, evenly spread
# In 16 genuine scenes and all photographs, easy patches are at least 0.24 more like their own `ref`
# than like another; most are 0.5 and more.
LEAST_LIKE = 0.15
FEWEST = 20  # points: their mean is too uncertain below


def info(store: PatchStore) -> str:
    """Describes a store in a few lines of text: counts, sizes, noise, duplicates and the split."""
    duplicates, constant = duplicates_and_constants(store)
    lines = [
        f"{store.name}, split {store.split}, fingerprint {store.fingerprint[:16]}, "
        f"in {store.folder}",
        _content(store),
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


def listed(folder: Path) -> str:
    """The stores in a folder, a line each; who needs one no more deletes its folder."""
    lines = []
    for path in sorted(folder.glob("*/store.json")):
        try:
            lines.append(f"{path.parent}: {_content(PatchStore(path.parent))}")
        except InputError:
            lines.append(f"{path.parent}: damaged or of another version, to be deleted")
    return "\n".join(lines) or f"{folder}: none"


def _content(store: PatchStore) -> str:
    counts = f"{len(store.scenes)} scenes, {len(store)} points, {len(store) * len(STRIPS)} patches"
    size = sum(file.stat().st_size for file in store.folder.iterdir()) / 1e6
    kept = "kept" if store.clean65 is not None else "not kept"
    return f"{counts}, {size:.0f} MB, 65 px patches {kept}"


def measured_sigma(store: PatchStore) -> dict[str, float]:
    """Noise of each level, as the standard deviation in grey levels that it had at 65 px.

    Measured where the clean pixels are mid-grey, on NOISE_SAMPLE points; NaN without such pixels.
    """
    rows = np.concatenate([np.arange(rows.start, rows.stop) for rows in _taken(store).values()])
    rows = rows[_spread(len(rows), NOISE_SAMPLE)]
    measured = {}
    for level in LEVELS:
        clean, noisy = (array[rows, strip_columns(level)] for array in (store.clean, store.noisy))
        unclipped = (clean > MID_GREY[0]) & (clean < MID_GREY[1])
        ratios = ((noisy.astype(np.float32) - clean) / noise_profile())[unclipped]
        measured[level] = float(np.sqrt(np.mean(ratios**2))) if ratios.size else float("nan")
    return measured


def _spread(count: int, most: int) -> np.ndarray:
    """At most so many of the indices below `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(int))


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
    """Mean normalised cross-correlation, -1..1, of `ref` with the clean patches of its point.

    Of each scene and level, on at most LIKENESS_SAMPLE points; that of patches of different points
    is about 0.15.
    """
    alike = {scene: _likeness(store.clean[rows])[0] for scene, rows in _taken(store).items()}
    return {
        scene: {level: float(strips[strip_columns(level)].mean()) for level in LEVELS}
        for scene, strips in alike.items()
    }


def _likeness(clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean correlation of `ref` patches, for each strip, with those of their point and another's.

    Of the clean patches of one scene, uint8 (points, 16, 32, 32): two float arrays (16,) in -1..1.
    """
    patches = clean[_spread(len(clean), LIKENESS_SAMPLE)].reshape(-1, len(STRIPS), PATCH_SIDE**2)
    patches = patches - patches.mean(-1, keepdims=True, dtype=np.float32)
    patches /= np.linalg.norm(patches, axis=-1, keepdims=True) + 1e-6
    refs = patches[:, 0], np.roll(patches[:, 0], 1, axis=0)
    same, other = (np.einsum("pd,psd->s", ref, patches) / len(patches) for ref in refs)
    return same, other


def unlike_ref(scene: str, clean: np.ndarray) -> str:
    """A sentence on a scene whose easy patches do not show what `ref` does; empty where all do.

    With wrong homographies they do not. `clean` is uint8 (points, 16, 32, 32).
    """
    if len(clean) < FEWEST:
        return (
            f"{scene} has {len(clean)} points: too few to tell whether its patches belong together."
        )
    same, other = (values[strip_columns("easy")] for values in _likeness(clean))
    if not (unlike := same - other < LEAST_LIKE).any():
        return ""
    images = ", ".join(str(image) for image in np.flatnonzero(unlike) + 2)
    return (
        f"{scene}: easy patches of image {images} are hardly more like `ref` (mean correlation "
        f"{same[unlike].mean():.2f}) than like other points' ({other[unlike].mean():.2f}): check "
        "the homographies, which map pixels of image 1 to pixels of image k."
    )
