"""PatchStore: a dataset built once, then mapped into memory instead of read.

A store is one folder: `clean.npy` and `noisy.npy`, uint8 (points, 16, 32, 32); `clean65.npy`, uint8
(points, 16, 65, 65), where the source has it; `store.json` with the table of sequences and check
sums. `building` makes it.
"""

import hashlib
import json
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm.auto import tqdm

from helpers.dataset.layout import PARTS, PATCH_SIDE, SOURCE_SIDE, STRIPS
from helpers.errors import InputError
from helpers.files import read_json


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
        fingerprint: sha256 of the source files' bytes, the recipe with its seed, and
            building.VERSION.
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
        self.sequences = {
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
        identity = {name: self._table[name] for name in ("name", "split", "fingerprint", "recipe")}
        return {**identity, "parts": parts, "total": total, "lengths": dict(self._table["points"])}

    def verify(self) -> None:
        """Reads every patch and compares it with what was built; full N-HPatches takes a minute.

        Opening a store checks its table and the sizes of its files only.

        Raises:
            InputError: some patches have changed since.
        """
        with ThreadPoolExecutor(cores()) as pool:
            scenes = pool.map(self._verify_scene, self.sequences)
            for _ in tqdm(scenes, f"{self.name}: verifying", len(self.sequences), leave=False):
                pass

    def _verify_scene(self, scene: str) -> None:
        for array, built in self._table["checksums"][scene].items():
            if zlib.crc32(getattr(self, array)[self.sequences[scene]]) != built:
                path = self.folder / f"{array}.npy"
                raise InputError(f"{path} has changed in {scene}: {_cure(self.folder)}")


def _read_table(path: Path) -> dict[str, Any]:
    try:
        table = read_json(path)
    except InputError:
        table = None
    if not isinstance(table, dict) or table.pop("checksum", None) != sha256(table):
        raise InputError(f"{path} is missing or was changed: {_cure(path.parent)}")
    return table


def _cure(folder: Path) -> str:
    return f"delete {folder}, and it is built again."


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def sha256(value: Any) -> str:
    """Hash of a JSON-able value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
