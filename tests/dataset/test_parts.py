"""Which scene is for what, and what each purpose needs of it."""

import json
import shutil
from types import SimpleNamespace

import pytest

from helpers.common import paths
from helpers.common.errors import InputError
from helpers.dataset import Choice, find_source, open_dataset
from helpers.dataset.layout import PARTS
from helpers.dataset.parts import LEAST, choose_parts, require


def data(*counts: int) -> SimpleNamespace:
    """Parts of so many scenes."""
    parts = {
        part: [f"{part} {n}" for n in range(count)]
        for part, count in zip(PARTS, counts, strict=True)
    }
    return SimpleNamespace(parts=parts, split="mine.json")


TOO_FEW = [
    ("train", (0, 1, 1), "train"),
    ("train", (1, 0, 1), "validation"),
    ("search", (5, 1, 0), "validation"),
    ("score", (9, 9, 0), "test"),
    ("report", (3, 1, 2), "validation"),
    ("report", (3, 2, 1), "test"),
]


@pytest.mark.parametrize(("purpose", "counts", "part"), TOO_FEW)
def test_a_part_with_too_few_scenes_is_named_and_one_more_scene_is_the_cure(purpose, counts, part):
    with pytest.raises(InputError, match=rf"The {part} part of split mine\.json .* to {purpose}"):
        require(data(*counts), purpose)
    require(
        data(*(count + (name == part) for name, count in zip(PARTS, counts, strict=True))), purpose
    )


@pytest.mark.parametrize("count", range(1, 20))
def test_two_of_four_training_scenes_are_held_out_so_that_a_search_can_compare(count):
    names = [f"i_{number:02}" for number in range(count)]
    parts = choose_parts(names, {"train": names})
    assert sorted(parts["train"] + parts["validation"]) == names and parts["train"]
    assert len(parts["validation"]) >= (2 if count > 3 else 1 if count > 1 else 0)


def test_the_split_of_the_readme_is_one_that_a_report_can_be_made_of():
    text = (paths.ROOT / "README.md").read_text(encoding="utf-8")
    start = text.index('{"train"')
    split = json.loads(text[start : text.index("}", start) + 1])
    names = [name for part in split.values() for name in part]
    require(SimpleNamespace(parts=choose_parts(names, split), split="split.json"), "report")


def test_one_sequence_alone_can_be_opened_without_any_split(written, tmp_path):
    shutil.copytree(written / "i_text", tmp_path / "mine" / "my_scene")
    store = open_dataset(f"n-hpatches:{tmp_path / 'mine'}", tmp_path / "stores")
    assert list(store.scenes) == ["my_scene"] == list(store.unused) and len(store) == 12
    for purpose in ("look at it", "score"):
        with pytest.raises(InputError, match=r"names none of the scenes .* \(my_scene\)"):
            require(store, purpose)


@pytest.fixture
def two_folders(written, tmp_path):
    """Strips in two folders, whose split.json do not fit any more; names of the scenes differ."""
    for folder, names in (("one", ("i_text", "i_page")), ("two", ("v_chelsea", "v_more"))):
        for name in names:
            source = written / (name if name != "v_more" else "i_text")
            shutil.copytree(source, tmp_path / folder / name)
    return f"n-hpatches:{tmp_path / 'one'}+n-hpatches:{tmp_path / 'two'}"


def test_a_split_names_scenes_of_all_that_are_joined(two_folders, tmp_path):
    split = tmp_path / "mine.json"
    split.write_text('{"train": ["i_text"], "validation": ["v_more"], "test": ["v_chelsea"]}')
    found = find_source(two_folders, Choice(str(split)))
    assert found.parts == {"train": ("i_text",), "validation": ("v_more",), "test": ("v_chelsea",)}
    assert set(found.scenes) == {"i_text", "i_page", "v_chelsea", "v_more"}
    split.write_text('{"test": ["nowhere"]}')
    with pytest.raises(InputError, match="names nowhere"):
        find_source(two_folders, Choice(str(split)))


def test_a_folder_of_training_scenes_alone_can_be_added(two_folders, tmp_path):
    (tmp_path / "one" / "split.json").write_text(
        '{"train": ["i_text", "i_page"], "validation": []}'
    )
    (tmp_path / "two" / "split.json").write_text(
        '{"validation": ["v_more"], "test": ["v_chelsea"]}'
    )
    found = find_source(two_folders, Choice())
    assert [len(found.parts[part]) for part in PARTS] == [2, 1, 1]


def test_chosen_scenes_may_lie_in_either_of_two_folders(two_folders):
    assert find_source(two_folders, Choice(scenes="i_page,v_more")).scenes == ("i_page", "v_more")
    with pytest.raises(InputError, match="There is no scene 'v_less' here"):
        find_source(two_folders, Choice(scenes="i_page,v_less"))


def test_every_purpose_names_known_parts():
    assert all(set(least) <= set(PARTS) for least in LEAST.values())
