"""A folder or a zip file, read the same way; a zip is never unpacked, so nothing can escape it."""

import os
import stat
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from helpers.common.errors import InputError, reason

LARGEST_FILE = 2**30  # bytes; the largest genuine strip has some 20 MB
LARGEST_RATIO = 200  # PNG files hardly shrink in a zip; a bomb shrinks a thousandfold


def open_tree(path: Path | str) -> "Folder | Zip":
    """Opens a folder, or a zip file.

    Either has `files`, a dictionary from paths within, with forward slashes, to something that
    changes with the content, and `read(name, limit)` for the bytes of one, or the first of them.

    Raises:
        InputError: there is no such folder or file, it may not be read, or it is no safe zip.
    """
    path = Path(os.path.expanduser(path))  # which leaves ~nobody as it is
    if not path.is_dir() and not path.is_file():
        raise InputError(f"{path} does not exist: give the folder or zip file of the dataset.")
    return Folder(path) if path.is_dir() else Zip(path)


class Folder:
    """A folder with sub-folders of files; deeper ones are seen, links to elsewhere are followed."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self.files = {
                file.relative_to(path).as_posix(): (file.stat().st_size, file.stat().st_mtime_ns)
                for file in _files(path)
                if file.is_file()  # no pipe or device, and links may lead nowhere
            }
        except OSError as error:
            raise InputError(
                f"{error.filename} cannot be read ({error.strerror}): ask for permission."
            ) from error

    def read(self, name: str, limit: int = -1) -> bytes:
        try:
            with (self.path / name).open("rb") as file:
                return file.read(limit)
        except OSError as error:
            raise InputError(
                f"{self.path / name} cannot be read ({error.strerror}): "
                "check its permissions or fetch it again."
            ) from error


def _files(path: Path) -> Iterator[Path]:
    """Files of a folder and of two levels below it; unlike glob, names what it may not read."""

    def stop(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(path, onerror=stop, followlinks=True):
        folders.sort()
        if len(Path(place).relative_to(path).parts) == 2:
            folders.clear()
        yield from (Path(place) / name for name in sorted(names))


class Zip:
    """A zip file whose list of contents has been checked."""

    def __init__(self, path: Path):
        self.path = path
        self._lock = threading.Lock()
        try:
            self._zip = zipfile.ZipFile(path)
            entries = [entry for entry in self._zip.infolist() if not entry.is_dir()]
        except Exception as error:  # fuzzing finds a dozen kinds, of each way of packing its own
            raise InputError(
                f"{path} is no complete zip file ({reason(error)}): fetch it again, or unpack it "
                "and give the folder."
            ) from error
        if unsafe := [entry.filename for entry in entries if not _is_safe(entry)]:
            raise InputError(
                f"{unsafe[0]!r} in {path} leads out of its folder, is a link or would unpack to "
                "more than a picture can hold: do not use this zip file."
            )
        self.files = {entry.filename: (entry.file_size, entry.CRC) for entry in entries}

    def read(self, name: str, limit: int = -1) -> bytes:
        try:
            with self._lock, self._zip.open(name) as file:
                return file.read(limit)
        except Exception as error:  # as above
            raise InputError(
                f"{name} in {self.path} cannot be read ({reason(error)}): fetch the zip file again."
            ) from error


def _is_safe(entry: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    inside = not path.is_absolute() and ".." not in path.parts and ":" not in entry.filename
    bomb = entry.file_size > max(2**20, LARGEST_RATIO * entry.compress_size)
    is_link = stat.S_ISLNK(entry.external_attr >> 16)
    return inside and not is_link and not bomb and entry.file_size <= LARGEST_FILE
