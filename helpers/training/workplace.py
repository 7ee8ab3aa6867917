"""Where a run is while it is being trained: a folder of this process's own, whoever else trains it.

A lock keeps the processes of one machine apart. But some disks know no locks, and on others (Google
Drive in Colab) no machine sees those of another. So nobody writes into, or removes, the folder of
somebody who may be alive: whoever takes up a training goes on from a copy of the folder that came
furthest. Where two train the same run at once, both come to the same network, and the first stays.
"""

import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from helpers.common import files
from helpers.common.provenance import provenance
from helpers.training import checkpoints
from helpers.training.runs import UNFINISHED, require_same, unfinished_folder

UNTOUCHED = 24 * 3600  # seconds without a checkpoint after which whoever made them must be gone


def open_folder(run: Path, described: dict) -> Path:
    """The folder to train a run in, with what is known of it: what it is, and its checkpoints.

    Raises:
        InputError: the folder holds a training of other settings.
    """
    folder = unfinished_folder(run)
    newest = max([folder, *_folders(run)], key=_reached)
    reached = _reached(newest)
    if newest != folder:
        shutil.rmtree(folder, ignore_errors=True)
        with files.atomic_path(folder) as temporary:
            temporary.mkdir()
            _copy(newest, temporary)
        if _reached(folder) < reached:  # it was taken away meanwhile, by whom it went on to
            return open_folder(run, described)
    else:  # it may be of yesterday, and would be taken for that of somebody who is gone
        with suppress(FileNotFoundError):
            os.utime(folder)
    for place in (folder, run.parent):
        files.remove_leftovers(place)
    _remove_left(run, but=folder)
    path, now = folder / "settings.json", provenance()
    if not path.is_file():
        files.write_json(path, json.loads(json.dumps(described)) | now)
        return folder
    before = require_same(folder, described)
    latest = before.copy()
    for change in before.get("continued_on", []):
        latest |= change
    changed = {name: value for name, value in now.items() if latest.get(name) != value}
    if changed:  # only the same device and versions give the same bits, so this must be known
        before["continued_on"] = [*before.get("continued_on", []), changed]
        files.write_json(path, before)
        print(f"  Not on the same {', '.join(changed)} as before the interruption.")
    return folder


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
    for path in run.glob("*checkpoint-*.npz"):  # damaged ones, too
        path.unlink(missing_ok=True)  # another process may be at it
    shutil.rmtree(unfinished_folder(run), ignore_errors=True)
    _remove_left(run)


def _folders(run: Path) -> list[Path]:
    return list(run.parent.glob(f"{run.name}.*{UNFINISHED}"))


def _reached(folder: Path) -> str:
    return max((path.name for path in checkpoints.newest_first(folder)), default="")


def _copy(folder: Path, target: Path) -> None:
    """Copies what is there of a folder whose owner may go on with it, remove or rename it.

    Not its age, after which the copy, too, would be taken for that of somebody who is gone.
    """
    for place, _, names in os.walk(folder):  # which is silent where there is nothing any more
        there = target / Path(place).relative_to(folder)
        there.mkdir(exist_ok=True)
        for name in sorted(names, reverse=True):  # the newest checkpoint first
            with suppress(FileNotFoundError):
                shutil.copyfile(Path(place, name), there / name)


def _remove_left(run: Path, but: Path | None = None) -> None:
    for folder in _folders(run):
        with suppress(OSError):  # its owner has just renamed or removed something
            latest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            gone = files.is_gone(folder.stem.rpartition(".")[2])
            if folder != but and (gone or time.time() - latest > UNTOUCHED):
                shutil.rmtree(folder, ignore_errors=True)
