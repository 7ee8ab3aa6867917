"""What sources share that are folders or zip files with a sub-folder for each scene."""

from collections.abc import Collection
from pathlib import Path

from helpers.common.errors import InputError
from helpers.dataset.parts import (
    SPLIT_FILE,
    Choice,
    check_names,
    choose_parts,
    read_split,
    split_name,
)
from helpers.dataset.sources.tree import Tree, open_tree
from helpers.dataset.store import Source


class SceneFolders(Source):
    """Scenes in the sub-folders of a folder or zip file; the base of sources of this kind."""

    scenes: tuple[str, ...] = ()

    def __init__(self, place: Path | str, marks: Collection[str], choice: Choice):
        """Looks at the list of files only.

        Args:
            place: folder or zip file.
            marks: names of files that make a folder a scene.
            choice: what is taken of it; without a split, the dataset's own split.json, else "a".
        """
        self.tree, self.choice = open_tree(place), choice
        self.root, found = find_scenes(self.tree, marks)
        split = choice.split or own_split(self.tree, self.root, found)
        self.parts = choose_parts(found, split, choice.scenes)
        self.split, self.choosable = split_name(split, choice.scenes), tuple(found)
        self.scenes = tuple(name for name in found if name in (choice.scenes or found))
        self.files = {scene: self.list_files(scene) for scene in self.scenes}

    def list_files(self, scene: str) -> list[str]:
        """Paths within the tree of the files that are used of a scene, all of them there."""
        raise NotImplementedError

    def key(self) -> dict:
        """Sizes and dates (of a zip file: check sums) of the files that are used."""
        return {path: self.tree.files[path] for paths in self.files.values() for path in paths}

    def where(self, path: str) -> Path:
        """What to call a file of the tree in a message."""
        return self.tree.path / path


def find_scenes(tree: Tree, marks: Collection[str]) -> tuple[str, list[str]]:
    """Finds the folders that hold a file with one of the names `marks`, in any case.

    Returns:
        The path before the scenes' names ("" or "hpatches/", say) and their sorted names.

    Raises:
        InputError: there is none.
    """
    names = (path.rpartition("/") for path in tree.files)
    places = {place for place, _, name in names if name.lower() in marks}
    scenes = [place.rpartition("/") for place in places if place]
    if not scenes:
        raise InputError(
            f"{tree.path} has no sequences in it (no <sequence>/{min(marks)}): "
            "give the folder or zip file whose sub-folders are the sequences."
        )
    root = min((root for root, _, _ in scenes), key=lambda path: (path.count("/"), path))
    return root + "/" * bool(root), sorted(scene for place, _, scene in scenes if place == root)


def own_split(tree: Tree, root: str, found: Collection[str]) -> str | dict:
    """The split that the dataset brings along, whose names must all be found, else the "a"."""
    if root + SPLIT_FILE not in tree.files:
        return "a"
    split = read_split(tree.read(root + SPLIT_FILE), str(tree.path / root / SPLIT_FILE))
    check_names(found, split)
    return split
