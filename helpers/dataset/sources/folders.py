"""What sources share that are folders or zip files with a sub-folder for each scene."""

from collections.abc import Collection
from pathlib import Path

from helpers.common.errors import InputError
from helpers.dataset import parts
from helpers.dataset.parts import Choice
from helpers.dataset.sources.tree import Folder, Zip, open_tree
from helpers.dataset.store import Source


class SceneFolders(Source):
    """Scenes in the sub-folders of a folder or zip file; the base of sources of this kind."""

    content: str  # what each sub-folder has to hold, in words
    scenes: tuple[str, ...] = ()

    def __init__(self, place: Path | str, marks: Collection[str], choice: Choice):
        """Looks at the list of files only; `marks` are names of files that make a folder a scene.

        Without a split in `choice`, the dataset's own split.json is taken, else "a".

        Raises:
            InputError: there are no scenes, files of one are missing, or the split cannot be used.
        """
        self.tree, self.choice = open_tree(place), choice
        self.root, found = find_scenes(self.tree, marks)
        own, split = self.root + parts.SPLIT_FILE, choice.split or "a"
        if not choice.split and own in self.tree.files:
            split = parts.read_split(self.tree.read(own), str(self.where(own)))
            parts.check_names(found, split)
        self.parts = parts.choose_parts(found, split, choice.scenes)
        self.split, self.choosable = parts.split_name(split, choice.scenes), tuple(found)
        self.scenes = tuple(name for name in found if name in (choice.scenes or found))
        self.files = {scene: self.list_files(f"{self.root}{scene}/") for scene in self.scenes}
        for scene, paths in self.files.items():
            if missing := [path for path in paths if path not in self.tree.files]:
                raise InputError(
                    f"{self.where(missing[0])} is missing ({len(missing)} of the {len(paths)} "
                    f"files of {scene} are): {self.content}; add what is missing, or leave this "
                    "scene out."
                )

    def list_files(self, folder: str) -> list[str]:
        """Paths within the tree of the files that are needed of a scene."""
        raise NotImplementedError

    def key(self) -> dict:
        """Sizes and dates (of a zip file: check sums) of the files that are used."""
        return {path: self.tree.files[path] for paths in self.files.values() for path in paths}

    def where(self, path: str) -> Path:
        """What to call a file of the tree in a message."""
        return self.tree.path / path


def find_scenes(tree: Folder | Zip, marks: Collection[str]) -> tuple[str, list[str]]:
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
