"""Where a run is while it is being trained: a folder of this machine's own, whoever else trains it.

A lock keeps the processes of one machine apart. But some disks know no locks, and on others (Google
Drive in Colab) no machine sees those of another. So the name of the folder says who works there,
and nobody writes into, or removes, the folder of somebody who may be alive. Whoever takes up the
training of a machine that is gone goes on from a copy of its last checkpoints. Where two train the
same run at once, both come to the same network, and the first one stays.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from helpers.common import files
from helpers.common.provenance import provenance
from helpers.training import checkpoints
from helpers.training.runs import UNFINISHED, require_same, unfinished_folder

UNTOUCHED = 24 * 3600  # seconds without a checkpoint after which whoever made them must be gone


@contextmanager
def claimed(run: Path) -> Iterator[Path]:
    """Yields where to train a run, once no other process that sees our locks is at it."""
    with files.locked(run.with_name(f".{run.name}.lock")) as alone:
        if not alone:
            run.with_name(f"{run.name}.{files.owner()}{UNFINISHED}").mkdir(exist_ok=True)
        yield unfinished_folder(run)


def open_folder(folder: Path, run: Path, described: dict) -> None:
    """Brings the newest checkpoints there, and writes down what is being trained, and on what.

    Raises:
        InputError: the folder holds a training of other settings.
    """
    files.remove_leftovers(folder)
    _copy_newest(folder, run)
    path, now = folder / "settings.json", provenance()
    if not path.is_file():
        files.write_json(path, json.loads(json.dumps(described)) | now)
        return
    before = require_same(folder, described)
    latest = before.copy()
    for change in before.get("continued_on", []):
        latest |= change
    changed = {name: value for name, value in now.items() if latest.get(name) != value}
    if changed:  # only the same device and versions give the same bits, so this must be known
        before["continued_on"] = [*before.get("continued_on", []), changed]
        files.write_json(path, before)
        print(f"  Not on the same {', '.join(changed)} as before the interruption.")


def _copy_newest(folder: Path, run: Path) -> None:
    """Copies the checkpoints of whoever else came further with this run, gone or not."""
    known = [path for one in _folders(run) for path in checkpoints.newest_first(one)]
    newest = max(known, key=lambda path: path.name, default=None)
    own = checkpoints.newest_first(folder)
    if not newest or (own and own[0].name >= newest.name):
        return
    with suppress(FileNotFoundError):  # its owner goes on, and removes old ones
        for path in (newest.parent / "settings.json", *checkpoints.newest_first(newest.parent)):
            with files.atomic_path(folder / path.name) as temporary:
                shutil.copyfile(path, temporary)


def hand_over(folder: Path, run: Path) -> None:
    """Gives a finished run its place; leaves it to one that was there first."""
    try:
        os.replace(folder, run)
    except OSError:
        if not run.is_dir():
            raise
        shutil.rmtree(folder, ignore_errors=True)


def clean_up(run: Path) -> None:
    """Removes what a finished run needs no more: checkpoints, and folders of who is gone for sure.

    Only once it is finished: a run that is killed while finishing must find them.
    """
    checkpoints.remove(run)
    for folder in _folders(run):
        if _is_left(folder, run):
            shutil.rmtree(folder, ignore_errors=True)


def _folders(run: Path) -> list[Path]:
    return list(run.parent.glob(f"{run.name}.*{UNFINISHED}"))


def _is_left(folder: Path, run: Path) -> bool:
    owner = folder.name.removeprefix(f"{run.name}.").removesuffix(UNFINISHED)
    with suppress(OSError):  # its owner has just renamed or removed something
        latest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
        return files.is_gone(owner) or time.time() - latest > UNTOUCHED
    return False
