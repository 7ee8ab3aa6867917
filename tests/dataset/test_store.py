import errno
import fcntl
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from helpers.common import files, paths
from helpers.common.errors import InputError
from helpers.dataset import PatchStore, building, open_dataset
from helpers.dataset.building import open_store
from helpers.dataset.store import Source, with_fewer_points


@dataclass
class Counting(Source):
    """A source of three scenes that counts its calls."""

    value: int = 7
    fails: bool = False
    points: int = 4
    filled: list = field(default_factory=list)

    name = "counting"
    split = "its own"
    parts = {"train": ("a", "b"), "validation": (), "test": ("c",)}  # noqa: RUF012
    keeps65 = False

    @property
    def recipe(self):
        return {"value": self.value}

    def key(self):
        return self.points

    def measure(self, scene):
        return self.points, None

    def fill(self, scene, found, out):
        if self.fails and scene == "b":
            raise InputError("b.png is damaged: fetch it again.")
        self.filled.append(scene)
        out["clean"][:] = self.value + ord(scene)
        out["noisy"][:] = self.value + ord(scene) + 1
        return f"digest of {scene}"


def test_rows_and_lengths_follow_the_parts(tmp_path):
    store = open_store(Counting(), tmp_path)
    assert store.scenes == {"a": slice(0, 4), "b": slice(4, 8), "c": slice(8, 12)}
    assert store.rows("train").tolist() == list(range(8))
    assert store.rows("validation").size == 0
    assert store.rows("test").dtype == np.int64
    assert store.lengths("test") == {"c": 4}
    assert (store.clean[store.scenes["c"]] == 7 + ord("c")).all()
    assert (store.noisy == store.clean + 1).all()
    assert store.clean65 is None


def test_a_store_is_built_once_and_another_recipe_apart(tmp_path):
    source = Counting()
    open_store(source, tmp_path)
    open_store(source, tmp_path)
    assert sorted(source.filled) == ["a", "b", "c"]
    assert open_store(Counting(8), tmp_path).fingerprint != open_store(source, tmp_path).fingerprint


def test_a_failed_build_leaves_nothing_but_the_lock(tmp_path):
    with pytest.raises(InputError, match=r"b\.png"):
        open_store(Counting(fails=True), tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    assert len(open_store(Counting(), tmp_path)) == 12


GONE = 2**31 - 1  # the number of no process


@pytest.mark.parametrize("machine", [files.machine(), "ffffff"])
def test_leftovers_of_a_killed_build_are_not_used_and_ones_own_removed(machine, tmp_path):
    folder = open_store(Counting(), tmp_path).folder
    leftover = folder.rename(folder.with_name(f".{folder.name}-{machine}-{GONE}-12345678"))
    source = Counting()
    open_store(source, tmp_path)
    assert source.filled and leftover.exists() == (machine != files.machine())


def test_two_builds_at_once_build_once(tmp_path):
    source = Counting()
    threads = [threading.Thread(target=open_store, args=(source, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(source.filled) == ["a", "b", "c"]


def test_a_scene_without_points_is_named(tmp_path):
    with pytest.raises(InputError, match="scene a gives not a single patch"):
        open_store(Counting(points=0), tmp_path)


def gone(path):
    path.unlink()


def cut_short(path):
    os.truncate(path, path.stat().st_size - 20)


def smaller(path):
    np.save(path, np.zeros((2, 16, 32, 32), np.uint8))


def of_floats(path):
    np.save(path, np.zeros(np.load(path).shape))


@pytest.mark.parametrize("name", ["clean", "noisy", "clean65"])
@pytest.mark.parametrize("change", [gone, cut_short, smaller, of_floats])
def test_a_changed_array_is_noticed(change, name, few, tmp_path):
    folder = shutil.copytree(few.folder, tmp_path / "store")
    change(folder / f"{name}.npy")
    with pytest.raises(InputError, match=rf"/{name}\.npy is damaged .*: delete {folder}"):
        PatchStore(folder)


def edited(path):
    path.write_text(path.read_text().replace('"a": 4', '"a": 5'))


def another(path):
    path.write_text("[]")


@pytest.mark.parametrize("change", [gone, cut_short, edited, another])
def test_a_changed_table_is_noticed(change, tmp_path):
    source = Counting()
    change(open_store(source, tmp_path).folder / "store.json")
    with pytest.raises(InputError, match=r"store\.json is damaged .missing, changed or .*: delete"):
        open_store(source, tmp_path)


def test_a_flipped_byte_is_found_on_request_and_its_scene_named(tmp_path):
    store = open_store(Counting(), tmp_path)
    store.verify()
    with (store.folder / "noisy.npy").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\0")
    with pytest.raises(InputError, match=r"noisy\.npy is damaged .*changed in c.: delete"):
        PatchStore(store.folder).verify()


def test_summary_counts_and_is_json(tmp_path):
    summary = json.loads(json.dumps(open_store(Counting(), tmp_path).summary()))
    assert summary["parts"]["train"] == {"scenes": 2, "points": 8, "patches": 128}
    assert summary["total"] == {"scenes": 3, "points": 12, "patches": 192}
    assert summary["lengths"] == {"a": 4, "b": 4, "c": 4}


@pytest.mark.parametrize("points", [None, 5])
def test_a_store_can_go_to_another_process_without_its_patches(points, few):
    store = with_fewer_points(few, points)
    assert len(pickle.dumps(store)) < 1500
    there = pickle.loads(pickle.dumps(store))
    assert (there.clean == few.clean).all() and there.summary() == store.summary()


def test_the_same_seed_gives_the_same_bytes(few, few_photographs, tmp_path):
    again = open_store(few_photographs(0, 12), tmp_path)
    assert again.fingerprint == few.fingerprint
    for name in ("clean", "noisy", "clean65"):
        file = f"{name}.npy"
        assert (again.folder / file).read_bytes() == (few.folder / file).read_bytes()


def test_noisy_is_clean_for_ref_only(few):
    assert (few.noisy[:, 0] == few.clean[:, 0]).all()
    assert (few.noisy[:, 1:] != few.clean[:, 1:]).any((-1, -2)).all()


# Two processes, a killed one, a full disk ---------------------------------------------------------

ANOTHER_PROCESS = """
import sys, time
from pathlib import Path
from helpers.dataset.building import open_store
from helpers.dataset.store import Source

class Slow(Source):
    name, split, recipe, keeps65 = "counting", "its own", {"value": 7}, False  # as Counting is
    parts = {"train": ("a", "b"), "validation": (), "test": ("c",)}
    log = Path(sys.argv[2])

    def key(self):
        return 4

    def measure(self, scene):
        return 4, None

    def fill(self, scene, found, out):
        out["clean"][:] = out["noisy"][:] = ord(scene)
        with self.log.open("a") as file:
            file.write(scene)
        time.sleep(float(sys.argv[3]))
        return scene

store = open_store(Slow(), sys.argv[1])
assert len(store) == 12 and store.clean[-1, 0, 0, 0] == ord("c")
"""


def another_process(folder: Path, log: Path, seconds: float) -> subprocess.Popen:
    """Opens a store whose scenes take some seconds each to fill; `log` gets a letter for each."""
    command = [sys.executable, "-c", ANOTHER_PROCESS, str(folder), str(log), str(seconds)]
    return subprocess.Popen(command, cwd=paths.ROOT, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, "the other process does not build"
        time.sleep(0.02)


@pytest.mark.deep
@pytest.mark.kill
def test_two_processes_at_once_build_once_and_both_open_it(tmp_path):
    log = tmp_path / "log"
    both = [another_process(tmp_path / "stores", log, seconds=1) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert sorted(log.read_text()) == ["a", "b", "c"]


@pytest.mark.kill
def test_a_killed_build_looks_unfinished_and_the_next_open_builds_and_tidies(tmp_path):
    log, stores = tmp_path / "log", tmp_path / "stores"
    process = another_process(stores, log, seconds=600)
    wait_for(log)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert [path.name[0] for path in stores.iterdir()] == [".", "."]  # the lock and what was begun
    source = Counting()
    open_store(source, stores)
    assert sorted(source.filled) == ["a", "b", "c"]
    lock, name = sorted(path.name for path in stores.iterdir())
    assert lock == f".{name}.lock"


def test_without_locks_the_first_of_two_builds_stays(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks on this disk")

    monkeypatch.setattr(fcntl, "flock", refuse)
    slow, fast = Counting(), Counting()
    fill = slow.fill

    def overtaken(scene, found, out):
        if scene == "c":
            open_store(fast, tmp_path)
        return fill(scene, found, out)

    slow.fill = overtaken
    store = open_store(slow, tmp_path)
    assert sorted(slow.filled) == sorted(fast.filled) == ["a", "b", "c"]
    assert sorted(path.name for path in tmp_path.iterdir())[1:] == [store.folder.name]


@pytest.mark.parametrize("reserving", [True, False])
def test_a_disk_that_runs_full_leaves_nothing(reserving, small_disk, monkeypatch):
    if not reserving:  # as on macOS, where a write to the mapped file would kill the process
        monkeypatch.delattr(os, "posix_fallocate")
    with pytest.raises(InputError, match=r"could not be written \(No space left on device\): free"):
        open_store(Counting(points=24), small_disk)
    assert [path.suffix for path in small_disk.iterdir()] == [".lock"]
    assert len(open_store(Counting(points=4), small_disk)) == 12


def test_a_disk_that_cannot_reserve_space_is_written_instead(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "cannot reserve")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    arrays = building._empty_arrays(tmp_path, points=4, keeps65=False)
    assert all((array == 0).all() for array in arrays.values())
    for name in arrays:
        taken = (tmp_path / f"{name}.npy").stat()
        assert taken.st_blocks * 512 >= taken.st_size
    open_store(Counting(), tmp_path).verify()


def test_a_place_where_no_folder_can_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/stores cannot be written \(Not a directory\)"):
        open_store(Counting(), tmp_path / "file" / "stores")


@pytest.mark.parametrize("name", ["photos", "n-hpatches", "n-hpatches:", "photographs:x", "a:b"])
def test_an_unknown_dataset_lists_the_known_ones(name, tmp_path):
    with pytest.raises(InputError, match="use photographs, n-hpatches:PATH"):
        open_dataset(name, tmp_path)


# --- parts and limits are views -------------------------------------------------------------------


def test_one_store_serves_every_split_and_each_has_a_fingerprint_of_its_own(tmp_path):
    class Another(Counting):
        scenes = ("a", "b", "c")
        parts = {"train": ("c",), "validation": ("b",), "test": ()}  # noqa: RUF012

    one, other = Counting(), Another()
    stores = [open_store(source, tmp_path) for source in (one, other)]
    assert stores[0].folder == stores[1].folder and not other.filled
    assert stores[0].fingerprint != stores[1].fingerprint
    assert stores[1].unused == ("a",) and stores[1].lengths("train") == {"c": 4}
    assert any("left out: 1 scene in no part" in note and "(a)" in note for note in stores[1].notes)


def test_a_scene_in_no_part_does_not_change_what_names_the_runs(few_photographs, tmp_path):
    class More(few_photographs):
        scenes = ("i_page", "i_text", "v_chelsea", "v_text")

    smaller, larger = (open_store(kind(0, 3), tmp_path) for kind in (few_photographs, More))
    assert smaller.folder != larger.folder and smaller.fingerprint == larger.fingerprint
    rows = [store.rows("test") for store in (smaller, larger)]
    assert (smaller.noisy[rows[0]] == larger.noisy[rows[1]]).all()


def test_a_limit_that_bit_is_said_and_any_other_is_not(few, tmp_path):
    few_points = Counting()
    few_points.most_points = 5
    assert not any("stop" in note for note in open_store(few_points, tmp_path).notes)
    assert "3 of 3 scenes stop at 12 points" in few.notes[0]


def test_a_limit_for_some_parts_leaves_the_test_scenes_whole_and_is_said(few):
    smaller = with_fewer_points(few, 5, ("train", "validation"))
    sizes = [smaller.lengths(part) for part in ("train", "validation", "test")]
    assert sizes == [{"i_text": 5}, {"i_page": 5}, {"v_chelsea": 12}]
    assert "more than 5 points" in smaller.notes[-1] and len(few.notes) < len(smaller.notes)
    smaller.verify()


# --- fewer points ---------------------------------------------------------------------------------


def test_a_smaller_store_has_the_first_points_of_each_scene_and_the_same_parts(few):
    rows = few.rows("train")  # known before, and not to be taken for the smaller store's
    smaller = with_fewer_points(few, 3)
    assert smaller.parts == few.parts and smaller.name == few.name
    assert smaller.rows("train").tolist() == rows[:3].tolist()
    for part, (scene,) in few.parts.items():
        assert smaller.lengths(part) == {scene: 3}
        first = few.noisy[few.scenes[scene]][:3]
        np.testing.assert_array_equal(smaller.noisy[smaller.scenes[scene]], first)
    assert smaller.summary()["total"]["points"] == 9


def test_a_smaller_store_leaves_the_other_one_as_it_was(few):
    before = few.lengths("train")
    with_fewer_points(few, 2)
    assert few.lengths("train") == before


def test_stores_of_different_size_are_never_taken_for_one_another(few):
    sizes = [with_fewer_points(few, count) for count in (2, 3, None)]
    assert len({size.fingerprint for size in sizes}) == 3


@pytest.mark.parametrize("count", [None, 12, 100])
def test_a_store_without_more_points_stays_itself(few, count):
    assert with_fewer_points(few, count) is few
