"""Fetching the published archives: going on where a download broke off, checked, tars unpacked."""

import hashlib
import shutil
import tarfile
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm.auto import tqdm

from helpers.common.errors import InputError, reason
from helpers.common.files import atomic_path

TIMEOUT = 60  # seconds without a byte
ELSEWHERE = "https://huggingface.co/datasets/vbalnt/hpatches"


@dataclass(frozen=True)
class Archive:
    """One published file; `size` in bytes and `md5` where they are known."""

    file: str
    url: str
    size: int | None = None
    md5: str | None = None


_IMPERIAL = "http://icvl.ee.ic.ac.uk/vbalnt/hpatches/"
ARCHIVES = {
    "n-hpatches": Archive(
        "n-hpatches.zip",
        "https://imperialcollegelondon.box.com/shared/static/ah40eq7cxpwq4a6l4f62efzdyt8rm3ha.zip",
        size=4_088_106_554,
    ),
    "hpatches": Archive(
        "hpatches-release.tar.gz",
        _IMPERIAL + "hpatches-release.tar.gz",
        md5="0ab830d37fceb2b4c86cb1cc6cc79a61",
    ),
    "sequences": Archive(
        "hpatches-sequences-release.tar.gz", _IMPERIAL + "hpatches-sequences-release.tar.gz"
    ),
}


def fetch(name: str, folder: Path | str, archive: Archive | None = None) -> str:
    """Downloads a published dataset, or goes on with a download that broke off.

    A file of the right name that lies in the folder already, put there by hand for instance, is
    checked and used. `archive` is another place to fetch it from.

    Returns:
        The source for `open_dataset`, "n-hpatches:data/n-hpatches.zip" for example.

    Raises:
        InputError: unknown name, no connection, a wrong file, or too little disk space.
    """
    if name not in ARCHIVES:
        raise InputError(f"{name!r} cannot be fetched: choose from {', '.join(ARCHIVES)}.")
    archive = archive or ARCHIVES[name]
    target = Path(folder) / archive.file
    path = target if target.exists() else download(archive, target.with_name(f"{target.name}.part"))
    size, md5 = path.stat().st_size, _digest(path, "md5")
    if archive.size not in (None, size) or archive.md5 not in (None, md5):
        raise InputError(
            f"{path} is not the published file, as it has {size} bytes and the md5 sum {md5}: "
            f"delete it and fetch it again, or take it from {ELSEWHERE}."
        )
    path.replace(target)
    if archive.md5 is None:
        way = "over http, which anybody on the way can change, " * archive.url.startswith("http:")
        print(
            f"{target} came {way}and no check sum of it is published: compare its sha256, "
            f"{_digest(target, 'sha256')}, with that of somebody else's copy, or take it from "
            f"{ELSEWHERE}."
        )
    return f"{name}:{target if target.suffix == '.zip' else unpack(target)}"  # a zip is read as is


def download(archive: Archive, part: Path) -> Path:
    """Downloads to `part`, starting behind what it has already, and returns it.

    Raises:
        InputError: the server refuses or is silent, or the disk is full or may not be written.
    """
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "n-hpatches", "Range": f"bytes={start}-"}
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with urlopen(Request(archive.url, headers=headers), timeout=TIMEOUT) as answer:
            start = start if answer.status == 206 else 0  # else it cannot resume and sends all
            length = answer.headers.get("Content-Length")
            total = start + int(length) if length else archive.size
            bar = {"desc": part.name, "initial": start, "total": total}
            file = part.open("ab" if start else "wb")
            with file, tqdm.wrapattr(file, "write", **bar) as shown:
                shutil.copyfileobj(answer, shown, 2**20)
        problem = "the connection broke" if part.stat().st_size < (total or 0) else None
    except HTTPError as error:
        error.close()
        problem = None if error.code == 416 else error  # 416: nothing is left to send
    except (OSError, HTTPException) as error:  # of the connection or the disk
        problem = error
    if problem:
        raise InputError(
            f"{archive.url} cannot be fetched ({problem}): run the same command again, it goes on "
            f"from there, or get {archive.file} from {ELSEWHERE} or from your course, and put it "
            f"into {part.parent}."
        )
    return part


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def unpack(path: Path) -> Path:
    """Unpacks a tar.gz beside itself, once; links and paths that lead out of it are refused.

    Raises:
        InputError: the archive is damaged or unsafe, or the disk is full.
    """
    folder = path.with_name(path.name.removesuffix(".tar.gz"))
    if not folder.exists():
        print(f"Unpacking {path} ...", flush=True)
        with atomic_path(folder) as temporary:
            try:
                shutil.unpack_archive(path, temporary, filter=_files_only)
            except Exception as error:  # fuzzing finds half a dozen kinds, of tarfile and zlib
                raise InputError(
                    f"{path} cannot be unpacked ({reason(error)}): free some space, or delete it "
                    "and fetch it again."
                ) from error
    return folder


def _files_only(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """As "data", but without any link: a chain of them leads older Pythons out (CVE-2025-4517)."""
    safe = tarfile.data_filter(member, folder)
    return safe if member.isfile() or member.isdir() else None
