"""Which scenes are for training, for validation and for the test."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from os.path import expanduser
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from helpers.benchmark.errors import BenchmarkError
from helpers.benchmark.splits import load_split
from helpers.common.errors import InputError
from helpers.common.values import Count, Seed, check
from helpers.dataset.layout import PARTS

VALIDATION_SHARE = 6  # every sixth training scene is held out; test scenes never are
SPLIT_FILE = "split.json"
OWN_SPLIT = "its own"  # name of the split that a dataset brings along
# Scenes that each part must have. Scores of verification and retrieval compare with other scenes,
# and so does the search, on validation scenes.
LEAST = {
    "look at it": {},  # at any part
    "train": {"train": 1, "validation": 1},
    "search": {"train": 1, "validation": 2},
    "score": {"test": 1},
    "report": {"train": 1, "validation": 2, "test": 2},
}
_SPLIT = TypeAdapter(dict[Literal[PARTS], list[str]])


@dataclass(frozen=True)
class Choice:
    """What is taken of a dataset, and the seed of what is made for it; see `open_dataset`."""

    split: str | dict | None = None
    scenes: str | Sequence[str] | None = None  # "v_boat, i_leuven" becomes a list; None for all
    points_per_scene: int | None = None
    seed: int = 0
    keep65: bool = True

    def __post_init__(self):
        """Raises InputError for numbers out of range."""
        names = self.scenes.split(",") if isinstance(self.scenes, str) else self.scenes or ()
        given = [name.strip() for name in names if name.strip()] or None
        object.__setattr__(self, "scenes", given)
        for name in ("points_per_scene", "seed"):  # NumPy's whole numbers, too
            if isinstance(value := getattr(self, name), np.integer):
                object.__setattr__(self, name, int(value))
        check("points_per_scene", self.points_per_scene, Count | None)
        check("seed", self.seed, Seed)


def choose_parts(
    found: Collection[str], split: str | dict, scenes: Sequence[str] | None = None
) -> dict[str, tuple[str, ...]]:
    """Names of the scenes of "train", "validation" and "test", any of which may stay empty.

    Scenes of a split that the dataset lacks are left out here (see `check_names`), as are those of
    the dataset that the split does not name. Where the split holds out no validation scenes, every
    sixth training scene becomes one, but two of four or more, as a search needs two.

    Args:
        found: names of the scenes that there are.
        split: a, b, c, illum, view or full; or {"train": [...], "test": [...]} with names of scenes
            and, if wanted, "validation"; or the path of a JSON file with that.
        scenes: only these, all where None.

    Raises:
        InputError: unknown split, no split in the file, or a scene in two parts.
    """
    parts = _named(split)
    kept = set(found) & set(found if scenes is None else scenes)
    train, validation, test = (
        tuple(name for name in parts.get(part, ()) if name in kept) for part in PARTS
    )
    if "validation" not in parts:
        step = min(VALIDATION_SHARE, len(train) // 2)
        validation = train[step - 1 :: step] if len(train) > 3 else train[1:][-1:]
        train = tuple(name for name in train if name not in validation)
    return {"train": train, "validation": validation, "test": test}


def check_names(
    found: Collection[str], split: str | dict | None, scenes: Sequence[str] | None = None
) -> None:
    """Raises InputError where a dataset lacks a scene that the user names in a split or one by one.

    Official splits may name more than there are.
    """
    for scene in scenes or ():
        if scene not in found:
            raise InputError(f"There is no scene {scene!r} here: choose from {some(found)}.")
    if split and not _official(split):
        where = split if isinstance(split, str) else f"The dataset's {SPLIT_FILE}"
        for name in (name for names in _named(split).values() for name in names):
            if name not in found:
                raise InputError(f"{where} names {name}, but there is only {some(found)}.")


def require(data: Any, purpose: str) -> None:
    """Raises InputError where a part of a store or source has too few scenes for a purpose.

    That is one in LEAST; each needs a scene in any part.
    """
    if not any(data.parts.values()):
        raise InputError(
            f"Split {data.split} names none of the scenes that are there ({some(data.scenes)}): "
            "give a JSON file that says which of them are for train, validation and test."
        )
    for part, least in LEAST[purpose].items():
        if len(names := data.parts[part]) < least:
            raise InputError(
                f"The {part} part of split {data.split} has {some(names) or 'no scene'}, but "
                f"{least} or more scenes are needed to {purpose}: give a split (which may be a "
                "JSON file) or scenes with more of them."
            )


def split_name(split: str | dict, scenes: Sequence[str] | None = None) -> str:
    """What to call a split beside scores: "a", "mine.json", "view, 3 chosen scenes"."""
    name = Path(split).name if isinstance(split, str) else OWN_SPLIT
    return f"{name}, {len(scenes)} chosen scenes" if scenes else name


def read_split(text: bytes, where: str) -> dict[str, list[str]]:
    """The scenes of each part, from JSON.

    Raises:
        InputError: it is something else, or names a scene twice; the sentence begins with `where`.
    """
    try:
        parts = _SPLIT.validate_json(text, strict=True)
    except ValidationError as error:
        raise InputError(
            f"{where} is no split ({error.errors()[0]['msg']}): write "
            '{"train": [...], "validation": [...], "test": [...]} with names of scenes.'
        ) from error
    names = Counter(name for part in parts.values() for name in part)
    if names and (twice := names.most_common(1)[0])[1] > 1:
        raise InputError(f"{where} names {twice[0]} twice: a scene belongs to one part only.")
    return parts


def some(names: Collection[str]) -> str:
    """A list for a sentence, cut where it is long."""
    names = sorted(names)
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _official(split: str | dict) -> bool:
    return isinstance(split, str) and not split.endswith(".json")


def _named(split: str | dict) -> dict[str, Sequence[str]]:
    """The scenes that a split names, part by part."""
    if not isinstance(split, str):
        return split
    if not _official(split):
        try:
            text = Path(expanduser(split)).read_bytes()
        except OSError as error:
            raise InputError(
                f"The split {split} cannot be read ({error.strerror}): name another JSON file."
            ) from error
        return read_split(text, split)
    try:
        official = load_split(split)
    except BenchmarkError as error:
        raise InputError(f"{str(error).rstrip('.')}, or the path of a .json file.") from error
    return {"train": sorted(official.train), "test": official.test}
