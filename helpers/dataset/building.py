"""Building a store, once, whatever happens meanwhile.

It is built under a temporary name and renamed when complete, so that a killed build never looks
finished; under a lock, so that two processes do not do the work twice; and on disk space that is
taken beforehand, so that a full disk ends in a sentence.
"""

import errno
import os
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from helpers.dataset.layout import PARTS, PATCH_SIDE, SOURCE_SIDE, STRIPS
from helpers.dataset.parts import OWN_SPLIT
from helpers.dataset.store import PatchStore, Source, cores, sha256
from helpers.errors import InputError
from helpers.files import atomic_path, locked, write_json

VERSION = 1  # raise it when the same source and recipe give other patches than before
FORMAT = 2  # raise it when store.json says more or says it in another way
CANNOT_RESERVE = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}  # on some disks


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
    target = Path(folder) / f"{source.name}-{sha256(identity)[:16]}"
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
            "fingerprint": sha256(inputs),
            "recipe": source.recipe,
            "parts": source.parts,
            "points": dict(zip(scenes, points, strict=True)),
            "keeps65": source.keeps65,
            "checksums": checksums,
        }
        write_json(temporary / "store.json", table | {"checksum": sha256(table)})


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
