"""One training, other backends and devices: the losses are the same to float32 precision."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.training import backend

HERE = Path(__file__).parent


def first_losses(folder: Path, name: str, devices: int = 1) -> dict:
    pytest.importorskip(name)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(
            [str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
        ),
        "KERAS_BACKEND": name,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    command = [sys.executable, HERE / "first_losses.py", folder]
    found = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


@pytest.fixture(scope="module")
def two_devices(tmp_path_factory):
    return first_losses(tmp_path_factory.mktemp("two"), "jax", devices=2)


def assert_alike(losses, others):
    # Hardest negatives of half a batch would differ at the first step already.
    assert losses[0] == pytest.approx(others[0], rel=1e-5)
    # Later steps magnify the rounding of earlier ones, up to 2 % by the sixth on some machines.
    assert losses[:3] == pytest.approx(others[:3], rel=1e-2)
    assert losses == pytest.approx(others, rel=0.1)


def test_two_devices_on_jax_train_as_one_does_on_tensorflow(two_devices, tmp_path):
    assert two_devices["devices"] == 2
    assert_alike(two_devices["losses"], first_losses(tmp_path, "tensorflow")["losses"])


@pytest.mark.deep
def test_two_devices_on_jax_train_as_one_does(two_devices, tmp_path):
    assert_alike(two_devices["losses"], first_losses(tmp_path, "jax")["losses"])


def test_only_as_many_devices_take_part_as_divide_the_batch(monkeypatch):
    shared = []
    monkeypatch.setattr(backend.keras.backend, "backend", lambda: "jax")
    distribution = backend.keras.distribution
    monkeypatch.setattr(distribution, "list_devices", lambda: [f"gpu:{i}" for i in range(4)])
    monkeypatch.setattr(distribution, "DataParallel", lambda devices, **_: devices)
    monkeypatch.setattr(distribution, "set_distribution", shared.append)
    monkeypatch.setattr(distribution, "distribution", lambda: None)
    for batch, count in ((512, 4), (50, 2), (51, 3)):
        with backend.data_parallel(batch) as found:
            assert found == count == len(shared[-1])
        assert shared[-1] is None  # as before
    with backend.data_parallel(7) as found:
        assert found == 1


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes"),
        type("ResourceExhaustedError", (Exception,), {})("OOM when allocating tensor"),
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory."),
    ],
)
def test_out_of_memory_is_recognised_on_each_backend(error):
    assert backend.is_out_of_memory(error)
    assert not backend.is_out_of_memory(ValueError("Input 0 is incompatible"))
