"""Which scenes are for training, for validation and for the test."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.benchmark.errors import BenchmarkError
from helpers.benchmark.splits import load_split
from helpers.common.errors import InputError
from helpers.dataset.layout import PARTS

VALIDATION_SHARE = 6  # every sixth training scene is held out; test scenes never are
SPLIT_FILE = "split.json"
OWN_SPLIT = "its own"  # name of the split that a dataset brings along


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
        if self.points_per_scene is not None and self.points_per_scene < 1:
            raise InputError(f"points_per_scene is {self.points_per_scene}: give 1 or more.")
        if self.seed < 0:
            raise InputError(f"The seed is {self.seed}: give 0 or more.")


def choose_parts(
    found: Collection[str], split: str | dict, scenes: Sequence[str] | None = None
) -> dict[str, tuple[str, ...]]:
    """Sorts the scenes of a dataset into parts.

    Scenes of an official split that the dataset lacks are left out, as are those of the dataset
    that the split does not name. Where the split holds out no validation scenes, every sixth
    training scene becomes one.

    Args:
        found: names of the scenes that there are.
        split: a, b, c, illum, view or full; or {"train": [...], "test": [...]} with names of scenes
            and, if wanted, "validation"; or the path of a JSON file with that.
        scenes: only these, all where None.

    Returns:
        Names of the scenes of "train", "validation" and "test".

    Raises:
        InputError: unknown split, unknown scene, a scene in two parts, or no test scene.
    """
    parts = _named(split, found)
    for scene in scenes or ():
        if scene not in found:
            raise InputError(f"There is no scene {scene!r} here: choose from {_some(found)}.")
    kept = set(found) & set(found if scenes is None else scenes)
    train, validation, test = (
        tuple(name for name in parts.get(part, ()) if name in kept) for part in PARTS
    )
    if not test:
        name = split if isinstance(split, str) else SPLIT_FILE
        raise InputError(
            f"The split ({name}) has no test scene among {_some(kept)}: "
            "choose another split or add a test scene."
        )
    if "validation" not in parts:
        validation = train[VALIDATION_SHARE - 1 :: VALIDATION_SHARE] or train[1:][-1:]
        train = tuple(name for name in train if name not in validation)
    return {"train": train, "validation": validation, "test": test}


def split_name(split: str | dict, scenes: Sequence[str] | None = None) -> str:
    """What to call a split beside scores: "a", "mine.json", "view, 3 chosen scenes"."""
    name = Path(split).name if isinstance(split, str) else OWN_SPLIT
    return f"{name}, {len(scenes)} chosen scenes" if scenes else name


def _named(split: str | dict, found: Collection[str]) -> dict[str, Sequence[str]]:
    """The scenes that a split names, part by part."""
    if not isinstance(split, str):
        return _checked(split, f"The dataset's {SPLIT_FILE}", found)
    if split.endswith(".json"):
        return _checked(_read(split), split, found)
    try:
        official = load_split(split)
    except BenchmarkError as error:
        raise InputError(f"{str(error).rstrip('.')}, or the path of a .json file.") from error
    return {"train": sorted(official.train), "test": official.test}


def _read(path: str) -> Any:
    try:
        return json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"The split {path} cannot be read ({error.strerror}): give the path of a JSON file."
        ) from error
    except ValueError as error:
        raise InputError(f"The split {path} is no JSON ({error}): correct it.") from error


def _checked(parts: Any, where: str, found: Collection[str]) -> dict[str, list[str]]:
    lists = list(parts.values()) if isinstance(parts, dict) else [None]
    well_formed = all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists
    )
    if not well_formed or not {"test"} <= set(parts) <= set(PARTS):
        raise InputError(
            f'{where} is no split: write {{"train": [...], "test": [...]}} with names of scenes.'
        )
    names = [name for part in lists for name in part]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{where} names {name} twice: a scene belongs to one part only.")
        if name not in found:
            raise InputError(f"{where} names {name}, but there is only {_some(found)}: correct it.")
    return parts


def _some(names: Collection[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
