"""Small datasets for the tests of this room."""

import shutil
from pathlib import Path

import pytest

from helpers.dataset.building import open_store
from helpers.dataset.sources.photographs import Photographs
from helpers.dataset.sources.strips import write_strips
from helpers.dataset.store import PatchStore


class FewPhotographs(Photographs):
    """Three small scenes, one a part."""

    parts = {"train": ("i_text",), "validation": ("i_page",), "test": ("v_chelsea",)}  # noqa: RUF012


@pytest.fixture(scope="session")
def few_photographs() -> type[FewPhotographs]:
    return FewPhotographs


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> PatchStore:
    return open_store(FewPhotographs(0, 12), tmp_path_factory.mktemp("stores"))


@pytest.fixture(scope="session")
def written(few: PatchStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`few` as an N-HPatches folder. Read only."""
    folder = tmp_path_factory.mktemp("written") / "strips"
    write_strips(few, folder)
    return folder


@pytest.fixture
def strip_folder(written: Path, tmp_path: Path) -> Path:
    """An N-HPatches folder that a test may damage."""
    return shutil.copytree(written, tmp_path / "strips")
