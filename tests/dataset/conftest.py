"""Small datasets for the tests of this room."""

from pathlib import Path

import pytest

from helpers.dataset.photographs import Photographs
from helpers.dataset.store import PatchStore, open_store
from helpers.dataset.strips import write_strips


class FewPhotographs(Photographs):
    """Three small scenes, one a part."""

    parts = {"train": ("i_text",), "validation": ("i_page",), "test": ("v_chelsea",)}  # noqa: RUF012


@pytest.fixture(scope="session")
def few_photographs() -> type[FewPhotographs]:
    return FewPhotographs


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> PatchStore:
    return open_store(FewPhotographs(0, 12), tmp_path_factory.mktemp("stores"))


@pytest.fixture
def strip_folder(few: PatchStore, tmp_path: Path) -> Path:
    """An N-HPatches folder that a test may damage."""
    write_strips(few, tmp_path / "strips")
    return tmp_path / "strips"
