"""PatchStore: a dataset built once, then mapped into memory instead of read.

A store is one folder: `clean.npy` and `noisy.npy`, uint8 (points, 16, 32, 32); `clean65.npy`, uint8
(points, 16, 65, 65), where the source has it; `store.json` with the table of sequences and check
sums. It is built under a temporary name and renamed when complete, so that a killed build never
looks finished; under a lock, so that two processes do not do the work twice; and on disk space that
is taken beforehand, so that a full disk ends in a sentence.
"""

import copy
import errno
import os
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm.auto import tqdm

from helpers.benchmark.layout import STRIPS
from helpers.common.errors import InputError
from helpers.common.files import atomic_path, locked, read_json, write_json
from helpers.common.keys import key
from helpers.dataset.layout import PARTS, PATCH_SIDE, SOURCE_SIDE
from helpers.dataset.parts import OWN_SPLIT

VERSION = 1  # raise it when the same source and recipe give other patches than before
FORMAT = 2  # raise it when store.json says more or says it in another way
CANNOT_RESERVE = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}  # on some disks


class Source(Protocol):
    """Where the patches of a store come from. Its methods are called from several threads."""

    name: str
    parts: dict[str, tuple[str, ...]]  # scenes of train, validation and test; names are disjoint
    recipe: dict[str, Any]  # every setting that decides the content, JSON-able
    keeps65: bool  # whether `fill` gives clean65

    def key(self) -> Any:
        """Something JSON-able, quick to get, that changes when the source files do."""

    def measure(self, scene: str) -> tuple[int, Any]:
        """Number of points of a scene, and what `fill` needs to know to make them."""

    def fill(self, scene: str, plan: Any, out: dict[str, np.ndarray]) -> str:
        """Fills clean, noisy (and clean65) of a scene; returns a digest of its source bytes."""


def scene_generator(scene: str, seed: int, purpose: str) -> np.random.Generator:
    """A generator for each scene and purpose, so that scenes can be built in any order."""
    return np.random.default_rng([seed, zlib.crc32(f"{scene}/{purpose}".encode())])


class PatchStore:
    """A dataset on disk: memory-mapped patches and the table of their sequences.

    Attributes:
        name: of the source, "photographs" for example.
        split: the split it was opened with, "a" or "view, 3 chosen scenes" for example.
        clean: uint8 (points, 16, 32, 32), strips in the order of layout.STRIPS.
        noisy: the same with noise; row and strip belong to the same patch as in `clean`.
        clean65: uint8 (points, 16, 65, 65), or None where the source has no 65 px patches.
        sequences: rows of each sequence, as slices, in order of the rows.
        parts: disjoint sequence names of "train", "validation" and "test".
        fingerprint: sha256 of the source files' bytes, the recipe with its seed, and VERSION.
    """

    def __init__(self, folder: Path | str):
        """Opens a finished store.

        Raises:
            InputError: a file of the store is missing or damaged.
        """
        self.folder = Path(folder)
        self._table = _read_table(self.folder / "store.json")
        self.name: str = self._table["name"]
        self.split: str = self._table["split"]
        self.fingerprint: str = self._table["fingerprint"]
        self.parts = {part: tuple(names) for part, names in self._table["parts"].items()}
        ends = np.cumsum(list(self._table["points"].values())).tolist()
        self.scenes = {
            name: slice(end - points, end)
            for (name, points), end in zip(self._table["points"].items(), ends, strict=True)
        }
        self.clean = self._map("clean", PATCH_SIDE)
        self.noisy = self._map("noisy", PATCH_SIDE)
        self.clean65 = self._map("clean65", SOURCE_SIDE) if self._table["keeps65"] else None

    def _map(self, array: str, side: int) -> np.memmap:
        path = self.folder / f"{array}.npy"
        shape = (sum(self._table["points"].values()), len(STRIPS), side, side)
        try:
            mapped = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is damaged ({error}): {_cure(self.folder)}") from error
        if mapped.shape != shape or mapped.dtype != np.uint8:
            raise InputError(
                f"{path} has shape {mapped.shape} and type {mapped.dtype} instead of {shape} and "
                f"uint8: {_cure(self.folder)}"
            )
        return mapped

    def __reduce__(self):
        return PatchStore, (self.folder,)  # another process maps the files anew

    def __len__(self) -> int:
        return len(self.clean)

    def rows(self, part: str) -> np.ndarray:
        """Rows of the points of a part ("train", "validation" or "test"), int64, ascending."""
        return self._rows[part]

    @cached_property
    def _rows(self) -> dict[str, np.ndarray]:
        every = np.arange(len(self))
        return {
            part: np.sort(np.concatenate([every[:0], *(every[self.scenes[n]] for n in names)]))
            for part, names in self.parts.items()
        }

    def lengths(self, part: str) -> dict[str, int]:
        """Number of points of each sequence of a part."""
        spans = {name: self.scenes[name] for name in self.parts[part]}
        return {name: span.stop - span.start for name, span in spans.items()}

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The settings that the store was built with."""
        return self._table["recipe"]

    def summary(self) -> dict[str, Any]:
        """Names and counts, ready for JSON."""
        parts = {}
        for part in PARTS:
            points = sum(self.lengths(part).values())
            scenes = len(self.parts[part])
            parts[part] = {"scenes": scenes, "points": points, "patches": points * len(STRIPS)}
        total = {
            count: sum(part[count] for part in parts.values())
            for count in ("scenes", "points", "patches")
        }
        identity = {name: self._table[name] for name in ("name", "split", "fingerprint", "recipe")}
        return {**identity, "parts": parts, "total": total, "lengths": dict(self._table["points"])}

    def verify(self) -> None:
        """Reads every patch and compares it with what was built; full N-HPatches takes a minute.

        Opening a store checks its table and the sizes of its files only.

        Raises:
            InputError: some patches have changed since.
        """
        with ThreadPoolExecutor(cores()) as pool:
            scenes = pool.map(self._verify_scene, self.scenes)
            for _ in tqdm(scenes, f"{self.name}: verifying", len(self.scenes), leave=False):
                pass

    def _verify_scene(self, scene: str) -> None:
        for array, built in self._table["checksums"][scene].items():
            if zlib.crc32(getattr(self, array)[self.scenes[scene]]) != built:
                path = self.folder / f"{array}.npy"
                raise InputError(f"{path} has changed in {scene}: {_cure(self.folder)}")


def _read_table(path: Path) -> dict[str, Any]:
    try:
        table = read_json(path)
    except InputError:
        table = None
    if not isinstance(table, dict) or table.pop("checksum", None) != key(table):
        raise InputError(f"{path} is missing or was changed: {_cure(path.parent)}")
    return table


def _cure(folder: Path) -> str:
    return f"delete {folder}, and it is built again."


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
    spans = store.scenes
    longest = max(span.stop - span.start for span in spans.values())
    if points_per_scene is None or points_per_scene >= longest:
        return store
    smaller = copy.copy(store)
    smaller.scenes = {
        name: slice(span.start, min(span.stop, span.start + points_per_scene))
        for name, span in spans.items()
    }
    decisive = f"{store.fingerprint}, {points_per_scene} points of each scene"
    smaller.fingerprint = key(decisive)
    return smaller


# --- building ------------------------------------------------------------------------------------


def open_store(source: Source, folder: Path | str, split: str = OWN_SPLIT) -> PatchStore:
    """Opens the store of a source; builds it first, with a progress bar, if there is none yet.

    Args:
        source: where the patches come from.
        folder: holds all stores, one sub-folder a source, recipe and version.
        split: what to call the source's split, see parts.split_name.

    Raises:
        InputError: something in the source cannot be used, the folder cannot be written, or the
            store was damaged since it was built.
    """
    identity = [VERSION, FORMAT, source.name, split, source.recipe, source.parts, source.key()]
    target = Path(folder) / f"{source.name}-{key(identity)[:16]}"
    if not target.is_dir():
        with locked(target.with_name(f".{target.name}.lock")) as alone:
            if not target.is_dir():  # another process may have built it while this one waited
                print(f"Building the patches of {source.name} (once) ...", flush=True)
                if alone:
                    _remove_leftovers(target)
                try:
                    _build(source, target, split)
                except (OSError, InputError):
                    if not target.is_dir():  # without locks, another process may have been faster
                        raise
    return PatchStore(target)


def _build(source: Source, target: Path, split: str) -> None:
    scenes = [scene for part in PARTS for scene in source.parts[part]]
    with atomic_path(target) as temporary, ThreadPoolExecutor(cores()) as pool:
        temporary.mkdir()
        try:
            measured = pool.map(source.measure, scenes)
            bar = tqdm(measured, f"{source.name}: points", len(scenes), leave=False)
            points, plans = zip(*bar, strict=True)
            _require_points(source, scenes, points)
            maps = _empty_arrays(temporary, sum(points), source.keeps65)
            ends = np.cumsum(points)
            jobs = {}
            for scene, plan, count, end in zip(scenes, plans, points, ends, strict=True):
                out = {name: mapped[end - count : end] for name, mapped in maps.items()}
                jobs[pool.submit(_fill, source, scene, plan, out)] = scene
            digests, checksums = {}, {}
            for job in tqdm(as_completed(jobs), f"{source.name}: patches", len(jobs), leave=False):
                digests[jobs[job]], checksums[jobs[job]] = job.result()
        finally:
            pool.shutdown(cancel_futures=True)  # after an error, start no further scenes
        inputs = [VERSION, source.recipe, source.parts, dict(sorted(digests.items()))]
        table = {
            "name": source.name,
            "split": split,
            "fingerprint": key(inputs),
            "recipe": source.recipe,
            "parts": source.parts,
            "points": dict(zip(scenes, points, strict=True)),
            "keeps65": source.keeps65,
            "checksums": checksums,
        }
        write_json(temporary / "store.json", table | {"checksum": key(table)})


def _fill(source: Source, scene: str, plan: Any, out: dict[str, np.ndarray]) -> tuple[str, dict]:
    """Digest of the source of a scene, and check sums of the patches that came of it."""
    digest = source.fill(scene, plan, out)
    return digest, {array: zlib.crc32(patches) for array, patches in out.items()}


def _require_points(source: Source, scenes: list[str], points: tuple[int, ...]) -> None:
    for scene, count in zip(scenes, points, strict=True):
        if count == 0:
            raise InputError(
                f"{source.name}: scene {scene} gives not a single patch, so leave it out "
                "(for images: too little detail, or no region that all six show)."
            )


def _empty_arrays(folder: Path, points: int, keeps65: bool) -> dict[str, np.memmap]:
    """New .npy files of their full size, their disk space already taken."""
    sides = {"clean": PATCH_SIDE, "noisy": PATCH_SIDE} | (
        {"clean65": SOURCE_SIDE} if keeps65 else {}
    )
    maps = {}
    for name, side in sides.items():
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
        except AttributeError:  # macOS, Windows
            pass
        except OSError as error:
            if error.errno not in CANNOT_RESERVE:
                raise
        file.seek(start)
        for first in range(start, size, 2**20):
            file.write(bytes(min(2**20, size - first)))


def _remove_leftovers(target: Path) -> None:
    """Removes what killed builds of the same store have left."""
    for folder in target.parent.glob(f".{target.name}-*"):
        shutil.rmtree(folder, ignore_errors=True)
