"""What lies in the folder of the stores: listing it, and dropping what is not wanted any more."""

import shutil
from pathlib import Path

from helpers.common.errors import InputError
from helpers.dataset.store import PatchStore

STORE = "store"  # so that a line of the list says what may be dropped


def listed(folder: Path) -> str:
    """Where the folder is, and a line for each thing in it: size in MB, name, content."""
    found = sorted(path for path in _inside(folder) if path.suffix != ".lock")
    sizes = {path: _size(path) / 1e6 for path in found}
    lines = [f"{sizes[path]:10,.0f} MB  {path.name}: {_content(path)}" for path in found]
    return "\n".join([f"{folder}: {sum(sizes.values()):,.0f} MB", *lines])


def drop(folder: Path, name: str) -> Path:
    """Removes one store, or what a killed build left.

    Raises:
        InputError: there is none of that name, or it cannot be removed.
    """
    found = {path.name: path for path in _inside(folder) if STORE in _content(path)}
    if name not in found:
        raise InputError(
            f"There is no store {name!r} in {folder}: `python -m helpers dataset list` names those "
            "that are, and what else is there you may delete yourself."
        )
    try:
        shutil.rmtree(found[name])
    except OSError as error:
        raise InputError(
            f"{error.filename} cannot be removed ({error.strerror}): ask for permission."
        ) from error
    return found[name]


def _inside(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _size(path: Path) -> int:
    return sum(file.lstat().st_size for file in (path, *path.rglob("*")) if file.is_file())


def _content(path: Path) -> str:
    if not path.is_dir():
        return "a file"
    if path.name.startswith("."):
        return f"an unfinished {STORE}, unless it is being built just now"
    if not (path / "store.json").exists():
        return "a folder"
    try:
        store = PatchStore(path)
    except InputError:
        return f"a {STORE} that is damaged or of another version"
    limit = store.recipe.get("points_per_scene")
    kept = "with" if store.clean65 is not None else "without"
    limited = f" (at most {limit} of each)" * bool(limit)
    return f"{STORE} of {len(store.scenes)} scenes, {len(store):,} points{limited}, {kept} 65 px"
