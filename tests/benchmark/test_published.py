"""Published lists: fetched once, verified, cached; a message that helps without a network."""

import io
import urllib.error

import pytest

from helpers.benchmark import BenchmarkError, published
from helpers.benchmark.splits import OFFICIAL
from helpers.benchmark.tasks import PATCHES, STEMS

CONTENT = b"s,idx\nv_one,3\n"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HPATCHES_TASKS", str(tmp_path / "lists"))
    hashes = {name: published.digest(CONTENT, like) for name, like in published.HASHES["a"].items()}
    monkeypatch.setitem(published.HASHES, "a", hashes)
    return tmp_path / "lists"


def answer(monkeypatch, content):
    asked = []

    def urlopen(address, timeout):
        asked.append(address)
        if isinstance(content, Exception):
            raise content
        return io.BytesIO(content)

    monkeypatch.setattr(published.urllib.request, "urlopen", urlopen)
    return asked


def test_lists_are_fetched_once(cache, monkeypatch):
    asked = answer(monkeypatch, CONTENT)
    assert published.fetch_tasks("a") == published.fetch_tasks("a") == cache
    assert len(asked) == len(set(asked)) == 5


def test_another_content_is_refused_and_not_kept(cache, monkeypatch):
    answer(monkeypatch, b"other")
    with pytest.raises(BenchmarkError, match="hash differs"):
        published.fetch_tasks("a")
    assert not cache.exists()


def test_changed_cache_is_noticed(cache, monkeypatch):
    answer(monkeypatch, CONTENT)
    published.fetch_tasks("a")
    (cache / "verif_pos_split-a.csv").write_bytes(b"changed")
    with pytest.raises(BenchmarkError, match=r"verif_pos_split-a\.csv is not the published list"):
        published.fetch_tasks("a")


def test_without_a_network_the_message_says_where_to_put_the_lists(cache, monkeypatch):
    answer(monkeypatch, urllib.error.URLError("no route"))
    with pytest.raises(BenchmarkError, match=r"no route.*put this file .* into") as error:
        published.fetch_tasks("a")
    assert str(cache) in str(error.value)


def test_digest_is_gits_blob_id():
    # `git hash-object` of an empty file.
    assert published.digest(b"", "0" * 40) == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


@pytest.mark.parametrize("split", OFFICIAL)
def test_every_list_of_an_official_split_has_a_hash(split):
    hashes = published.HASHES[split]
    assert list(hashes) == [f"{stem}_split-{split}.csv" for stem in STEMS.values()]
    assert [len(value) for value in hashes.values()] == [40] * 3 + [64] * 2


def test_published_retrieval_lists_have_their_hash(shared_data):
    for stem in PATCHES.values():
        name = f"{stem}_split-a.csv"
        expected = published.HASHES["a"][name]
        content = (shared_data / "official-tasks" / name).read_bytes()
        assert published.digest(content, expected) == expected
