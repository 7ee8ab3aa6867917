"""What made a number: versions, backend, device and commit, to be stored beside it."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from helpers.common import paths
from helpers.common.errors import InputError

PACKAGES = (
    "keras",
    "tensorflow",
    "jax",
    "jaxlib",
    "torch",
    "numpy",
    "scipy",
    "scikit-image",
    "opencv-python-headless",
    "pandas",
)
BACKENDS = ("tensorflow", "jax", "torch")


def require_backend() -> None:
    """Looks whether the backend that KERAS_BACKEND names is there, before Keras is imported.

    Raises:
        InputError: it is unknown or not installed.
    """
    name = os.environ.get("KERAS_BACKEND") or "tensorflow"
    there = [backend for backend in BACKENDS if find_spec(backend)]
    if name not in BACKENDS or name not in there:
        problem = "is not installed" if name in BACKENDS else "is no backend of Keras"
        raise InputError(
            f"KERAS_BACKEND asks for {name!r}, which {problem}: install one with "
            f"`pip install {name if name in BACKENDS else 'tensorflow'}`, or set KERAS_BACKEND to "
            f"one that is there ({', '.join(there) or 'none'})."
        )


def provenance() -> dict:
    """Python and package versions, backend, device and commit, as JSON-able values."""
    import keras  # only here: rooms without Keras may import this file

    return {
        "backend": keras.backend.backend(),
        "device": device(),
        "python": platform.python_version(),
        "versions": package_versions(),
        "commit": commit(),
    }


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that can change a number."""
    return {name: found for name in PACKAGES if (found := _version(name))}


def device() -> str:
    """The device that Keras computes on, for example 'cpu, 2 cores, x86_64'."""
    import keras

    accelerators = _accelerators(keras.backend.backend())
    if accelerators:
        return ", ".join(accelerators)
    return f"cpu, {os.cpu_count()} cores, {platform.machine()}"


def _accelerators(backend: str) -> list[str]:
    """What they are called by their makers, 'NVIDIA A100' for example."""
    if backend == "jax":
        import jax

        return [found.device_kind for found in jax.devices() if found.platform != "cpu"]
    if backend == "torch":
        import torch

        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    import tensorflow

    details = tensorflow.config.experimental.get_device_details
    found = tensorflow.config.list_physical_devices("GPU")
    return [details(one).get("device_name", one.name) for one in found]


def commit() -> str:
    """The commit of the checkout; '+' behind it says that files were changed since."""
    try:
        found = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", "helpers", "notebooks", "requirements.txt")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found + ("+" if changed else "")


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=paths.ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
