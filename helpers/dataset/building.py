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
from helpers.dataset.info import unlike_ref
from helpers.dataset.store import (
    FORMAT,
    SHOWN,
    VERSION,
    PatchStore,
    Source,
    sides,
    spans,
    table_key,
)


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
        with locked(target.with_name(f".{target.name}.lock")):
            remove_leftovers(target.parent)
            if not target.is_dir():  # another process may have built it while this one waited
                _build(source, target)
    return PatchStore(target, source.parts, source.split)


def _build(source: Source, target: Path) -> None:
    print(f"Building the patches of {source.name} (once, for all splits) ...", flush=True)
    with atomic_path(target) as temporary:
        temporary.mkdir()
        counts, found = _measure(source)
        rows, points = spans(counts), sum(counts.values())
        size = points * len(STRIPS) * sum(side**2 for side in sides(source.keeps65).values()) / 1e6
        text = f"{len(counts)} scenes, {points:,} points, {size:,.0f} MB to be stored in"
        print(f"{text} {target.parent}.", flush=True)
        arrays = _empty_arrays(temporary, points, source.keeps65)

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
            "points": counts,  # of each scene, in the order of the rows
            "keeps65": source.keeps65,
            "digests": dict(zip(source.scenes, digests, strict=True)),  # of source bytes
            "checksums": dict(zip(source.scenes, sums, strict=True)),  # array by array
            "notes": source.notes(counts) + [warning for warning in warnings if warning],
        }
        write_json(temporary / "store.json", table | {"checksum": table_key(table)})


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


def _empty_arrays(folder: Path, points: int, keeps65: bool) -> dict[str, np.memmap]:
    """New .npy files of their full size, their disk space already taken."""
    maps = {}
    for name, side in sides(keeps65).items():
        path, shape = folder / f"{name}.npy", (points, len(STRIPS), side, side)
        maps[name] = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
        with path.open("r+b") as file:  # a full disk must fail here, not crash a later write
            try:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except (AttributeError, OSError) as error:  # macOS has none, some disks refuse
                if getattr(error, "errno", None) == errno.ENOSPC:
                    raise
                file.seek(maps[name].offset)
                for _ in range(points):
                    file.write(bytes(len(STRIPS) * side**2))
    return maps
