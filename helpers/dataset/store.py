"""PatchStore: a dataset built once, then mapped into memory instead of read.

A store is one folder: `clean.npy` and `noisy.npy`, uint8 (points, 16, 32, 32); `clean65.npy`, uint8
(points, 16, 65, 65), where the source has it; `store.json` with the table of scenes and check
sums. It is built under a temporary name and renamed when complete, so that a killed build never
looks finished; under a lock, so that two processes do not do the work twice; and on disk space that
is taken beforehand, so that a full disk ends in a sentence.
"""

import copy
import errno
import os
import shutil
import zlib
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from helpers.benchmark.layout import STRIPS
from helpers.benchmark.workers import Resources
from helpers.common.errors import InputError
from helpers.common.files import atomic_path, locked, read_json, write_json
from helpers.common.keys import key
from helpers.dataset.layout import PARTS, PATCH_SIDE, SOURCE_SIDE

VERSION = 1  # raise it when the same source and recipe give other patches than before
FORMAT = 2  # raise it when store.json says more or says it in another way
SHOWN = Resources(progress=True)  # all cores, with a bar


class Source(Protocol):
    """Where the patches of a store come from. Its methods are called from several threads."""

    name: str
    split: str  # what to call its split, see parts.split_name
    parts: dict[str, tuple[str, ...]]  # scenes of train, validation and test; names are disjoint
    recipe: dict[str, Any]  # every setting that decides the content, JSON-able
    keeps65: bool  # whether `fill` gives clean65

    def key(self) -> Any:
        """Something JSON-able, quick to get, that changes when the source files do."""

    def measure(self, scene: str) -> tuple[int, Any]:
        """Number of points of a scene, and what `fill` needs to know to make them."""

    def fill(self, scene: str, found: Any, out: dict[str, np.ndarray]) -> str:
        """Fills clean, noisy (and clean65) of a scene; returns a digest of its source bytes."""

    def look(self, scene: str) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray] | None:
        """The images that the patches of a scene were cut from, and where.

        Returns:
            Six grey images, five homographies from the first to the others, and the regions
            (points, 4) of `regions.find_regions`; None for strips, which bring no images.
        """
        return None


def scene_generator(scene: str, seed: int, purpose: str) -> np.random.Generator:
    """A generator for each scene and purpose, so that scenes can be built in any order."""
    return np.random.default_rng([seed, zlib.crc32(f"{scene}/{purpose}".encode())])


class PatchStore:
    """A dataset on disk: memory-mapped patches and the table of their scenes.

    Attributes:
        name: of the source, "photographs" for example.
        split: the split it was opened with, "a" or "view, 3 chosen scenes" for example.
        clean: uint8 (points, 16, 32, 32), strips in the order of benchmark.layout.STRIPS.
        noisy: the same with noise; row and strip belong to the same patch as in `clean`.
        clean65: uint8 (points, 16, 65, 65), or None where the source has no 65 px patches.
        scenes: rows of each scene, as slices, in order of the rows.
        parts: disjoint names of the scenes of "train", "validation" and "test".
        recipe: the settings that the store was built with.
        fingerprint: sha256 of the source files' bytes, the recipe with its seed, and VERSION.
    """

    def __init__(self, folder: Path | str):
        """Opens a finished store.

        Raises:
            InputError: a file of the store is missing or damaged.
        """
        self.folder = Path(folder)
        table = _read_table(self.folder / "store.json")
        self.name: str = table["name"]
        self.split: str = table["split"]
        self.fingerprint: str = table["fingerprint"]
        self.recipe: dict[str, Any] = table["recipe"]
        self.parts = {part: tuple(names) for part, names in table["parts"].items()}
        self.scenes = _spans(table["points"])
        self._checksums = table["checksums"]
        count = sum(table["points"].values())
        arrays = {
            name: _map(self.folder / f"{name}.npy", (count, len(STRIPS), side, side))
            for name, side in _sides(table["keeps65"]).items()
        }
        self.clean, self.noisy = arrays["clean"], arrays["noisy"]
        self.clean65 = arrays.get("clean65")

    def __reduce__(self):
        return PatchStore, (self.folder,)  # another process maps the files anew

    def __len__(self) -> int:
        return len(self.clean)

    def rows(self, part: str) -> np.ndarray:
        """Rows of the points of a part ("train", "validation" or "test"), int64, ascending."""
        return self._rows[part]

    @cached_property  # each batch asks for them
    def _rows(self) -> dict[str, np.ndarray]:
        every = np.arange(len(self))
        return {
            part: np.concatenate([every[:0], *(every[self.scenes[name]] for name in names)])
            for part, names in self.parts.items()
        }

    def lengths(self, part: str) -> dict[str, int]:
        """Number of points of each scene of a part."""
        spans = {name: self.scenes[name] for name in self.parts[part]}
        return {name: span.stop - span.start for name, span in spans.items()}

    def summary(self) -> dict[str, Any]:
        """Names and counts, ready for JSON."""
        parts = {part: self.lengths(part) for part in PARTS}
        every = {scene: points for part in parts.values() for scene, points in part.items()}
        return {
            "name": self.name,
            "split": self.split,
            "fingerprint": self.fingerprint,
            "recipe": self.recipe,
            "parts": {part: _counts(lengths) for part, lengths in parts.items()},
            "total": _counts(every),
            "lengths": every,
        }

    def verify(self) -> None:
        """Reads every patch and compares it with what was built; full N-HPatches takes a minute.

        Opening a store checks its table and the sizes of its files only.

        Raises:
            InputError: some patches have changed since.
        """

        def compare(scene):
            for array, built in self._checksums[scene].items():
                if zlib.crc32(getattr(self, array)[self.scenes[scene]]) != built:
                    path = self.folder / f"{array}.npy"
                    raise InputError(f"{path} has changed in {scene}: {_cure(self.folder)}")

        SHOWN.spread(compare, self.scenes, f"{self.name}: verifying")


def _read_table(path: Path) -> dict[str, Any]:
    try:
        table = read_json(path)
    except InputError:
        table = None
    if not isinstance(table, dict) or table.pop("checksum", None) != key(table):
        raise InputError(f"{path} is missing or was changed: {_cure(path.parent)}")
    return table


def _map(path: Path, shape: tuple[int, ...]) -> np.memmap:
    try:
        mapped = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}): {_cure(path.parent)}") from error
    if mapped.shape != shape or mapped.dtype != np.uint8:
        raise InputError(
            f"{path} has shape {mapped.shape} and type {mapped.dtype} instead of {shape} and "
            f"uint8: {_cure(path.parent)}"
        )
    return mapped


def _cure(folder: Path) -> str:
    return f"delete {folder}, and it is built again."


def _sides(keeps65: bool) -> dict[str, int]:
    sides = {"clean": PATCH_SIDE, "noisy": PATCH_SIDE}
    return sides | {"clean65": SOURCE_SIDE} if keeps65 else sides


def _counts(lengths: dict[str, int]) -> dict[str, int]:
    points = sum(lengths.values())
    return {"scenes": len(lengths), "points": points, "patches": points * len(STRIPS)}


def _spans(points: dict[str, int]) -> dict[str, slice]:
    """Rows of each scene, one scene after the other."""
    ends = accumulate(points.values())
    return {
        scene: slice(end - count, end)
        for (scene, count), end in zip(points.items(), ends, strict=True)
    }


def with_fewer_points(store: PatchStore, points_per_scene: int | None) -> PatchStore:
    """A view of a store that shows the first points of each scene only.

    Nothing is built or copied. The photographs and the scenes that are cut here have their points
    in random order; strips keep theirs.

    Args:
        points_per_scene: at most so many; None for all.

    Returns:
        A store whose `scenes`, `rows` and `lengths` are shorter, with a fingerprint of its own;
        the one given if no scene has more points.
    """
    longest = max(span.stop - span.start for span in store.scenes.values())
    if points_per_scene is None or points_per_scene >= longest:
        return store
    smaller = copy.copy(store)
    smaller.scenes = {
        name: slice(span.start, min(span.stop, span.start + points_per_scene))
        for name, span in store.scenes.items()
    }
    smaller.fingerprint = key(f"{store.fingerprint}, {points_per_scene} points of each scene")
    return smaller


# --- building ------------------------------------------------------------------------------------


def open_store(source: Source, folder: Path | str) -> PatchStore:
    """Opens the store of a source; builds it first, with a progress bar, if there is none yet.

    Args:
        source: where the patches come from.
        folder: holds all stores, one sub-folder a source, recipe and version.

    Raises:
        InputError: something in the source cannot be used, the folder cannot be written, or the
            store was damaged since it was built.
    """
    identity = [VERSION, FORMAT, source.name, source.split, source.recipe, source.parts]
    target = Path(folder) / f"{source.name}-{key([*identity, source.key()], 16)}"
    if not target.is_dir():
        with locked(target.with_name(f".{target.name}.lock")) as alone:
            if not target.is_dir():  # another process may have built it while this one waited
                print(f"Building the patches of {source.name} (once) ...", flush=True)
                if alone:
                    for leftover in target.parent.glob(f".{target.name}-*"):  # of killed builds
                        shutil.rmtree(leftover, ignore_errors=True)
                try:
                    _build(source, target)
                except (OSError, InputError):
                    if not target.is_dir():  # without locks, another process may have been faster
                        raise
    return PatchStore(target)


def _build(source: Source, target: Path) -> None:
    scenes = [scene for part in PARTS for scene in source.parts[part]]
    with atomic_path(target) as temporary:
        temporary.mkdir()
        measured = SHOWN.spread(source.measure, scenes, f"{source.name}: points")
        counts, found = (
            dict(zip(scenes, each, strict=True)) for each in zip(*measured, strict=True)
        )
        if empty := [scene for scene, count in counts.items() if count == 0]:
            raise InputError(
                f"{source.name}: scene {empty[0]} gives not a single patch, so leave it out "
                "(for images: too little detail, or no region that all six show)."
            )
        arrays = _empty_arrays(temporary, sum(counts.values()), source.keeps65)
        spans = _spans(counts)

        def fill(scene):
            out = {name: array[spans[scene]] for name, array in arrays.items()}
            digest = source.fill(scene, found[scene], out)
            return digest, {name: zlib.crc32(patches) for name, patches in out.items()}

        filled = SHOWN.spread(fill, scenes, f"{source.name}: patches")
        digests, sums = (dict(zip(scenes, each, strict=True)) for each in zip(*filled, strict=True))
        table = {
            "name": source.name,
            "split": source.split,
            "fingerprint": key([VERSION, source.recipe, source.parts, digests]),
            "recipe": source.recipe,
            "parts": source.parts,
            "points": counts,
            "keeps65": source.keeps65,
            "checksums": sums,
        }
        write_json(temporary / "store.json", table | {"checksum": key(table)})


def _empty_arrays(folder: Path, points: int, keeps65: bool) -> dict[str, np.memmap]:
    """New .npy files of their full size, their disk space already taken."""
    maps = {}
    for name, side in _sides(keeps65).items():
        path, shape = folder / f"{name}.npy", (points, len(STRIPS), side, side)
        maps[name] = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
        _take_space(path, maps[name].offset)  # a full disk must fail here, not crash a later write
    return maps


def _take_space(path: Path, start: int) -> None:
    """Takes the disk space of a new file of its full size, empty behind byte `start`."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
            return
        except (AttributeError, OSError) as error:  # macOS and Windows have none, some disks refuse
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise
        file.seek(start)
        for first in range(start, size, 2**20):
            file.write(bytes(min(2**20, size - first)))
