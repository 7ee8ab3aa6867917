"""Reading descriptor files, and writing so that a killed run leaves nothing half-written."""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

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


def sequence_names(folder: Path | str) -> list[str]:
    """Names of the sequences in a folder of `read_descriptors`, sorted.

    Raises:
        BenchmarkError: the folder holds no descriptors, or some in one form and some in the other.
    """
    forms = names_by_form(Path(folder))
    if not any(forms.values()):
        raise BenchmarkError(
            f"{folder} holds no descriptors: give a folder of <sequence>/<strip>.csv files or of "
            "<sequence>.npy files."
        )
    if all(forms.values()):
        raise BenchmarkError(
            f"{folder} holds {forms['npy'][0]}.npy and {forms['csv'][0]}/ref.csv, which may be of "
            "different descriptors: keep those of one form in a folder of their own."
        )
    return forms["npy"] or forms["csv"]


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
    folder: Path | str, names: Sequence[str], resources: Resources = DEFAULTS
) -> dict[str, np.ndarray]:
    """(16, N, D) float32 of some sequences; the official evaluator, too, rounds whatever it reads.

    Args:
        folder: of official `<sequence>/<strip>.csv` files, one row a patch, separated by `,` or
            `;`; or of `<sequence>.npy` files of shape (16, N, D), which are mapped rather than
            loaded when they are float32.

    Raises:
        BenchmarkError: a sequence or strip is missing, ragged, empty or not numeric.
    """
    folder = Path(folder)
    if missing := sorted({*names} - {*sequence_names(folder)}):
        raise BenchmarkError(
            f"{folder} lacks sequence {missing[0]}: describe it too, or choose another split; "
            "the benchmark's own command scores what is there by --split found."
        )
    arrays = resources.spread(lambda name: _read_sequence(folder, name), names, "reading")
    return dict(zip(names, arrays, strict=True))


def _read_sequence(folder: Path, name: str) -> np.ndarray:
    path = folder / f"{name}.npy"
    if not path.is_file():
        return _read_strips(folder / name)
    try:
        # Copy-on-write only because compiled code is otherwise built twice.
        array = np.lib.format.open_memmap(path, "c")
    except Exception as error:  # NumPy raises a dozen kinds for damaged files
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise BenchmarkError(
            f"{path} cannot be read as npy ({said}): save these descriptors again."
        ) from error
    check_shape(path, array)
    with np.errstate(over="ignore"):  # infinities are refused with their row, later
        return array.astype(np.float32, copy=False)


def check_shape(name: Path | str, array: np.ndarray) -> None:
    """Raises a BenchmarkError unless these are the descriptors of a sequence, (16, N, D)."""
    numeric = array.dtype.kind in "fiub"
    if not numeric or array.ndim != 3 or len(array) != len(STRIPS) or 0 in array.shape:
        raise BenchmarkError(
            f"{name}: shape {array.shape} and type {array.dtype} should be (16, points, D) numbers."
        )


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
        BenchmarkError: the file is missing, empty, ragged or not numeric; names the line.
    """
    how = {"header": None, "skip_blank_lines": False}
    try:
        with path.open(encoding="utf-8") as file:
            how["sep"] = ";" if ";" in file.readline() else ","
        with np.errstate(over="ignore"):  # infinities are refused below
            try:
                rows = pd.read_csv(path, dtype=np.float32, **how).to_numpy()
            except ValueError:  # words: they become NaN, and their line is named below
                words = pd.read_csv(path, dtype=str, **how)
                rows = words.apply(pd.to_numeric, errors="coerce").to_numpy(np.float32)
    except (OSError, ValueError, OverflowError, MemoryError) as error:  # also those of pandas
        raise BenchmarkError(
            f"{path} cannot be read ({' '.join(str(error).split())}): write this strip again."
        ) from error
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        raise BenchmarkError(
            f"{path}, line {bad.argmax() + 1}: the numbers should be finite, separated by , or ;, "
            "and as many in every line."
        )
    return np.ascontiguousarray(rows)


def write_descriptors(
    descriptors: dict[str, np.ndarray], folder: Path | str, kind: str = "csv"
) -> None:
    """Writes descriptors for `read_descriptors` and for other HPatches evaluators.

    Args:
        descriptors: (16, N, D) of each sequence.
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
