"""Listing what lies in the folder of the stores, and dropping it."""

import shutil

import pytest

from helpers.common.errors import InputError
from helpers.dataset.kept import drop, listed


@pytest.fixture
def folder(few, tmp_path):
    """A store, one of an older version, an unfinished one, a download, a user's own folder."""
    for name in ("good-1", "old-2", ".begun-3-12ab"):
        shutil.copytree(few.folder, tmp_path / name)
    (tmp_path / "old-2" / "store.json").write_text("{}")
    (tmp_path / ".begun-3-12ab" / "store.json").unlink()
    (tmp_path / "n-hpatches.zip").write_bytes(bytes(2_000_000))
    (tmp_path / "mine" / "i_text").mkdir(parents=True)
    (tmp_path / ".good-1.lock").touch()
    return tmp_path


def test_the_list_says_where_it_is_and_what_each_thing_holds(folder):
    first, *lines = listed(folder).splitlines()
    assert first.startswith(f"{folder}: ") and len(lines) == 5
    said = {line.split()[2].rstrip(":"): line for line in lines}
    assert "store of 3 scenes, 36 points" in said["good-1"] and "with 65 px" in said["good-1"]
    assert "another version" in said["old-2"] and "unfinished" in said[".begun-3-12ab"]
    assert " 2 MB" in said["n-hpatches.zip"] and "store" not in said["mine"]


@pytest.mark.parametrize("name", ["good-1", "old-2", ".begun-3-12ab"])
def test_a_store_is_dropped_and_nothing_else(name, folder):
    before = {path.name for path in folder.iterdir()}
    drop(folder, name)
    assert {path.name for path in folder.iterdir()} == before - {name}


@pytest.mark.parametrize(
    "name", ["nothing", "n-hpatches.zip", "mine", "..", "../x", "good-1/../mine"]
)
def test_what_is_no_store_is_not_dropped(name, folder):
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError, match="There is no store"):
        drop(folder, name)
    assert sorted(folder.rglob("*")) == before


def test_a_folder_that_is_not_there_yet_is_empty(tmp_path):
    assert listed(tmp_path / "data").endswith(": 0 MB")
