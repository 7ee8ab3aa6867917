"""Several sources as one dataset: their training scenes together, their test scenes together."""

import re
from typing import Any

import numpy as np

from helpers.common.errors import InputError
from helpers.dataset.layout import PARTS
from helpers.dataset.store import Source

_PLUS = re.compile(r"\+(?=photographs(?:\+|$)|n-hpatches:|(?:hpatches|sequences)(?:-32)?:)")


def split_names(name: str) -> list[str]:
    """ "photographs+sequences:FOLDER" -> ["photographs", "sequences:FOLDER"]."""
    return _PLUS.split(name)


class Joined(Source):
    """A source made of others; where only some keep their 65 px patches, the whole keeps none."""

    scenes: tuple[str, ...] = ()

    def __init__(self, sources: list[Source], split: str):
        """Raises InputError where two have a scene of the same name."""
        self.name, self.split = "+".join(source.name for source in sources), split
        self.keeps65 = all(source.keeps65 for source in sources)
        self._source_of: dict[str, Source] = {}
        for source in sources:
            if twice := self._source_of.keys() & source.scenes:
                raise InputError(f"{self.name}: two have a scene {min(twice)}: rename one.")
            self._source_of |= dict.fromkeys(source.scenes, source)
        self.scenes = tuple(self._source_of)
        self.choosable = tuple(name for source in sources for name in source.choosable)
        self.parts = {part: sum((one.parts[part] for one in sources), ()) for part in PARTS}
        self.recipe: dict[str, Any] = {"joined": [source.recipe for source in sources]}
        self._sources = sources

    def notes(self, points: dict[str, int]) -> list[str]:
        notes = [note for source in self._sources for note in source.notes(points)]
        if not self.keeps65 and any(source.keeps65 for source in self._sources):
            notes.append(
                f"{self.name}: only some of these have 65 px patches, so none are kept, and noise "
                "is not drawn anew while training."
            )
        return notes

    def key(self) -> list:
        return [[source.name, source.key()] for source in self._sources]

    def measure(self, scene: str) -> tuple[int, Any]:
        return self._source_of[scene].measure(scene)

    def look(self, scene: str) -> tuple | None:
        return self._source_of[scene].look(scene)

    def fill(self, scene: str, found: Any, out: dict[str, np.ndarray]) -> str:
        return self._source_of[scene].fill(scene, found, out)
