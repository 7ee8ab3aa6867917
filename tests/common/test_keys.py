"""Keys change with what decides, and with nothing else."""

import pytest

from helpers.common import keys


def test_the_order_of_names_and_the_kind_of_list_do_not_matter():
    assert keys.key({"a": 1, "b": (2, 3)}) == keys.key({"b": [2, 3], "a": 1})


@pytest.mark.parametrize("other", [{"a": 2}, {"b": 1}, {"a": 1, "b": None}, {"a": "1"}])
def test_another_value_has_another_key(other):
    assert keys.key(other) != keys.key({"a": 1})


def test_a_shorter_key_is_the_beginning_of_the_long_one():
    assert len(keys.key(1)) == 64
    assert keys.key(1, length=10) == keys.key(1)[:10]


@pytest.fixture
def code(tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "HELPERS", tmp_path)
    (tmp_path / "room" / "inner").mkdir(parents=True)
    for name in ("room/one.py", "room/inner/two.py", "alone.py"):
        (tmp_path / name).write_text(f"# {name}\n")
    return tmp_path


@pytest.mark.parametrize("name", ["room/one.py", "room/inner/two.py", "room/new.py", "alone.py"])
def test_the_key_of_code_changes_with_every_file_of_its_folders(code, name):
    before = keys.code_key("room", "alone.py")
    (code / name).write_text("changed = True\n")
    assert keys.code_key("room", "alone.py") != before


WRITTEN = """
def area(width: int, *, height=None):
    return f"{width * (height or width):>{4}} {width=}"
"""
SAME = """
"What it does."
# why
def area(
    width: int, *, height=None  # in pixels
):
    "Says the area."
    return f"{width*(height or width):>{4}} {width=}"
"""


def test_comments_docstrings_and_formatting_do_not_change_the_key_of_code():
    assert keys.source_key(WRITTEN) == keys.source_key(SAME)


@pytest.mark.parametrize(
    ("old", "new"), [("=None", "=0"), (">{4}", "<{4}"), (" or ", " and "), ("{width=}", "")]
)
def test_any_other_change_does(old, new):
    assert keys.source_key(WRITTEN) != keys.source_key(WRITTEN.replace(old, new))


def test_code_that_is_no_plain_python_has_the_key_of_its_text():
    assert keys.source_key("%magic 1") != keys.source_key("%magic 2")


def test_the_key_of_code_is_the_same_in_each_version_of_python():
    assert keys.source_key(WRITTEN)[:10] == "810a67342e"  # found with 3.11, 3.12 and 3.13


@pytest.mark.parametrize("name", ["other.py", "room/notes.txt"])
def test_the_key_of_code_does_not_change_with_other_files(code, name):
    before = keys.code_key("room", "alone.py")
    (code / name).write_text("changed = True\n")
    assert keys.code_key("room", "alone.py") == before
