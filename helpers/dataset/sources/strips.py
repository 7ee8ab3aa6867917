"""The sources `n-hpatches:PATH` and `hpatches:PATH`: folders or zip files of strips.

`<scene>/<strip>.png` holds square patches one below the other: 32 px wide with a noisy twin
`<strip>_noise.png` (N-HPatches), or 65 px wide (HPatches), whose noise is then drawn by the recipe.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.benchmark.layout import STRIPS
from helpers.common.errors import InputError
from helpers.common.files import atomic_path, write_json
from helpers.common.keys import code_key
from helpers.dataset.layout import PATCH_SIDE, SOURCE_SIDE
from helpers.dataset.noise import SIGMA
from helpers.dataset.parts import SPLIT_FILE, Choice
from helpers.dataset.sources.filling import fill_from_65
from helpers.dataset.sources.folders import SceneFolders
from helpers.dataset.sources.images import decode_grey, png_size
from helpers.dataset.store import SHOWN, PatchStore

SIDES = {"n-hpatches": PATCH_SIDE, "hpatches": SOURCE_SIDE}


class Strips(SceneFolders):
    """Strips in a folder or zip file; 65 px ones get their noise here.

    Where a limit is asked for, these are their first points, as tasks name points by their rows.
    """

    content = "a scene has 16 strips and, unless it is opened as hpatches, their noisy twins"

    def __init__(self, name: str, place: Path | str, choice: Choice):
        """Looks at the list of files only; `name` is "n-hpatches" or "hpatches"."""
        self.name, self.side = name, SIDES[name]
        self.keeps65 = choice.keep65 and self.side == SOURCE_SIDE
        super().__init__(place, {f"{strip}.png" for strip in STRIPS}, choice)
        self.most_points = choice.points_per_scene
        self.recipe = {"points_per_scene": self.most_points}
        if self.side == SOURCE_SIDE:
            noise = {"sigma": SIGMA, "code": code_key("dataset/noise.py")}
            self.recipe |= {"seed": choice.seed, "keep65": self.keeps65, **noise}

    def measure(self, scene: str) -> tuple[int, int]:
        height = 0
        for path in self.files[scene]:
            width, found = png_size(self.tree.read(path, 24), self.where(path))
            height = height or found  # of the first one
            if width != self.side or found != height or height % width or not height:
                raise InputError(
                    f"{self.where(path)} is {width} x {found} px: strips of {self.name} are "
                    f"{self.side} px wide (open 32 px ones as n-hpatches, 65 px ones as hpatches) "
                    "and, within a scene, as high as each other and a multiple of that, so fetch "
                    "it again."
                )
        points = min(height // self.side, self.most_points or height)
        return points, points

    def fill(self, scene: str, points: int, out: dict[str, np.ndarray]) -> str:
        if self.side == PATCH_SIDE:
            return self._decode(scene, [*out["clean"].swapaxes(0, 1), *out["noisy"].swapaxes(0, 1)])
        clean65 = np.empty((points, len(STRIPS), SOURCE_SIDE, SOURCE_SIDE), np.uint8)
        digest = self._decode(scene, clean65.swapaxes(0, 1))
        fill_from_65(out, clean65, scene, self.choice.seed)
        return digest

    def _decode(self, scene: str, columns: Iterable[np.ndarray]) -> str:
        """Decodes strips into arrays (points, side, side), one a strip; returns their digest."""
        digest = hashlib.sha256()
        for column, path in zip(columns, self.files[scene], strict=True):
            data = self.tree.read(path)
            digest.update(data)
            strip = decode_grey(data, self.where(path))
            column[:] = strip.reshape(-1, self.side, self.side)[: len(column)]
        return digest.hexdigest()

    def list_files(self, folder: str) -> list[str]:
        """Clean strips in the order of STRIPS, then their noisy twins."""
        ends = ("", "_noise") if self.side == PATCH_SIDE else ("",)
        return [f"{folder}{strip}{end}.png" for end in ends for strip in STRIPS]


def write_strips(store: PatchStore, folder: Path | str) -> None:
    """Writes a store as a new N-HPatches folder: 32 px strips, their twins and a split.json.

    Raises:
        InputError: the folder has something in it or cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty: give a new folder.")
    with atomic_path(folder) as temporary:
        temporary.mkdir()

        def write(scene):
            (temporary / scene).mkdir()
            for patches, end in ((store.clean, ""), (store.noisy, "_noise")):
                for column, strip in enumerate(STRIPS):
                    pixels = patches[store.scenes[scene], column].reshape(-1, PATCH_SIDE)
                    Image.fromarray(pixels).save(temporary / scene / f"{strip}{end}.png")

        SHOWN.spread(write, store.scenes, f"{folder.name}: strips")
        write_json(temporary / SPLIT_FILE, store.parts)
