import os

import pytest

from helpers.common import files
from helpers.common.errors import InputError


def test_a_file_appears_only_when_its_block_succeeds(tmp_path):
    target = tmp_path / "numbers.json"
    files.write_json(target, {"S": 0.5})
    with pytest.raises(RuntimeError), files.atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert files.read_json(target) == {"S": 0.5}
    assert os.listdir(tmp_path) == ["numbers.json"]


def test_a_folder_appears_only_when_its_block_succeeds(tmp_path):
    with pytest.raises(RuntimeError), files.atomic_path(tmp_path / "run") as temporary:
        temporary.mkdir()
        (temporary / "weights").write_text("half")
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file/report\.tex could not be written"):
        files.write_text(tmp_path / "file" / "report.tex", "text")


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", str(tmp_path / "report.tex"))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match=r"could not be written \(No space left on device\)"):
        files.write_text(tmp_path / "report.tex", "text")
    assert os.listdir(tmp_path) == []


def test_missing_json_is_named(tmp_path):
    with pytest.raises(InputError, match=r"scores\.json is missing"):
        files.read_json(tmp_path / "scores.json")


def test_places_and_files_that_cannot_be_are_named(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"missing.json could not be written"):
        files.write_json("/sys/a/b/missing.json", {})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="could not be written"):
        files.write_json(".", {})
    with pytest.raises(InputError, match="cannot be read"):
        files.read_json(tmp_path)


OTHER = ("[1]", '{"S": "high"}')
BROKEN = ("{", "\xff\xfe", "[" * 100_000, '{"S": NaN}', "1" * 5_000)


@pytest.mark.parametrize("text", OTHER + BROKEN)
def test_json_that_is_broken_or_of_another_kind_ends_in_one_sentence(tmp_path, text):
    path, problem = tmp_path / "scores.json", "is not valid JSON" if text in BROKEN else "is needed"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=rf"scores\.json .*{problem} .*: correct it\."):
        files.read_json(path, dict[str, float], cure="correct it")


def test_of_two_that_make_the_same_folder_the_first_ones_stays(tmp_path):
    target = tmp_path / "run"
    with files.atomic_path(target) as second:
        with files.atomic_path(target) as first:
            first.mkdir()
            (first / "whose").write_text("first")
        second.mkdir()
        (second / "whose").write_text("second")
    assert (target / "whose").read_text() == "first" and os.listdir(tmp_path) == ["run"]
