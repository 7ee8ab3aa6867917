"""PatchStore: a dataset built once, then mapped into memory instead of read.

A store is one folder: `clean.npy` and `noisy.npy`, uint8 (points, 16, 32, 32); `clean65.npy`, uint8
(points, 16, 65, 65), where the source has it; `store.json` with the table of scenes and check
sums. It holds all scenes of its source, whatever the split: parts, and fewer points, are views.
"""

import copy
import zlib
from collections.abc import Collection
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from helpers.benchmark.layout import STRIPS
from helpers.benchmark.workers import Resources
from helpers.common.errors import InputError, reason
from helpers.common.files import read_json
from helpers.common.keys import key
from helpers.dataset.layout import PARTS, PATCH_SIDE, SOURCE_SIDE
from helpers.dataset.parts import some

VERSION = 1  # raise it when the same source and recipe give other patches than before
FORMAT = 4  # raise it when store.json says more or says it in another way
SHOWN = Resources(progress=True)  # all cores, with a bar


class Source(Protocol):
    """Where the patches of a store come from. Its methods are called from several threads."""

    name: str
    split: str  # what to call its split, see parts.split_name
    parts: dict[str, tuple[str, ...]]  # scenes of train, validation and test; names are disjoint
    recipe: dict[str, Any]  # every setting that decides the content, JSON-able
    keeps65: bool  # whether `fill` gives clean65
    choosable: tuple[str, ...] = ()  # scenes that a split or a choice may name
    most_points: int | None = None  # that are taken of a scene; None for all

    @property
    def scenes(self) -> tuple[str, ...]:
        """All that are stored, in that order; sources may have some that are in no part."""
        return tuple(sorted(scene for part in PARTS for scene in self.parts[part]))

    def notes(self, points: dict[str, int]) -> list[str]:
        """Sentences on what is not stored whole, given the number of points of each scene."""
        if not (full := [points[scene] for scene in self.scenes].count(self.most_points)):
            return []
        most = f"stop at {self.most_points} points, the most that are taken of one."
        return [f"{self.name}: {full} of {len(self.scenes)} scenes {most}"]

    def key(self) -> Any:
        """Something JSON-able, quick to get, that changes when the source files do."""

    def measure(self, scene: str) -> tuple[int, Any]:
        """Number of points of a scene, and what `fill` needs to know to make them."""

    def fill(self, scene: str, found: Any, out: dict[str, np.ndarray]) -> str:
        """Fills clean, noisy (and clean65) of a scene; returns a digest of its source bytes."""

    def look(self, scene: str) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray] | None:
        """What the patches of a scene were cut from; None for strips, which bring no images.

        Six grey images, five homographies from the first to the others, and the regions
        (points, 4) of `regions.find_regions`.
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
        scenes: rows of each scene, as slices, in order of the rows; of all scenes of the source.
        parts: disjoint names of the scenes of "train", "validation" and "test"; any may be empty.
        unused: names of the scenes in no part.
        notes: sentences on what is left out, by a limit or the split, or looks wrong.
        recipe: the settings that the store was built with.
        fingerprint: sha256 of the bytes behind each part, the recipe with its seed, and VERSION.
    """

    def __init__(
        self, folder: Path | str, parts: dict[str, tuple[str, ...]] | None = None, split: str = ""
    ):
        """Opens a finished store; without `parts`, no scene is in any.

        Raises:
            InputError: a file of the store is missing or damaged.
        """
        self.folder, self.split = Path(folder), split
        table = _read_table(self.folder / "store.json")
        self.name, self.recipe = table["name"], table["recipe"]
        self.parts = {part: tuple((parts or {}).get(part, ())) for part in PARTS}
        self.scenes = self._stored = spans(table["points"])
        used = {name for names in self.parts.values() for name in names}
        self.unused = tuple(name for name in self.scenes if name not in used)
        self.notes = [*table["notes"], *([] if parts is None else _left_out(self))]
        digests = {
            part: {name: table["digests"][name] for name in names}
            for part, names in self.parts.items()
        }
        self.fingerprint = key([VERSION, self.recipe, table["keeps65"], digests])
        self._checksums = table["checksums"]
        count = sum(table["points"].values())
        arrays = {
            name: _map(self.folder / f"{name}.npy", (count, len(STRIPS), side, side))
            for name, side in sides(table["keeps65"]).items()
        }
        self.clean, self.noisy = arrays["clean"], arrays["noisy"]
        self.clean65 = arrays.get("clean65")

    def __reduce__(self):
        shown = {name: getattr(self, name) for name in ("scenes", "notes", "fingerprint")}
        return PatchStore, (self.folder, self.parts, self.split), shown  # the files are mapped anew

    def __len__(self) -> int:
        return len(self.clean)

    def rows(self, part: str) -> np.ndarray:
        """Rows of the points of a part ("train", "validation" or "test"), int64, by scene."""
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
        rows = {name: self.scenes[name] for name in self.parts[part]}
        return {name: span.stop - span.start for name, span in rows.items()}

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
            "unused": len(self.unused),  # scenes
        }

    def verify(self) -> None:
        """Reads every patch (opening a store looks at its table and the sizes of its files only).

        Raises:
            InputError: some patches have changed since the store was built.
        """

        def compare(scene):
            for array, built in self._checksums[scene].items():
                if zlib.crc32(getattr(self, array)[self._stored[scene]]) != built:
                    raise _damaged(self.folder / f"{array}.npy", f"it has changed in {scene}")

        SHOWN.spread(compare, self._stored, f"{self.name}: verifying")


def _left_out(store: PatchStore) -> list[str]:
    if not (count := len(store.unused)):
        return []
    note = f"left out: {count} scene{'s' * (count != 1)} in no part of split {store.split}"
    cure = " A split.json in the folder says which are for what." * (count == len(store.scenes))
    return [f"{note} ({some(store.unused)}).{cure}"]


def _read_table(path: Path) -> dict[str, Any]:
    try:
        table = read_json(path)
    except InputError:
        table = {}
    if table.pop("checksum", None) != table_key(table):
        raise _damaged(path, "missing, changed or of another version")
    return table


def table_key(table: dict[str, Any]) -> str:
    """The check sum within `store.json` of all else in it."""
    return key([FORMAT, table])


def _map(path: Path, shape: tuple[int, ...]) -> np.memmap:
    try:
        mapped = np.lib.format.open_memmap(path, "r")
    except Exception as error:  # junk in a header makes NumPy raise half a dozen kinds
        raise _damaged(path, reason(error)) from error
    fits = (mapped.shape, mapped.dtype, mapped.flags.c_contiguous) == (shape, np.uint8, True)
    if not fits or path.stat().st_size != mapped.offset + mapped.nbytes:
        raise _damaged(path, f"it does not hold {shape} bytes")
    return mapped


def _damaged(path: Path, problem: str) -> InputError:
    return InputError(
        f"{path} is damaged ({problem}): delete {path.parent}, and it is built again."
    )


def sides(keeps65: bool) -> dict[str, int]:
    """Arrays of a store and the side of their patches in pixels."""
    found = {"clean": PATCH_SIDE, "noisy": PATCH_SIDE}
    return found | {"clean65": SOURCE_SIDE} if keeps65 else found


def _counts(lengths: dict[str, int]) -> dict[str, int]:
    points = sum(lengths.values())
    return {"scenes": len(lengths), "points": points, "patches": points * len(STRIPS)}


def spans(points: dict[str, int]) -> dict[str, slice]:
    """Rows of each scene, one scene after the other."""
    ends = dict(zip(points, accumulate(points.values()), strict=True))
    return {scene: slice(end - points[scene], end) for scene, end in ends.items()}


def with_fewer_points(
    store: PatchStore, points_per_scene: int | None, parts: Collection[str] = PARTS
) -> PatchStore:
    """A view of a store that shows the first points of each scene only; nothing is copied.

    Scenes that are cut here have their points in random order; strips keep theirs.

    Args:
        points_per_scene: at most so many; None for all.
        parts: of the scenes of these parts.

    Returns:
        A store whose `scenes`, `rows` and `lengths` are shorter, with a fingerprint of its own;
        the one given if no scene has more points.
    """
    points = {name: count for part in parts for name, count in store.lengths(part).items()}
    limit = points_per_scene or max(points.values(), default=0)
    if not (long := [name for name, count in points.items() if count > limit]):
        return store
    smaller = copy.copy(store)
    starts = {name: store.scenes[name].start for name in long}
    smaller.scenes = store.scenes | {name: slice(at, at + limit) for name, at in starts.items()}
    smaller.fingerprint = key([store.fingerprint, limit, list(parts)])
    smaller.notes = [
        *store.notes,
        f"{' and '.join(parts)}: {len(long)} of {len(points)} scenes have more than {limit} "
        f"points, of which {limit} random ones are used (of strips the first {limit}).",
    ]
    return smaller
