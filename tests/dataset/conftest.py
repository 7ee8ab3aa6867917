"""Small datasets for the tests of this room."""

import subprocess
from pathlib import Path

import pytest

from helpers.dataset.sources.photographs import Photographs
from helpers.dataset.sources.strips import write_strips
from helpers.dataset.store import PatchStore, open_store


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


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MB, which a store of 3 x 16 points, 1.5 MB, does not fit on."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small disk cannot be mounted here, which takes root on Linux ({error})")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)
