import errno
import json
import os
import pickle
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from helpers.dataset import PatchStore, open_dataset
from helpers.dataset.store import open_store
from helpers.errors import InputError


@dataclass
class Counting:
    """A source of three scenes that counts its calls."""

    value: int = 7
    fails: bool = False
    points: int = 4
    filled: list = field(default_factory=list)

    name = "counting"
    parts = {"train": ("a", "b"), "validation": (), "test": ("c",)}  # noqa: RUF012
    keeps65 = False

    @property
    def recipe(self):
        return {"value": self.value}

    def key(self):
        return self.points

    def measure(self, scene):
        return self.points, None

    def fill(self, scene, plan, out):
        if self.fails and scene == "b":
            raise InputError("b.png is damaged: fetch it again.")
        self.filled.append(scene)
        out["clean"][:] = self.value + ord(scene)
        out["noisy"][:] = self.value + ord(scene) + 1
        return f"digest of {scene}"


def test_rows_and_lengths_follow_the_parts(tmp_path):
    store = open_store(Counting(), tmp_path)
    assert store.sequences == {"a": slice(0, 4), "b": slice(4, 8), "c": slice(8, 12)}
    assert store.rows("train").tolist() == list(range(8))
    assert store.rows("validation").size == 0
    assert store.rows("test").dtype == np.int64
    assert store.lengths("test") == {"c": 4}
    assert (store.clean[store.sequences["c"]] == 7 + ord("c")).all()
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


def test_a_full_disk_leaves_nothing_half_built(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(InputError, match="No space left on device"):
        open_store(Counting(), tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_leftovers_of_a_killed_build_are_removed_not_used(tmp_path):
    folder = open_store(Counting(), tmp_path).folder
    leftover = folder.with_name(f".{folder.name}-12345678")
    folder.rename(leftover)
    source = Counting()
    open_store(source, tmp_path)
    assert source.filled and not leftover.exists()


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


def test_a_truncated_store_is_noticed(tmp_path):
    folder = open_store(Counting(), tmp_path).folder
    with (folder / "noisy.npy").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(InputError, match=r"noisy\.npy is damaged"):
        PatchStore(folder)


def test_a_store_of_another_shape_is_noticed(tmp_path):
    folder = open_store(Counting(), tmp_path).folder
    np.save(folder / "clean.npy", np.zeros((2, 16, 32, 32), np.uint8))
    with pytest.raises(InputError, match="shape"):
        PatchStore(folder)


def test_summary_counts_and_is_json(tmp_path):
    summary = json.loads(json.dumps(open_store(Counting(), tmp_path).summary()))
    assert summary["parts"]["train"] == {"scenes": 2, "points": 8, "patches": 128}
    assert summary["total"] == {"scenes": 3, "points": 12, "patches": 192}
    assert summary["lengths"] == {"a": 4, "b": 4, "c": 4}


def test_a_store_can_go_to_another_process_without_its_patches(few):
    assert len(pickle.dumps(few)) < 1000
    assert (pickle.loads(pickle.dumps(few)).clean == few.clean).all()


def test_the_same_seed_gives_the_same_bytes(few, few_photographs, tmp_path):
    again = open_store(few_photographs(0, 12), tmp_path)
    assert again.fingerprint == few.fingerprint
    for name in ("clean", "noisy", "clean65"):
        file = f"{name}.npy"
        assert (again.folder / file).read_bytes() == (few.folder / file).read_bytes()


def test_noisy_is_clean_for_ref_only(few):
    assert (few.noisy[:, 0] == few.clean[:, 0]).all()
    assert (few.noisy[:, 1:] != few.clean[:, 1:]).any((-1, -2)).all()


@pytest.mark.parametrize("name", ["photos", "n-hpatches", "n-hpatches:", "photographs:x", "a:b"])
def test_an_unknown_dataset_lists_the_known_ones(name, tmp_path):
    with pytest.raises(InputError, match="use photographs, n-hpatches:PATH"):
        open_dataset(name, tmp_path)
