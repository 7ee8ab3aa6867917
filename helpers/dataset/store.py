"""PatchStore: a dataset built once, then mapped into memory instead of read.

A store is one folder: `clean.npy` and `noisy.npy`, uint8 (points, 16, 32, 32); `clean65.npy`, uint8
(points, 16, 65, 65), where the source has it; `store.json` with the table of sequences. It is built
under a temporary name and renamed when complete, so that a killed build never looks finished.
"""

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm.auto import tqdm

from helpers.dataset.layout import PARTS, PATCH_SIDE, SOURCE_SIDE, STRIPS
from helpers.errors import InputError
from helpers.files import atomic_path, read_json, write_json

VERSION = 1  # raise it when the same source and recipe give other patches than before


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
        self._table = read_json(self.folder / "store.json")
        self.name: str = self._table["name"]
        self.fingerprint: str = self._table["fingerprint"]
        self.parts = {part: tuple(names) for part, names in self._table["parts"].items()}
        ends = np.cumsum(list(self._table["points"].values())).tolist()
        self.sequences = {
            name: slice(end - points, end)
            for (name, points), end in zip(self._table["points"].items(), ends, strict=True)
        }
        self.clean = self._map("clean", PATCH_SIDE)
        self.noisy = self._map("noisy", PATCH_SIDE)
        has65 = (self.folder / "clean65.npy").exists()
        self.clean65 = self._map("clean65", SOURCE_SIDE) if has65 else None

    def _map(self, array: str, side: int) -> np.memmap:
        path = self.folder / f"{array}.npy"
        shape = (sum(self._table["points"].values()), len(STRIPS), side, side)
        try:
            mapped = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is damaged ({error}): delete {self.folder}.") from error
        if mapped.shape != shape or mapped.dtype != np.uint8:
            raise InputError(f"{path} has shape {mapped.shape}, not {shape}: delete {self.folder}.")
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
            part: np.sort(np.concatenate([every[:0], *(every[self.sequences[n]] for n in names)]))
            for part, names in self.parts.items()
        }

    def lengths(self, part: str) -> dict[str, int]:
        """Number of points of each sequence of a part."""
        spans = {name: self.sequences[name] for name in self.parts[part]}
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
        identity = {"name": self.name, "fingerprint": self.fingerprint, "recipe": self.recipe}
        return {**identity, "parts": parts, "total": total, "lengths": dict(self._table["points"])}


# Building -----------------------------------------------------------------------------------------


def open_store(source: Source, folder: Path | str) -> PatchStore:
    """Opens the store of a source; builds it first, with a progress bar, if there is none yet.

    Args:
        source: where the patches come from.
        folder: holds all stores, one sub-folder a source, recipe and version.
    """
    identity = [VERSION, source.name, source.recipe, source.parts, source.key()]
    target = Path(folder) / f"{source.name}-{_sha256(identity)[:16]}"
    if not target.is_dir():
        with locked(target.with_name(f".{target.name}.lock")):
            if not target.is_dir():  # another process may have built it while this one waited
                print(f"Building the patches of {source.name} (once) ...", flush=True)
                _remove_leftovers(target)
                _build(source, target)
    return PatchStore(target)


def _build(source: Source, target: Path) -> None:
    scenes = [scene for part in PARTS for scene in source.parts[part]]
    with atomic_path(target) as temporary, ThreadPoolExecutor(_cores()) as pool:
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
                jobs[pool.submit(source.fill, scene, plan, out)] = scene
            digests = {}
            for job in tqdm(as_completed(jobs), f"{source.name}: patches", len(jobs), leave=False):
                digests[jobs[job]] = job.result()
        finally:
            pool.shutdown(cancel_futures=True)  # after an error, start no further scenes
        inputs = [VERSION, source.recipe, source.parts, dict(sorted(digests.items()))]
        table = {
            "name": source.name,
            "fingerprint": _sha256(inputs),
            "recipe": source.recipe,
            "parts": source.parts,
            "points": dict(zip(scenes, points, strict=True)),
        }
        write_json(temporary / "store.json", table)


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
        if hasattr(os, "posix_fallocate"):  # a full disk must fail here, not crash a later write
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return maps


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock file, waiting for it; the system frees it when its process ends in any way.

    Where the system or the disk knows no such locks, nothing is held: two builds at once then both
    do the work, and the second one to finish is the one that stays.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        with suppress(OSError):  # some network disks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_leftovers(target: Path) -> None:
    """Removes what killed builds of the same store have left."""
    for folder in target.parent.glob(f".{target.name}-*"):
        shutil.rmtree(folder, ignore_errors=True)
