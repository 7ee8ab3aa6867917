"""Several datasets as one."""

import numpy as np
import pytest

from helpers.common.errors import InputError
from helpers.dataset import Choice, find_source, open_dataset
from helpers.dataset.building import open_store
from helpers.dataset.layout import PARTS
from helpers.dataset.sources.joined import Joined, split_names
from helpers.dataset.store import Source


class Fake(Source):
    """A source of one scene a part, filled with its number."""

    def __init__(self, name, number, keeps65=False):
        self.name, self.number, self.keeps65, self.split = name, number, keeps65, "a"
        self.parts = {part: (f"{part}_{number}",) for part in PARTS}
        self.recipe = {"number": number}

    def key(self):
        return self.number

    def measure(self, scene):
        return 3, scene

    def look(self, scene):
        return f"images of {scene}"

    def fill(self, scene, found, out):
        assert found == scene
        for array in out.values():
            array[:] = self.number
        return f"digest of {scene}"


def join(*sources: Source) -> Joined:
    return Joined(list(sources), "its own")


def test_names_are_split_at_a_plus_before_a_kind_only():
    assert split_names("photographs+sequences:/a+b/c") == ["photographs", "sequences:/a+b/c"]
    assert split_names("hpatches:x+n-hpatches:y") == ["hpatches:x", "n-hpatches:y"]
    assert split_names("sequences:/photographs+more") == ["sequences:/photographs+more"]


def test_scenes_keep_their_parts_and_are_filled_by_their_own_source(tmp_path):
    store = open_store(join(Fake("one", 1), Fake("two", 2)), tmp_path)
    assert store.name == "one+two" and store.parts["test"] == ("test_1", "test_2")
    for scene, rows in store.scenes.items():
        assert np.all(store.clean[rows] == int(scene[-1]))


def test_a_scene_is_looked_at_in_its_own_source():
    assert join(Fake("one", 1), Fake("two", 2)).look("test_2") == "images of test_2"


def test_a_change_of_one_source_is_a_change_of_the_whole():
    one, two, other = Fake("one", 1), Fake("two", 2), Fake("two", 3)
    assert join(one, two).key() != join(one, other).key()
    assert join(one, two).recipe != join(one, other).recipe


def test_scenes_of_the_same_name_are_refused():
    with pytest.raises(InputError, match="two have a scene test_1: rename one"):
        join(Fake("one", 1), Fake("two", 1))


def test_where_only_some_keep_large_patches_the_whole_keeps_none_and_says_so(tmp_path):
    store = open_store(join(Fake("one", 1, keeps65=True), Fake("two", 2)), tmp_path)
    assert store.clean65 is None and any("65 px" in note for note in store.notes)


def test_photographs_join_a_folder_of_sequences(shared_data):
    name = f"photographs+sequences:{shared_data / 'hpatches-sequences'}"
    found = find_source(name, Choice("a", points_per_scene=5, seed=1))
    assert {"v_abstract", "i_ajuntament"} < set(found.parts["test"])
    assert len(found.parts["train"]) > 10 and found.name == "photographs+sequences"


def test_an_unknown_part_of_a_joined_name_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no dataset"):
        open_dataset("photograph+sequences:x", folder=tmp_path)
