"""Two that train the same run at once, with and without locks: neither harms the other."""

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers.common import files, paths
from helpers.common.errors import InputError
from helpers.training import checkpoints, runs, workplace

GONE, ELSEWHERE = "0123ab", "0123ab-77"  # names of another machine and of a process there


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    return tmp_path / "improved-denoiser-0123456789"


@pytest.fixture
def without_locks(monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.fixture
def ended():
    """The name of a process of this machine that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return f"{files.machine()}-{process.pid}"


def folder_of(run, owner, *steps):
    folder = run.with_name(f"{run.name}.{owner}.unfinished")
    folder.mkdir(exist_ok=True)
    for step in steps:
        (folder / f"checkpoint-{step:09}.npz").write_bytes(f"{owner} {step}".encode())
    files.write_json(folder / "settings.json", {"settings": {}, "dataset": {}})
    return folder


def opened(run):
    return workplace.open_folder(run, {"settings": {}, "dataset": {}})


def test_each_process_has_a_folder_of_its_own(run):
    folder = opened(run)
    assert str(os.getpid()) in folder.name and opened(run) == folder


def test_the_newest_checkpoints_of_a_machine_that_may_be_gone_are_copied(run):
    others = [folder_of(run, GONE, 200, 400), folder_of(run, ELSEWHERE, 300)]
    folder = opened(run)
    names = [path.name for path in checkpoints.newest_first(folder)]
    assert names == ["checkpoint-000000400.npz", "checkpoint-000000200.npz"]
    assert [len(list(other.iterdir())) for other in others] == [3, 2]  # nothing is taken away


def test_what_a_killed_process_left_is_taken_over_whole(run, ended):
    (folder_of(run, ended, 300) / "snapshots").mkdir()
    folder_of(run, files.owner(), 200)
    folder = opened(run)
    assert (folder / "checkpoint-000000300.npz").is_file() and (folder / "snapshots").is_dir()
    assert not (folder / "checkpoint-000000200.npz").exists()
    assert [*run.parent.iterdir()] == [folder]


def made_a_day_ago(folder):
    for path in (*folder.iterdir(), folder):
        os.utime(path, (0, time.time() - 2 * workplace.UNTOUCHED))


def test_who_goes_on_after_a_day_is_not_taken_for_gone(run, monkeypatch):
    made_a_day_ago(folder_of(run, GONE, 400))
    first = opened(run)  # of this process; another one opens it a moment later
    monkeypatch.setattr(files, "owner", lambda: ELSEWHERE)
    second = opened(run)
    assert first.is_dir() and second.is_dir() and second != first
    made_a_day_ago(second)
    assert opened(run) == second
    monkeypatch.undo()
    monkeypatch.setattr(paths, "RUNS", run.parent)
    opened(run)
    assert second.is_dir()


def test_what_is_finished_or_removed_while_it_is_copied_is_no_failure(run, monkeypatch):
    other, copy = folder_of(run, GONE, 200, 400), shutil.copyfile

    def copy_of_what_goes(source, target):
        copy(source, target)
        shutil.rmtree(other, ignore_errors=True)

    monkeypatch.setattr(shutil, "copyfile", copy_of_what_goes)
    names = {path.name for path in opened(run).iterdir()}
    assert len(names & {"checkpoint-000000200.npz", "checkpoint-000000400.npz"}) <= 1
    assert "settings.json" in names


def test_a_disk_that_is_full_while_it_is_copied_is_named(run, monkeypatch):
    folder_of(run, GONE, 400)

    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(InputError, match=r"could not be written.*No space left"):
        opened(run)


def test_own_checkpoints_stay_where_they_are_newer(run):
    own = folder_of(run, files.owner(), 500)
    folder_of(run, GONE, 400)
    assert checkpoints.newest_first(opened(run)) == [own / "checkpoint-000000500.npz"]


def test_only_what_is_surely_left_is_removed_once_the_run_is_finished(run, ended):
    living = f"{files.machine()}-{os.getppid()}"
    owners = (ended, living, GONE, ELSEWHERE, files.owner())
    folders = {owner: folder_of(run, owner, 1) for owner in owners}
    for path in (*folders[GONE].iterdir(), folders[GONE]):
        os.utime(path, (1, 1))
    folder_of(run, "other", 1).rename(other := run.with_name("improved-denoiser-9.x.unfinished"))
    run.mkdir()
    workplace.clean_up(run)
    assert {*run.parent.iterdir()} == {run, other, folders[living], folders[ELSEWHERE]}


@pytest.mark.parametrize("text", ["[]", '{"settings": {}, "continued_on": 5}', '{"settings": 1}'])
def test_a_damaged_description_of_an_unfinished_run_is_named(run, text):
    (folder_of(run, files.owner()) / "settings.json").write_text(text)
    with pytest.raises(InputError, match=r"settings\.json does not hold .*: delete the folder"):
        opened(run)


def test_of_two_that_finish_the_same_run_the_first_one_stays(run):
    for owner in ("first", "second"):
        workplace.hand_over(folder_of(run, owner, 1), run)
    assert (run / "checkpoint-000000001.npz").read_text() == "first 1"
    assert [*run.parent.iterdir()] == [run]


def test_leftovers_of_files_are_removed_only_of_processes_that_are_gone(tmp_path, ended):
    for owner in (ended, ELSEWHERE, files.owner()):
        (tmp_path / f".model-{owner}-01234567.keras").touch()
        (tmp_path / f".folder-{owner}-01234567").mkdir()
    files.remove_leftovers(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == 4 and not any(ended in name for name in left)


@pytest.mark.usefixtures("without_locks")
def test_many_at_once_get_the_pretrained_networks_without_locks(run):
    together = threading.Barrier(8)

    def copy(_):
        together.wait()
        return runs.pretrained()

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(copy, range(8)))
    assert len(found) == 1 and (found.pop() / "model.keras").is_file()
    assert len([*run.parent.iterdir()]) == 2  # denoiser and descriptor, nothing beside them
