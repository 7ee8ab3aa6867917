"""Fetching the published archives: resumable, checked, and unpacked only where that is needed."""

import hashlib
import shutil
import tarfile
import zipfile
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm.auto import tqdm

from helpers.common.errors import InputError, reason
from helpers.common.files import atomic_path

TIMEOUT = 60  # seconds without a byte
TRIES = 5  # times that a broken connection is taken up again
ELSEWHERE = "https://huggingface.co/datasets/vbalnt/hpatches"
# HTTPException: an answer that breaks off or is no HTTP.
NO_CONNECTION = (URLError, HTTPException, TimeoutError, ConnectionError)


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
    checked and used.

    Args:
        name: n-hpatches, hpatches or sequences.
        archive: another place to fetch it from.

    Returns:
        The source for `open_dataset`, "n-hpatches:data/n-hpatches.zip" for example.

    Raises:
        InputError: unknown name, no connection, a wrong file, or too little disk space.
    """
    if name not in ARCHIVES:
        raise InputError(f"{name!r} cannot be fetched: choose from {', '.join(ARCHIVES)}.")
    archive = archive or ARCHIVES[name]
    target = Path(folder) / archive.file
    if target.exists():
        check(target, archive)
    else:
        part = target.with_name(target.name + ".part")
        download(archive, part)
        check(part, archive)
        part.replace(target)
    if archive.md5 is None:
        with target.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        way = "over http, which anybody on the way can change, " * archive.url.startswith("http:")
        print(
            f"{target} came {way}and no check sum of it is published: compare its sha256, {found}, "
            f"with that of somebody else's copy, or take it from {ELSEWHERE}."
        )
    if target.suffix == ".zip":
        return f"{name}:{target}"  # read as it is
    return f"{name}:{unpack(target)}"


def download(archive: Archive, part: Path) -> None:
    """Downloads to `part`, starting behind what it has already, and again after broken connections.

    Raises:
        InputError: the server refuses, stays silent, or the disk is full or may not be written.
    """
    for _ in range(TRIES):
        before = part.stat().st_size if part.exists() else 0
        try:
            if _download_once(archive, part, before):
                return
        except HTTPError as error:
            error.close()
            if error.code == 416:  # nothing is left to send
                return
            raise InputError(
                _advice(archive, f"the server answers {error.code}", part.parent)
            ) from error
        except NO_CONNECTION as error:
            if not part.exists() or part.stat().st_size == before:
                reason = f"there is no connection ({getattr(error, 'reason', error)})"
                raise InputError(_advice(archive, reason, part.parent)) from error
        except OSError as error:
            raise InputError(
                f"{part} cannot be written ({error.strerror}): free some space or choose another "
                "folder; the same command goes on from there."
            ) from error
    raise InputError(
        f"{part} is incomplete since the connection broke {TRIES} times: "
        "run the same command again, it goes on from there."
    )


def _download_once(archive: Archive, part: Path, start: int) -> bool:
    """One connection; False where it broke before the end."""
    part.parent.mkdir(parents=True, exist_ok=True)
    resume = {"Range": f"bytes={start}-"} if start else {}
    request = Request(archive.url, headers={"User-Agent": "n-hpatches", **resume})
    with urlopen(request, timeout=TIMEOUT) as answer:
        if answer.status != 206:  # the server cannot resume and sends all
            start = 0
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else archive.size
        needed, free = (total or 0) - start, shutil.disk_usage(part.parent).free
        if needed > free:
            raise InputError(
                f"{part.parent} has {free / 1e9:.1f} GB free but {needed / 1e9:.1f} GB are to be "
                "fetched: free some space or choose another folder."
            )
        bar = tqdm(desc=archive.file, initial=start, total=total, unit="B", unit_scale=True)
        with bar, part.open("ab" if start else "wb") as file:
            while block := answer.read(2**20):
                file.write(block)
                bar.update(len(block))
    return total is None or part.stat().st_size >= total


def check(path: Path, archive: Archive) -> None:
    """Checks size, md5 and the kind of a downloaded file.

    Raises:
        InputError: it is not the published file.
    """
    problem = None
    with path.open("rb") as file:
        md5 = archive.md5 and hashlib.file_digest(file, "md5").hexdigest()
    if archive.size is not None and path.stat().st_size != archive.size:
        problem = f"has {path.stat().st_size} bytes instead of {archive.size}"
    elif md5 != archive.md5:
        problem = f"has not the md5 sum {archive.md5}"
    elif archive.file.endswith(".zip") and not zipfile.is_zipfile(path):
        problem = "is no zip file"
    elif archive.file.endswith(".tar.gz") and not tarfile.is_tarfile(path):
        problem = "is no tar.gz file"
    if problem:
        raise InputError(
            f"{path} {problem}: delete it and fetch it again, or take it from {ELSEWHERE}."
        )


def unpack(path: Path) -> Path:
    """Unpacks a tar.gz beside itself, once; links and paths that lead out of it are refused.

    Raises:
        InputError: the archive is damaged or unsafe, or the disk is full.
    """
    folder = path.with_name(path.name.removesuffix(".tar.gz"))
    if folder.exists():
        return folder
    if not hasattr(tarfile, "data_filter"):
        raise InputError(f"This Python cannot unpack {path} safely: use Python 3.11.4 or newer.")
    try:
        with atomic_path(folder) as temporary, tarfile.open(path, "r|gz") as archive:
            temporary.mkdir()
            for member in tqdm(archive, f"unpacking {path.name}", unit=" files"):
                if member.isfile() or member.isdir():
                    archive.extract(member, temporary, filter="data")
    except InputError:
        raise
    except Exception as error:  # fuzzing finds half a dozen kinds, of tarfile and zlib
        raise InputError(
            f"{path} cannot be unpacked ({reason(error)}): delete it and fetch it again."
        ) from error
    return folder


def _advice(archive: Archive, problem: str, folder: Path) -> str:
    return (
        f"{archive.url} cannot be fetched because {problem}: get {archive.file} from {ELSEWHERE} "
        f"or from your course, put it into {folder} and run this again."
    )
