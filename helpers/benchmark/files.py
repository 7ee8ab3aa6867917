"""Reading descriptor files, and writing so that a killed run leaves nothing half-written."""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd

from .errors import BenchmarkError
from .layout import STRIPS
from .workers import DEFAULTS, Resources


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` that takes its place once the block succeeds.

    Raises:
        BenchmarkError: the place cannot be written (no permission, disk full).
    """
    path = Path(path).absolute()  # "." has no name of its own
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())  # else the name may reach the disk before the content
        os.replace(temporary, path)
    except OSError as error:
        raise BenchmarkError(
            f"{path} could not be written ({error.strerror or error}): "
            "free some space or choose a folder that you may write to."
        ) from error
    finally:
        with suppress(OSError):  # what could not be made need not be removed
            temporary.unlink()


def sequence_names(path: Path | str) -> list[str]:
    """Names of the sequences in a folder or file of `read_descriptors`, sorted.

    Raises:
        BenchmarkError: there is no such folder or file, it holds no descriptors, or some in one
            form and some in the other.
    """
    path = Path(path)
    forms = {"npz": list(_load(path))} if path.suffix == ".npz" else names_by_form(path)
    names = [name for found in forms.values() for name in found]
    if not names:
        raise BenchmarkError(
            f"{path} holds no descriptors: give a folder of <sequence>/<strip>.csv files or of "
            "<sequence>.npy files, or one .npz file."
        )
    if all(forms.values()) and len(forms) > 1:
        raise BenchmarkError(
            f"{path} holds {forms['npy'][0]}.npy and {forms['csv'][0]}/ref.csv, which may be of "
            "different descriptors: keep those of one form in a folder of their own."
        )
    return sorted(names)


def names_by_form(folder: Path) -> dict[str, list[str]]:
    """Sequences of a folder, sorted, that lie there as "npy" and as "csv"; hidden files aside."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:  # no folder, or none that may be read
        entries = []
    return {
        "npy": [entry.stem for entry in entries if entry.suffix == ".npy"],
        "csv": [entry.name for entry in entries if (entry / "ref.csv").is_file()],
    }


def read_descriptors(
    path: Path | str, names: Sequence[str], resources: Resources = DEFAULTS
) -> dict[str, np.ndarray]:
    """Reads the descriptors of some sequences.

    Args:
        path: an official folder of `<sequence>/<strip>.csv` files, one row a patch, separated by
            `,` or `;`; or a folder of `<sequence>.npy` files of shape (16, N, D), which are mapped
            rather than loaded when they are float32; or an `.npz` file of such arrays.
        names: sequences to read.
        resources: how many threads read, and whether progress is shown.

    Returns:
        (16, N, D) float32 of each sequence, as the official evaluator rounds whatever it reads.

    Raises:
        BenchmarkError: a sequence or strip is missing, ragged, empty or not numeric.
    """
    path = Path(path)
    there = set(sequence_names(path))
    for name in names:
        if name not in there:
            raise BenchmarkError(
                f"{path} lacks sequence {name}: describe it too, or choose another split; "
                "the benchmark's own command scores what is there by --split found."
            )
    arrays = resources.spread(lambda name: _read_sequence(path, name), names, "reading")
    return dict(zip(names, arrays, strict=True))


def _read_sequence(path: Path, name: str) -> np.ndarray:
    if path.suffix == ".npz":
        array = _load(path, name)
    elif (path / f"{name}.npy").is_file():
        array = _load(path / f"{name}.npy")
    else:
        return _read_strips(path / name)
    if array.dtype.kind not in "fiub":
        raise BenchmarkError(f"Sequence {name} of {path} has type {array.dtype}: save numbers.")
    if array.ndim != 3 or len(array) != len(STRIPS) or 0 in array.shape:
        raise BenchmarkError(
            f"Sequence {name} of {path} has shape {array.shape}: save (16, points, D)."
        )
    with np.errstate(over="ignore"):  # infinities are refused with their row, later
        return array.astype(np.float32, copy=False)


def _load(path: Path, member: str | None = None):
    """The array of a `.npy` file, mapped; the names in an `.npz` file, or one of its arrays."""
    try:
        if path.suffix != ".npz":
            # Copy-on-write only because compiled code is otherwise built twice.
            return np.lib.format.open_memmap(path, "c")
        with path.open("rb") as file, np.lib.npyio.NpzFile(file) as found:
            if member is None:
                return found.files
            _check_claim(found.zip, member)
            if not isinstance(array := found[member], np.ndarray):
                raise ValueError("no array")
            return array
    except Exception as error:  # NumPy, zipfile and zlib raise a dozen kinds for damaged files
        kind = path.suffix.removeprefix(".")
        where = f"{path} ({member})" if member else path
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise BenchmarkError(
            f"{where} cannot be read as {kind} ({said}): save these descriptors again."
        ) from error


def _check_claim(archive: ZipFile, member: str) -> None:
    """Raises ValueError for a member larger than the memory, as few bytes may claim to be."""
    names = (member, f"{member}.npy")
    claimed = max(entry.file_size for entry in archive.infolist() if entry.filename in names)
    if hasattr(os, "sysconf") and claimed > os.sysconf("SC_PAGE_SIZE") * os.sysconf(
        "SC_PHYS_PAGES"
    ):
        raise ValueError(f"{claimed:,} bytes, more than the memory")


def _read_strips(folder: Path) -> np.ndarray:
    strips = [read_csv(folder / f"{strip}.csv") for strip in STRIPS]
    for strip, rows in zip(STRIPS, strips, strict=True):
        if rows.shape != strips[0].shape:
            raise BenchmarkError(
                f"{folder / strip}.csv has {rows.shape[0]} rows of {rows.shape[1]} numbers but "
                f"ref.csv {strips[0].shape[0]} of {strips[0].shape[1]}: describe both the same way."
            )
    return np.stack(strips)


def read_csv(path: Path) -> np.ndarray:
    """Reads one strip, (N, D) float32, separated by `,` or `;`.

    Raises:
        BenchmarkError: the file is missing, empty, ragged or not numeric.
    """
    try:
        with path.open(encoding="utf-8") as file:
            first = file.readline()
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{path} is missing or no text: write this strip again.") from error
    if not first.strip():
        raise BenchmarkError(f"{path} is empty: write this strip again.")
    separator = next((mark for mark in ",;" if mark in first), None)
    if separator is None:
        raise BenchmarkError(f"{path}, line 1: the numbers should be separated by , or ;.")
    try:
        how = {"header": None, "dtype": np.float32, "skip_blank_lines": False}
        rows = pd.read_csv(path, sep=separator, **how).to_numpy()
    except (ValueError, OverflowError, MemoryError) as error:  # also pandas' ParserError
        raise BenchmarkError(_what_is_wrong(path, separator)) from error
    if not np.isfinite(rows).all():
        raise BenchmarkError(_what_is_wrong(path, separator))
    return np.ascontiguousarray(rows)


def _what_is_wrong(path: Path, separator: str) -> str:
    """A sentence on the first bad line; slow, hence only called once something is wrong."""
    width = None
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            cells = line.strip().split(separator)
            width = width or len(cells)
            if len(cells) != width:
                return f"{path}, line {number}: {len(cells)} numbers where line 1 has {width}."
            with np.errstate(over="ignore"):
                values = pd.to_numeric(pd.Series(cells), errors="coerce").to_numpy(np.float32)
            if not np.isfinite(values).all():
                cell = cells[np.isfinite(values).argmin()].strip()
                return f"{path}, line {number}: {cell!r} is not a finite number."
    return f"{path} cannot be read as numbers separated by {separator!r}."


def write_descriptors(
    descriptors: dict[str, np.ndarray], folder: Path | str, kind: str = "csv"
) -> None:
    """Writes descriptors for `read_descriptors` and for other HPatches evaluators.

    Args:
        descriptors: (16, N, D) of each sequence.
        folder: made when missing.
        kind: "csv" for the official `<sequence>/<strip>.csv`, five decimals a number; "npy" for
            `<sequence>.npy`, full precision.
    """
    for name, strips in descriptors.items():
        if kind == "npy":
            with atomic_path(Path(folder) / f"{name}.npy") as temporary:
                np.save(temporary, strips)
            continue
        for strip, rows in reversed([*zip(STRIPS, strips, strict=True)]):  # ref, the sign, is last
            with atomic_path(Path(folder) / name / f"{strip}.csv") as temporary:
                np.savetxt(temporary, rows, fmt="%10.5f", delimiter=",")
