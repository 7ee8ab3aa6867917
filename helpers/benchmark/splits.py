"""Splits: which sequences are tested and which may be trained on.

The official ones are in `splits.json`, in their official order, since the order decides what the
task generator draws. Source: hpatches/hpatches-benchmark, tasks/splits/splits.json.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import BenchmarkError

OFFICIAL = ("a", "b", "c", "illum", "view", "full")


@dataclass(frozen=True)
class Split:
    """Names of the sequences of one split, in official order."""

    name: str
    test: tuple[str, ...]
    train: tuple[str, ...] = ()


def load_split(name: str, folder: Path | str | None = None) -> Split:
    """Finds a split by name.

    Args:
        name: an official one, or a split of `folder/splits.json`, which goes first if it is there.

    Raises:
        BenchmarkError: no such split, or `splits.json` is not in the official format.
    """
    known = read_content(Path(__file__).with_name("splits.json"))
    if folder and (file := Path(folder) / "splits.json").is_file():
        known |= read_content(file)
    if name not in known:
        raise BenchmarkError(f"There is no split {name!r}: choose one of {', '.join(known)}.")
    return Split(name, tuple(known[name]["test"]), tuple(known[name].get("train", ())))


def in_order(names: Iterable[str], split: str) -> list[str]:
    """Names of sequences in the order of an official split, of any other split by name.

    The order decides what the task generator draws, so a dictionary's must not.
    """
    first = load_split(split).test if split in OFFICIAL else ()
    names = sorted(names)
    return [name for name in first if name in names] + [name for name in names if name not in first]


def read_content(file: Path) -> dict[str, dict[str, list[str]]]:
    """What a `splits.json` in the official format holds, or a BenchmarkError."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        for split in content.values():
            for names in (split["test"], split.get("train", [])):
                if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                    raise TypeError("names are no list of texts")
        return content
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BenchmarkError(
            f"{file} is not a list of splits ({error!r}): it should read "
            '{"a": {"name": "a", "test": ["v_abstract", ...], "train": [...]}}.'
        ) from error
