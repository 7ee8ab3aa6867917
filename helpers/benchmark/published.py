"""The published task lists of the official splits: fetched once, verified, cached."""

import hashlib
import http.client
import json
import os
import urllib.error
import urllib.request
from pathlib import Path

from .errors import BenchmarkError
from .files import atomic_path

ADDRESS = "https://raw.githubusercontent.com/hpatches/hpatches-benchmark/master/tasks/"
SECONDS = 30  # without an answer, then we give up

# Of each split's files, in the folder tasks of hpatches/hpatches-benchmark: Git blob ids (sha1) of
# the pair lists, as the folder's listing has them, and sha256 of the retrieval lists.
HASHES = json.loads(Path(__file__).with_name("published.json").read_text(encoding="utf-8"))


def fetch_tasks(split: str) -> Path:
    """The folder of the five lists of an official split, which are fetched if they are not there.

    It is `$HPATCHES_TASKS`, or `hpatches-tasks` in the user's cache.

    Raises:
        BenchmarkError: they cannot be fetched, or are not the published ones.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("HPATCHES_TASKS") or cache / "hpatches-tasks")
    for name, expected in HASHES[split].items():
        path = folder / name
        content = path.read_bytes() if path.is_file() else _fetched(ADDRESS + name, folder)
        if digest(content, expected) != expected:
            raise BenchmarkError(
                f"{path} is not the published list (its hash differs), or what was fetched for it "
                "is not: delete it if it is there and try again, or put it there by hand."
            )
        if not path.is_file():
            with atomic_path(path) as temporary:
                temporary.write_bytes(content)
    return folder


def _fetched(address: str, folder: Path) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:
            return answer.read()
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise BenchmarkError(
            f"{address} could not be fetched ({getattr(error, 'reason', error)}): put this file "
            f"and its four companions into {folder}, or name their folder with --tasks, or "
            "score the sequences that are there, by lists drawn here, with --split found."
        ) from error


def digest(content: bytes, like: str) -> str:
    """Hash of the same kind as `like`: sha256, or the sha1 that Git names the content by."""
    if len(like) == 64:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
