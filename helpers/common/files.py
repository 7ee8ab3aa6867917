"""Reading and writing small files so that a killed run never leaves a half-written one."""

import errno
import hashlib
import json
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from helpers.common.errors import InputError

NOT_WRITABLE = {"ENOSPC", "EDQUOT", "EFBIG", "EACCES", "EPERM", "EROFS", "EISDIR"}
NOT_WRITABLE |= {"ENOTDIR", "EEXIST"}  # a file where a folder should be


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path beside `path` that takes its place once the block succeeds.

    Its suffix is that of `path`, since savers choose their format by it. Of two processes the last
    one's file stays, but the first one's folder. Missing parents are made.

    Raises:
        InputError: the place cannot be written (no permission, disk full).
    """
    path = Path(path).absolute()  # "." has no name of its own
    unique = f"{owner()}-{uuid.uuid4().hex[:8]}"
    temporary = path.with_name(f".{path.stem}-{unique}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if temporary.is_file():
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())  # else the name may reach the disk before the content
        _put(temporary, path)
    except OSError as error:
        where = Path(error.filename or path)
        # A missing parent may be what cannot be made.
        inside = where in (temporary, path, *path.parents) or temporary in where.parents
        if not inside or errno.errorcode.get(error.errno) not in NOT_WRITABLE:
            raise  # something else failed inside the block; its own message is the right one
        raise InputError(
            f"{path} could not be written ({error.strerror}): "
            "free some space or choose a folder that you may write to."
        ) from error
    finally:
        _remove(temporary)


def _put(temporary: Path, path: Path) -> None:
    try:
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise  # else another process was first, and has made the same folder


def remove_leftovers(folder: Path) -> None:
    """Removes what killed processes of this machine left of `atomic_path` in a folder."""
    for path in folder.glob(".*"):
        found = re.search(r"-([0-9a-f]{6}-\d+)-[0-9a-f]{8}(\.\w+)?$", path.name)
        if found and is_gone(found[1]):
            _remove(path)


def machine() -> str:
    """A short name of this machine, the same for all of its processes."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]


def owner() -> str:
    """A name of this process, by which others can tell whether it is alive."""
    return f"{machine()}-{os.getpid()}"


def is_gone(owner: str) -> bool:
    """Whether a process is known to have ended; of another machine's that is never known."""
    home, _, number = owner.partition("-")
    if home != machine() or not number.isdecimal() or os.name != "posix":
        return False
    try:
        os.kill(int(number), 0)  # sends nothing; on Windows it would
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # it is somebody else's
        pass
    return False


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # what could not be made need not be removed
            path.unlink()


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Holds a lock file, waiting for it; the system frees it when its process ends in any way.

    Yields:
        Whether the lock is held. Where the system or the disk knows no such locks it is not: then
        two builds at once both do the work, and the first one to finish is the one that stays.

    Raises:
        InputError: the lock file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        cure = "free some space, or let NHPATCHES_HOME name a folder that you may write to."
        raise InputError(f"{path.parent} cannot be written ({error.strerror}): {cure}") from error
    with file:
        held = False
        with suppress(ImportError, OSError):  # Windows, some network disks
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
            held = True
        yield held


def write_text(path: Path | str, text: str) -> None:
    """Writes a UTF-8 text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Writes a JSON file atomically; NaN is refused because other readers do not know it."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path | str, kind: Any = dict, cure: str = "delete it and run again") -> Any:
    """Reads a JSON file that somebody else may have written or damaged.

    Args:
        kind: what it must hold, as a type hint that pydantic understands: dict[str, float], say.
        cure: what the user can do about other content.

    Raises:
        InputError: the file is missing, no JSON, or not of that kind; NaN and Infinity are no JSON.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        value = json.loads(text, parse_constant=_refuse)
        return TypeAdapter(kind).validate_python(value, strict=True)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: run the step that writes it first.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): name another one.") from error
    except ValidationError as error:
        first = error.errors()[0]
        wrong = f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
        raise InputError(f"{path} does not hold what is needed ({wrong}): {cure}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}): {cure}.") from error


def _refuse(constant: str):
    raise ValueError(f"{constant} is no number of JSON")
