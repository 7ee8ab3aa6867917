"""What several tests need."""

import os
import runpy
import shutil
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "PYTEST_XDIST_WORKER" in os.environ:  # one worker a core, so one thread a worker
    for _name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(_name, "1")

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest


def pytest_collection_modifyitems(items):
    """One test of the smoke home comes first and has a worker make it; the others come last.

    So no second worker waits for it. (xdist 3.8 does not see its groups under pytest 9.)
    """
    needing = [item for item in items if "smoke_home" in item.fixturenames]
    others = [item for item in items if "smoke_home" not in item.fixturenames]
    items[:] = [*needing[:1], *others, *needing[1:]]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Development data beside the checkout; a user's clone does not have it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the development data beside the checkout (shared/data) is not here")
    return folder


def once_for_all_workers(factory: pytest.TempPathFactory, name: str, make: Callable) -> Path:
    """A folder that the first worker to ask for it fills by `make(folder)`, for all of them."""
    from helpers.common.files import locked

    root = factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder, done = root / name, root / f"{name}.done"
    with locked(root / f"{name}.lock"):
        if not done.exists():
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def photographs_folder(tmp_path_factory) -> Path:
    """A data folder with the photographs as the smoke profile takes them. Read only."""
    return once_for_all_workers(tmp_path_factory, "photographs", open_photographs)


@pytest.fixture(scope="session")
def photographs(photographs_folder):
    """The photographs with 40 points a scene, as the smoke profile takes them. Read only."""
    return open_photographs(photographs_folder)


def open_photographs(folder: Path):
    from helpers.dataset import open_dataset

    return open_dataset("photographs", folder=folder, seed=1, points_per_scene=40)


@pytest.fixture(scope="session")
def smoke_home(tmp_path_factory, photographs_folder) -> Path:
    """A home after `report` in the smoke profile; what was printed is in `stdout`. Read only."""

    def make(folder: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "helpers", "report", "--profile", "smoke"],
            cwd=Path(__file__).parents[1],
            env=os.environ | places_of(folder, photographs_folder),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        (folder / "stdout").write_text(done.stdout)

    return once_for_all_workers(tmp_path_factory, "smoke-home", make)


@pytest.fixture
def at_home(monkeypatch, photographs_folder) -> Callable[[Path], Path]:
    """Lets this process live in a home, which is returned; the photographs are built already."""

    def move(home: Path) -> Path:
        from helpers.common import paths

        for name, place in places_of(home, photographs_folder).items():
            monkeypatch.setenv(name, place)
        for name, place in runpy.run_path(paths.__file__).items():
            if name.isupper():
                monkeypatch.setattr(paths, name, place)
        return home

    return move


def places_of(home: Path, data: Path) -> dict[str, str]:
    """The variables of the environment that `helpers.common.paths` reads."""
    return {"NHPATCHES_HOME": str(home), "NHPATCHES_DATA": str(data)}


@pytest.fixture
def copied_home(smoke_home, at_home, tmp_path) -> Path:
    """A copy of the smoke home to live in and to change."""
    return at_home(shutil.copytree(smoke_home, tmp_path / "home"))


@dataclass
class TinyStore:
    """Stands in for a PatchStore: smooth random patches, 12 points a sequence."""

    name: str = "tiny"
    fingerprint: str = "0123456789abcdef"
    split: str = "its own"
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        rng = np.random.default_rng(0)
        coarse = rng.integers(0, 256, (6 * 12, 1, 5, 5), dtype=np.uint8)
        self.clean65 = np.broadcast_to(
            np.kron(coarse, np.ones((13, 13), np.uint8)), (72, 16, 65, 65)
        )
        self.clean = np.ascontiguousarray(self.clean65[..., ::2, ::2][..., :32, :32])
        noise = rng.normal(0, 20, self.clean.shape)
        self.noisy = np.clip(self.clean + noise, 0, 255).astype(np.uint8)
        self.noisy[:, 0] = self.clean[:, 0]
        names = [f"{kind}_{number}" for number in range(3) for kind in "iv"]
        self.scenes = {name: slice(12 * i, 12 * i + 12) for i, name in enumerate(names)}
        self.parts = {
            "train": tuple(names[:2]),
            "validation": tuple(names[2:4]),
            "test": tuple(names[4:]),
        }

    def rows(self, part: str) -> np.ndarray:
        return np.concatenate([np.r_[self.scenes[name]] for name in self.parts[part]])

    def lengths(self, part: str) -> dict[str, int]:
        return dict.fromkeys(self.parts[part], 12)


@pytest.fixture(scope="session")
def tiny_store() -> TinyStore:
    return TinyStore()


@pytest.fixture
def small_disk(tmp_path):
    """A real disk of two megabytes."""
    disk = tmp_path / "small disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here (needs root)")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)  # maps may still be open
