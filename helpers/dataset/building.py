"""Building the store of a source.

It is built under a temporary name and renamed when complete, so that a killed build never looks
finished; under a lock, so that two processes do not do the work twice; and on disk space that is
taken beforehand, so that a full disk ends in a sentence.
"""

import errno
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from helpers.benchmark.layout import STRIPS
from helpers.common.errors import InputError
from helpers.common.files import atomic_path, locked, remove_leftovers, write_json
from helpers.common.keys import key
from helpers.dataset.likeness import unlike_ref
from helpers.dataset.store import SHOWN, VERSION, PatchStore, Source, sides, spans

FORMAT = 3  # raise it when store.json says more or says it in another way


def open_store(source: Source, folder: Path | str) -> PatchStore:
    """Opens the store of a source; builds it first, with a progress bar, if there is none yet.

    Args:
        source: where the patches come from.
        folder: holds all stores, one sub-folder a source, recipe and version.

    Raises:
        InputError: something in the source cannot be used, the folder cannot be written, or the
            store was damaged since it was built.
    """
    identity = [VERSION, FORMAT, source.name, source.recipe, source.keeps65, source.scenes]
    target = Path(folder) / f"{source.name}-{key([*identity, source.key()], 16)}"
    if not target.is_dir():
        with locked(target.with_name(f".{target.name}.lock")) as alone:
            if not target.is_dir():  # another process may have built it while this one waited
                if alone:
                    remove_leftovers(target.parent)
                try:
                    _build(source, target)
                except (OSError, InputError):
                    if not target.is_dir():  # without locks, another process may have been faster
                        raise
    return PatchStore(target, source.parts, source.split)


def _build(source: Source, target: Path) -> None:
    print(f"Building the patches of {source.name} (once, for all splits) ...", flush=True)
    with atomic_path(target) as temporary:
        temporary.mkdir()
        counts, found = _measure(source)
        _announce(source, sum(counts.values()), target.parent)
        arrays = _empty_arrays(temporary, sum(counts.values()), source.keeps65)
        rows = spans(counts)

        def fill(scene):
            out = {name: array[rows[scene]] for name, array in arrays.items()}
            digest = source.fill(scene, found[scene], out)
            sums = {name: zlib.crc32(patches) for name, patches in out.items()}
            return digest, sums, unlike_ref(scene, out["clean"])

        filled = SHOWN.spread(fill, source.scenes, f"{source.name}: patches")
        digests, sums, warnings = zip(*filled, strict=True)
        table = {
            "name": source.name,
            "recipe": source.recipe,
            "points": counts,
            "keeps65": source.keeps65,
            "digests": dict(zip(source.scenes, digests, strict=True)),
            "checksums": dict(zip(source.scenes, sums, strict=True)),
            "notes": source.notes(counts) + [warning for warning in warnings if warning],
        }
        write_json(temporary / "store.json", table | {"checksum": key(table)})


def _measure(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Number of points of each scene, and what was found in it."""
    measured = SHOWN.spread(source.measure, source.scenes, f"{source.name}: points")
    counts, found = (
        dict(zip(source.scenes, each, strict=True)) for each in zip(*measured, strict=True)
    )
    if empty := [scene for scene, count in counts.items() if count == 0]:
        raise InputError(
            f"{source.name}: scene {empty[0]} gives not a single patch (for images: too little "
            "detail, or no region that all six show), so let --scenes (SCENES=) name others."
        )
    return counts, found


def _announce(source: Source, points: int, folder: Path) -> None:
    size = {name: points * len(STRIPS) * side**2 for name, side in sides(source.keeps65).items()}
    large = size.get("clean65", 0)
    less = f"; {large / 1e9:.1f} GB less as {source.lighter}" * bool(source.lighter and large > 1e9)
    print(
        f"{len(source.scenes)} scenes, {points:,} points, {_in_words(sum(size.values()))} to be "
        f"stored in {folder}{less}.",
        flush=True,
    )


def _in_words(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size > 1e9 else f"{size / 1e6:.0f} MB"


def _empty_arrays(folder: Path, points: int, keeps65: bool) -> dict[str, np.memmap]:
    """New .npy files of their full size, their disk space already taken."""
    maps = {}
    for name, side in sides(keeps65).items():
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
