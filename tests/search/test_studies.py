"""Storages: what cannot be used is said in one sentence, without a password, and can be mended."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.common.errors import InputError
from helpers.search import studies
from tests.search.conftest import finished

SECRET = "hunter2"


@pytest.mark.parametrize(
    "storage",
    [
        "postgresql://me:hunter2@host/db",
        "postgresql//me:hunter2@host/db",
        "postgresql://host/db?password=hunter2",
        "mysql+nosuchdriver://me@host:hunter2/db",
        "hunter2@host",
        "sqlite://me:hunter2@host/db",
    ],
)
def test_no_password_is_printed_however_it_was_mistyped(storage, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="cannot be used") as caught:
        studies.begin_study("rates", storage, {})
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__  # a traceback would show it


def test_a_file_is_shown_without_what_a_password_could_be():
    assert studies.shown("sqlite:///a b/c.db?password=hunter2") == "sqlite:///a b/c.db"
    assert studies.shown("runs/my search.db") == "runs/my search.db"  # what was typed amiss


URLS = st.sampled_from(
    [
        f"postgresql://me:{SECRET}@host:5432/db",
        f"mysql+pymysql://me:{SECRET}@host/db",
        f"postgresql://host/db?password={SECRET}",
        f"postgresql://host:5432/db?user=me&password={SECRET}",
        f"postgresql://me:x@{SECRET}@host/db",
    ]
)


@settings(max_examples=400, derandomize=True, deadline=None, database=None)
@given(URLS, st.integers(0, 40), st.sampled_from(["", *":/@?=& #[%\\é"]), st.booleans())
def test_a_slip_of_the_keyboard_shows_no_password(url, place, typed, instead):
    first, last = url.index(SECRET), url.index(SECRET) + len(SECRET)
    place %= len(url)
    if first <= place < last:
        place = first  # before it: what is typed inside is another password
        instead = False
    mistyped = url[:place] + typed + url[place + instead :]
    with pytest.raises(InputError) as caught, studies.usable(mistyped, (ValueError,)):
        raise ValueError(f"what of {mistyped}?")
    assert SECRET not in str(caught.value) and studies.shown(mistyped) in str(caught.value)


def test_a_damaged_file_is_named_and_the_cure_works(look, make_trainer, tmp_path):
    file = tmp_path / "search.file"
    storage, train = f"sqlite:///{file}", make_trainer()
    look(train, 2, storage=storage)
    file.write_bytes(b'{"op_code": 0,\nnonsense\n' + file.read_bytes()[30:])
    with pytest.raises(InputError, match=r"search.file cannot be used .* move a damaged file away"):
        look(train, 3, storage=storage)
    file.rename(tmp_path / "aside")
    assert finished(look(train, 2, storage=storage)) == 2


def test_a_full_disk_is_named_and_the_search_goes_on_with_space(look, make_trainer, small_disk):
    storage, train = f"sqlite:///{small_disk}/search.file", make_trainer()
    look(train, 2, storage=storage)
    full = small_disk / "full"
    with pytest.raises(OSError), full.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(512))
    with pytest.raises(InputError, match=r"search.file cannot be used .* free some space"):
        look(train, 60, storage=storage)
    full.unlink()
    assert finished(look(train, 4, storage=storage)) >= 4
