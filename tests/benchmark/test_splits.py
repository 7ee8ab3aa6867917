"""The official splits."""

import hashlib

import pytest

from helpers import benchmark

# First digits of the sha256 of "<test names> | <train names>" of the official splits.json.
OFFICIAL = {
    "a": "6bd765c7e7314ad7",
    "b": "e4ff79fa0dd4e5e4",
    "c": "074d00334abbba8d",
    "illum": "3d0f3a8dac1135f3",
    "view": "9d5ed63d270f7b09",
    "full": "b6e5dc05ac7bfa3c",
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_splits_are_the_official_ones_in_official_order(name):
    split = benchmark.load_split(name)
    names = " ".join([*split.test, "|", *split.train])
    assert hashlib.sha256(names.encode()).hexdigest()[:16] == OFFICIAL[name]


@pytest.mark.parametrize(("name", "sequences"), [("a", 40), ("illum", 57), ("full", 116)])
def test_splits_have_their_size_and_never_share(name, sequences):
    split = benchmark.load_split(name)
    assert len(set(split.test)) == sequences
    assert not set(split.test) & set(split.train)


def test_unknown_split_is_refused():
    with pytest.raises(benchmark.BenchmarkError, match="no split 'z': choose one of a, b"):
        benchmark.load_split("z")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"a": {}}', '{"a": 3}', '{"a": {"test": "xyz"}}', '{"a": {"test": [[1]]}}']
)
def test_splits_in_another_format_are_refused(tmp_path, text):
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(benchmark.BenchmarkError, match=r"splits\.json is not a list of splits"):
        benchmark.load_split("a", tmp_path)
