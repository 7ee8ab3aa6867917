"""The published task lists of the official splits: fetched once, verified, cached."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from .errors import BenchmarkError
from .files import atomic_path
from .tasks import PAIR_FILES, PATCH_FILES

ADDRESS = "https://raw.githubusercontent.com/hpatches/hpatches-benchmark/master/tasks/"
SECONDS = 30  # without an answer, then we give up

# Git blob ids (sha1) of the pair lists and sha256 of the retrieval lists, in the order of `STEMS`.
# Source: the listing and files of hpatches/hpatches-benchmark, folder tasks.
STEMS = (*PAIR_FILES.values(), *PATCH_FILES.values())
HASHES = {
    "a": (
        "cdea234c2f368e8d499974b2d57c90786edf03ea",
        "2e9b16b96c7c3442b9aad1fddbe5a5ef36c5eb9e",
        "eeb6f9e5667c80fe3bf70fd1c1ad420c59464272",
        "9a1cc25469f672da4a642b02360dc563a2c8af8080ec9841376c6843e8f7ea3a",
        "e4d0a3154d170b8d54aec05c0296cc289b042a8addf5b36351cf2c56602fbc85",
    ),
    "b": (
        "74da405294ed952673995b0eddb8699139d18db8",
        "cbad706f99f2f3d677445b8a798c1fed281c1484",
        "3fe33fbb285d20ed7f1a8fe9b04539581ebe9546",
        "1bb0554498cfdbce6e16afa2aec4b9527c0387c9df2e36ca68eef0a1e9a566f3",
        "0cfc0e1b075ee97dad845aba66215eabc02aa37bc2540d66049355c471e54e8f",
    ),
    "c": (
        "ed99830075a1cbb003fdf3fcb613125348e7b608",
        "dc9610013502887d8d4528e0d335494e78820d72",
        "64dfc23f5667ed04a6a3de4d43d07603fff11cb5",
        "1ac37b424fe69b4d3140e46672d336e1dbf99a8c9aab35a3724ee53f9d173791",
        "7876980a1ab106b3deebef2a2966df4b5921d31bc09df54aeb82c03544257735",
    ),
    "illum": (
        "f4c76eca69fcbdbaa036648cd0a817a84c70061b",
        "31fa250008759fd99aae1949b184b7cd2d4ed61e",
        "343931e59bb493b18bd15ad229a7042cff12089e",
        "a3294d801eefa0579eb543a379343ca772dca71498db768173806e32b5bfc6dc",
        "ec9ea07576660a449f9ba4bd564fa53b906c36e3603896382ca320f43324def3",
    ),
    "view": (
        "3758e751ef0f1a60428c422055a527c59cb3882f",
        "aaa1574f767cb3dfd09e865488ea0f07cfa6a031",
        "e8631fb3b469dbd170e8e522aacdeb8e0d2db4ab",
        "9f22b14c47a177de13fece48c7aa58527a84a8459964d94cd35a3ab41509adee",
        "5d92e43fda28f4f3d0c18b59414fb907d704f397579eac73079ee910aaab8d2f",
    ),
    "full": (
        "8d2e3c91f0a715fd5eb9e9562d4f153210c4c53b",
        "fa411d6b7b65de01ba9e6aca0cc138d62785e4b5",
        "0174187de6d9fc83e574cb83ea15e6c222c11311",
        "d34f4ee6530f791b796a9a2d78b0153e4a8d31ce0ecd3263686b0411e265c072",
        "a913f9196185dac05555686fd22fad19048c56920bf5cbd81688fa41770dc6e2",
    ),
}


def cache_folder() -> Path:
    """Where the lists are kept: `$HPATCHES_TASKS`, or `hpatches-tasks` in the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("HPATCHES_TASKS") or Path(home) / "hpatches-tasks")


def fetch_tasks(split: str) -> Path:
    """Makes sure that the five lists of an official split are there.

    Args:
        split: `a`, `b`, `c`, `illum`, `view` or `full`.

    Returns:
        The folder that holds them.

    Raises:
        BenchmarkError: they cannot be fetched, or are not the published ones.
    """
    folder = cache_folder()
    for stem, expected in zip(STEMS, HASHES[split], strict=True):
        path = folder / f"{stem}_split-{split}.csv"
        if not path.is_file():
            _fetch(ADDRESS + path.name, path, expected)
        elif digest(path.read_bytes(), expected) != expected:
            raise BenchmarkError(
                f"{path} is not the published list: delete it, and it will be fetched again."
            )
    return folder


def _fetch(address: str, path: Path, expected: str) -> None:
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:
            content = answer.read()
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise BenchmarkError(
            f"{address} could not be fetched ({getattr(error, 'reason', error)}): put this file "
            f"and its four companions into {path.parent}, or name their folder with --tasks, or "
            "draw lists of your own with --generate."
        ) from error
    if digest(content, expected) != expected:
        raise BenchmarkError(
            f"{address} is not the published list (its hash differs): try again, or put the list "
            f"into {path.parent} by hand."
        )
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def digest(content: bytes, like: str) -> str:
    """Hash of the same kind as `like`: sha256, or the sha1 that Git names the content by."""
    if len(like) == 64:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
