"""What made a number: versions, backend, device and commit, to be stored beside it."""

import os
import platform
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from helpers.common import paths
from helpers.common.errors import InputError

PACKAGES = ["keras", "tensorflow", "jax", "jaxlib", "torch", "numpy", "scipy", "scikit-image"]
PACKAGES += ["opencv-python-headless", "pandas"]
OLDEST_KERAS = [3, 13]  # as in requirements.txt
BACKENDS = ("tensorflow", "jax", "torch")


def require_backend() -> None:
    """Raises InputError where Keras is too old or the backend of KERAS_BACKEND is not there.

    To be called before Keras is imported, which would fail in many lines.
    """
    found = package_versions().get("keras")
    if not found or [int(part) for part in found.split(".")[:2]] < OLDEST_KERAS:
        needed = ".".join(map(str, OLDEST_KERAS))
        raise InputError(
            f"Keras {needed} or newer is needed, and {found or 'none'} is installed: "
            f"`pip install --upgrade 'keras>={needed}'`, and restart what is running."
        )
    name = os.environ.get("KERAS_BACKEND") or "tensorflow"
    there = [backend for backend in BACKENDS if find_spec(backend)]
    if name not in there:
        raise InputError(
            f"KERAS_BACKEND asks for {name!r}, which is not installed or no backend of Keras: set "
            f"it to one that is ({', '.join(there) or 'none'}), or `pip install tensorflow`."
        )


def provenance() -> dict:
    """Python and package versions, backend, device and commit, as JSON-able values."""
    import keras  # rooms without Keras may import this file

    return {
        "backend": keras.backend.backend(),
        "device": device(),
        "python": platform.python_version(),
        "versions": package_versions(),
        "commit": commit(),
    }


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that can change a number."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def device() -> str:
    """The device that Keras computes on, for example 'cpu, 2 cores, x86_64'."""
    import keras

    cpu = f"cpu, {os.cpu_count()} cores, {platform.machine()}"
    return ", ".join(_accelerators(keras.backend.backend())) or cpu


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
    how = {"cwd": paths.ROOT, "stderr": subprocess.DEVNULL, "text": True}
    code = ["helpers", "notebooks", "experiments", "requirements.txt"]
    try:
        found = subprocess.check_output(["git", "rev-parse", "--short=12", "HEAD"], **how)
        changed = subprocess.check_output(["git", "status", "--porcelain", "--", *code], **how)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.strip() + ("+" if changed else "")
