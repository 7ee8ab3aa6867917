"""The official splits."""

import json

import pytest

from helpers import benchmark


def test_splits_are_the_official_ones_in_official_order(shared_data):
    for name, expected in json.loads((shared_data / "splits.json").read_text()).items():
        split = benchmark.load_split(name)
        assert split.test == tuple(expected["test"])
        assert split.train == tuple(expected.get("train", ()))


@pytest.mark.parametrize(("name", "sequences"), [("a", 40), ("illum", 57), ("full", 116)])
def test_splits_have_their_size_and_never_share(name, sequences):
    split = benchmark.load_split(name)
    assert len(set(split.test)) == sequences
    assert not set(split.test) & set(split.train)


def test_unknown_split_is_refused():
    with pytest.raises(benchmark.BenchmarkError, match="no split 'z': choose one of a, b"):
        benchmark.load_split("z")


@pytest.mark.parametrize("text", ["{", "[]", '{"a": {}}', '{"a": 3}'])
def test_splits_in_another_format_are_refused(tmp_path, text):
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(benchmark.BenchmarkError, match=r"splits\.json is not a list of splits"):
        benchmark.load_split("a", tmp_path)
