"""The sources `n-hpatches:PATH` and `hpatches:PATH`: folders or zip files of strips.

`<sequence>/<strip>.png` holds square patches one below the other: 32 px wide with a noisy twin
`<strip>_noise.png` (N-HPatches), or 65 px wide (HPatches), whose noise is then drawn by the recipe.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from helpers.benchmark.layout import STRIPS
from helpers.common.errors import InputError
from helpers.common.files import atomic_path, write_json
from helpers.dataset.layout import PATCH_SIDE, SOURCE_SIDE
from helpers.dataset.noise import SIGMA, downsample, noisy_twin
from helpers.dataset.parts import SPLIT_FILE, choose_parts
from helpers.dataset.sources.images import decode_grey, png_size
from helpers.dataset.sources.tree import Tree, open_tree
from helpers.dataset.store import PatchStore, scene_generator


class Strips:
    """Strips in a folder or zip file, as a source of a store; see store.Source."""

    def __init__(
        self,
        place: Path | str,
        side: int,
        split: str | None = None,
        scenes: Sequence[str] | None = None,
        points_per_scene: int | None = None,
        seed: int = 0,
        keep65: bool = False,
    ):
        """Looks at the list of files only.

        Args:
            place: folder or zip file.
            side: 32 for N-HPatches with noisy twins, 65 for HPatches.
            split: see parts.choose_parts; None for the dataset's own split.json, else "a".
            scenes: only these, all where None.
            points_per_scene: only the first ones of each strip, all where None.
            seed: of the noise of 65 px strips.
            keep65: keep the 65 px patches, so that noise can be drawn anew while training.
        """
        self.name = {PATCH_SIDE: "n-hpatches", SOURCE_SIDE: "hpatches"}[side]
        self.tree = open_tree(place)
        self.side, self.limit, self.seed = side, points_per_scene, seed
        self.keeps65 = keep65 and side == SOURCE_SIDE
        self.root, found = find_scenes(self.tree, {f"{strip}.png" for strip in STRIPS})
        self.parts = choose_parts(found, split or own_split(self.tree, self.root), scenes)
        for scene in (scene for names in self.parts.values() for scene in names):
            self._require_files(scene)
        self.recipe: dict[str, Any] = {"points_per_scene": points_per_scene, "split": self.parts}
        if side == SOURCE_SIDE:
            self.recipe |= {"seed": seed, "sigma": SIGMA, "keep65": self.keeps65}

    def key(self) -> dict:
        """Sizes and dates (of a zip file: check sums) of the strips that are used."""
        used = [self._paths(scene) for names in self.parts.values() for scene in names]
        return {path: self.tree.files[path] for paths in used for path in paths}

    def measure(self, scene: str) -> tuple[int, int]:
        """Number of points of a scene, from the headers of all its strips."""
        first, *others = self._paths(scene)
        width, height = png_size(self.tree.read(first, 24), self._where(first))
        if width != self.side:
            raise InputError(
                f"{self._where(first)} is {width} px wide, not {self.side}: "
                "open 32 px strips as n-hpatches and 65 px strips as hpatches."
            )
        if height % width or not height:
            raise InputError(
                f"{self._where(first)} is {height} px high, no multiple of its width {width}: "
                "fetch it again."
            )
        for path in others:
            size = png_size(self.tree.read(path, 24), self._where(path))
            if size != (width, height):
                raise InputError(
                    f"{self._where(path)} is {size[0]} x {size[1]} px, {first} {width} x {height}: "
                    "all strips of a sequence need one size, so fetch both again."
                )
        points = min(height // width, self.limit or height)
        return points, points

    def fill(self, scene: str, points: int, out: dict[str, np.ndarray]) -> str:
        """Decodes the strips of a scene; for 65 px strips, draws the noise."""
        if self.side == PATCH_SIDE:
            return self._decode(scene, [*_columns(out["clean"]), *_columns(out["noisy"])])
        clean65 = np.empty((points, len(STRIPS), SOURCE_SIDE, SOURCE_SIDE), np.uint8)
        digest = self._decode(scene, _columns(clean65))
        if self.keeps65:
            out["clean65"][:] = clean65
        out["clean"][:] = downsample(clean65)
        out["noisy"][:] = noisy_twin(clean65, scene_generator(scene, self.seed, "noise"))
        return digest

    def _decode(self, scene: str, columns: list[np.ndarray]) -> str:
        """Decodes the strips of a scene into arrays (points, side, side); returns their digest."""
        digest = hashlib.sha256()
        for column, path in zip(columns, self._paths(scene), strict=True):
            data = self.tree.read(path)
            digest.update(data)
            strip = decode_grey(data, self._where(path))
            if strip.shape[1] != self.side or len(strip) < len(column) * self.side:
                raise InputError(f"{self._where(path)} changed while it was read: run again.")
            column[:] = strip.reshape(-1, self.side, self.side)[: len(column)]
        return digest.hexdigest()

    @property
    def _suffixes(self) -> tuple[str, ...]:
        return ("", "_noise") if self.side == PATCH_SIDE else ("",)

    def _paths(self, scene: str) -> list[str]:
        """Clean strips in the order of STRIPS, then their noisy twins."""
        return [f"{self.root}{scene}/{s}{end}.png" for end in self._suffixes for s in STRIPS]

    def _where(self, path: str) -> Path:
        return self.tree.path / path

    def _require_files(self, scene: str) -> None:
        missing = [path for path in self._paths(scene) if path not in self.tree.files]
        if len(missing) == 16 and missing[0].endswith("_noise.png"):
            raise InputError(
                f"{self._where(missing[0])} and the other noisy twins are missing: "
                "this looks like HPatches rather than N-HPatches, so open it as hpatches."
            )
        if missing:
            raise InputError(
                f"{self._where(missing[0])} is missing ({len(missing)} of the "
                f"{len(self._paths(scene))} strips of {scene} are): "
                "unpack or fetch the dataset again, or leave this scene out."
            )


def _columns(patches: np.ndarray) -> list[np.ndarray]:
    return [patches[:, column] for column in range(len(STRIPS))]


def find_scenes(tree: Tree, marks: Collection[str]) -> tuple[str, list[str]]:
    """Finds the folders that hold a file with one of the names `marks`.

    Returns:
        The path before the scenes' names ("" or "hpatches/", say) and their sorted names.

    Raises:
        InputError: there is none.
    """
    places = {path.rpartition("/")[0] for path in tree.files if path.rpartition("/")[2] in marks}
    scenes = [place.rpartition("/") for place in places if place]
    if not scenes:
        raise InputError(
            f"{tree.path} has no sequences in it (no <sequence>/{min(marks)}): "
            "give the folder or zip file whose sub-folders are the sequences."
        )
    root = min((root for root, _, _ in scenes), key=lambda path: (path.count("/"), path))
    return root + "/" * bool(root), sorted(scene for place, _, scene in scenes if place == root)


def own_split(tree: Tree, root: str) -> str | dict:
    """The split that the dataset brings along, else the official "a"."""
    if root + SPLIT_FILE not in tree.files:
        return "a"
    text = tree.read(root + SPLIT_FILE)
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(
            f"{tree.path / root / SPLIT_FILE} is no JSON ({error}): correct or delete it."
        ) from error


def write_strips(store: PatchStore, folder: Path | str) -> None:
    """Writes a store as an N-HPatches folder: 32 px strips, their twins and a split.json.

    Args:
        store: the dataset.
        folder: must be new or empty.

    Raises:
        InputError: the folder has something in it or cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty: give a new folder.")
    with atomic_path(folder) as temporary, ThreadPoolExecutor() as pool:
        temporary.mkdir()
        writes = [pool.submit(_write_scene, store, scene, temporary) for scene in store.scenes]
        for write in tqdm(writes, f"{folder.name}: strips", leave=False):
            write.result()
        write_json(
            temporary / SPLIT_FILE, {part: list(names) for part, names in store.parts.items()}
        )


def _write_scene(store: PatchStore, scene: str, folder: Path) -> None:
    (folder / scene).mkdir()
    for patches, end in ((store.clean, ""), (store.noisy, "_noise")):
        for column, strip in enumerate(STRIPS):
            pixels = patches[store.scenes[scene], column].reshape(-1, PATCH_SIDE)
            Image.fromarray(pixels).save(folder / scene / f"{strip}{end}.png")
