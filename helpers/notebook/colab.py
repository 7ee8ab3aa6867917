"""Setting up a notebook in Google Colab, which brings the notebook alone and much of the rest.

The cell behind the parameters of each notebook fetches the repository and calls `set_up`. Nothing
may be imported here that reads `helpers.common.paths`: the folder on Drive has to be known before.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from helpers.common.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
# Colab's own versions fit its GPU; another one is not worth the gigabytes and the restart.
KEPT = ("numpy", "keras", "tensorflow", "jax", "jaxlib")


def set_up(drive: str = "") -> None:
    """Installs what is missing, says if there is no GPU, and mounts Drive if asked.

    Args:
        drive: where runs, figures and report are kept beyond the end of the machine, such as
            "/content/drive/MyDrive/n-hpatches"; "" for nowhere. Datasets stay on the machine.

    Raises:
        InputError: a package cannot be installed, or another folder is in use already.
    """
    install(missing())
    if not installed("tensorflow"):
        os.environ.setdefault("KERAS_BACKEND", "jax")
    if drive:
        keep_on_drive(drive)
    else:
        print(
            "Runs, figures and report end with this machine, and the next notebook's machine has "
            "none of them: set DRIVE to keep them."
        )
    if not shutil.which("nvidia-smi"):
        print("No GPU: choose Runtime, Change runtime type, or stay with the profile coursework.")


def missing() -> list[Requirement]:
    """What the notebooks import and is not there, or not as new as needed.

    TensorFlow is not missing where JAX is there, as on Colab's TPU machines: Keras then runs on it.
    """
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    lines = text.partition("# Notebooks")[0].splitlines()  # Colab has its own of what follows
    needed = [Requirement(line) for one in lines if (line := one.partition("#")[0].strip())]

    def is_there(one: Requirement) -> bool:
        found = installed(one.name)
        return bool(found) and one.specifier.contains(found, prereleases=True)

    instead = {"tensorflow"} if installed("jax") else set()
    return [one for one in needed if one.name not in instead and not is_there(one)]


def installed(name: str) -> str | None:
    """The installed version of a package, None where there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def install(packages: list[Requirement]) -> None:
    """Installs packages, if there are any, but no other version of those in KEPT.

    Raises:
        InputError: that is not possible.
    """
    if not packages:
        return
    names = ", ".join(map(str, packages))
    print(f"Installing {names} ...", flush=True)
    kept = [f"{name}=={version}" for name in KEPT if (version := installed(name))]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("\n".join(kept))
        constraints.flush()
        command = [sys.executable, "-m", "pip", "install", "--quiet", "-c", constraints.name]
        done = subprocess.run([*command, *map(str, packages)], capture_output=True, text=True)
    if done.returncode:
        said = " ".join(done.stderr.partition("[notice]")[0].split())[-300:]
        raise InputError(
            f"{names} could not be installed beside this machine's {', '.join(kept)} (pip says: "
            f"{said}): connect the machine to the network, or choose another runtime version "
            "(Runtime, Change runtime type), and run all again."
        )


def keep_on_drive(folder: str) -> None:
    """Mounts Google Drive and puts what runs make into a folder of it.

    Raises:
        InputError: helpers were imported before and use another folder, or the folder is not on
            Drive.
    """
    if not folder.startswith("/content/drive/MyDrive"):
        raise InputError(f"{folder} is not on Drive: choose a folder below /content/drive/MyDrive.")
    in_use = os.environ.get("NHPATCHES_HOME")
    if "helpers.common.paths" in sys.modules and in_use != folder:
        raise InputError(f"{folder} comes too late: restart the session and run all again.")
    from google.colab import drive  # exists there only

    drive.mount("/content/drive")
    os.environ["NHPATCHES_HOME"] = folder
    os.environ.setdefault("NHPATCHES_DATA", str(ROOT / "data"))  # Drive is slow to map
    print(f"Runs, figures and report are kept in {folder}.")
