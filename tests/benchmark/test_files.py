"""Descriptor files: both forms read alike, and bad ones named."""

import numpy as np
import pytest

from helpers.benchmark import BenchmarkError
from helpers.benchmark.files import (
    atomic_path,
    read_csv,
    read_descriptors,
    sequence_names,
    write_descriptors,
)


@pytest.fixture
def descriptors():
    rng = np.random.default_rng(0)
    each = {"v_b": (16, 5, 4), "i_a": (16, 3, 4)}
    return {
        name: (np.rint(rng.normal(size=shape) * 1e5) / 1e5).astype(np.float32)
        for name, shape in each.items()
    }


def save_csv(folder, descriptors):
    write_descriptors(descriptors, folder)
    return folder


def save_npy(folder, descriptors):
    for name, each in descriptors.items():
        np.save(folder / f"{name}.npy", each)
    return folder


@pytest.mark.parametrize("save", [save_csv, save_npy])
def test_every_form_gives_back_what_was_written(tmp_path, descriptors, save):
    path = save(tmp_path, descriptors)
    assert sequence_names(path) == ["i_a", "v_b"]
    back = read_descriptors(path, ["v_b", "i_a"])
    for name, each in descriptors.items():
        assert back[name].dtype == np.float32
        np.testing.assert_array_equal(back[name], each)


def test_whatever_is_read_is_rounded_to_float32(tmp_path, descriptors):
    for name, each in descriptors.items():
        np.save(tmp_path / f"{name}.npy", each.astype(np.float64) + 1e-12)
    back = read_descriptors(tmp_path, ["v_b"])["v_b"]
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, descriptors["v_b"])


def test_float32_arrays_are_mapped(tmp_path, descriptors):
    save_npy(tmp_path, descriptors)
    assert isinstance(read_descriptors(tmp_path, ["v_b"])["v_b"], np.memmap)


def test_words_for_numbers_are_refused(tmp_path):
    np.save(tmp_path / "v_b.npy", np.array([["a"]]))
    with pytest.raises(BenchmarkError, match=r"v_b.npy: shape .* and type <U1 should be"):
        read_descriptors(tmp_path, ["v_b"])


def test_semicolons_separate_as_well(tmp_path):
    path = tmp_path / "ref.csv"
    path.write_text("1.5;2\n-3; 4e-1\n")
    np.testing.assert_array_equal(read_csv(path), np.float32([[1.5, 2], [-3, 0.4]]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read (No columns"),
        ("1 2 3\n", "line 1: the numbers should be finite, separated by , or ;"),
        ("1,2\n3,x\n", "line 2: the numbers should"),
        ("1,2\n3,\n", "line 2: the numbers should"),
        ("1,2\n3,nan\n", "line 2: the numbers should"),
        ("1,2\n3,1e300\n", "line 2: the numbers should"),
        ("1,2\n3,4\n5,6,7\n", "Expected 2 fields in line 3, saw 3"),
        ("1,2\n3,4\n5\n", "line 3: the numbers should"),
        ("1,2\n3;4\n", "line 2: the numbers should"),
        ("1,2\n\n3,4\n", "line 2: the numbers should"),
    ],
)
def test_bad_cells_are_named_with_file_and_line(tmp_path, text, message):
    path = tmp_path / "e3.csv"
    path.write_text(text)
    with pytest.raises(BenchmarkError, match=r"e3\.csv") as error:
        read_csv(path)
    assert message in str(error.value)


def test_missing_strip_is_named(tmp_path, descriptors):
    save_csv(tmp_path, descriptors)
    (tmp_path / "v_b" / "h3.csv").unlink()
    with pytest.raises(BenchmarkError, match=r"v_b.h3\.csv cannot be read .*No such file"):
        read_descriptors(tmp_path, ["v_b"])


def test_ragged_strips_are_named(tmp_path, descriptors):
    save_csv(tmp_path, descriptors)
    (tmp_path / "v_b" / "h3.csv").write_text("1,2,3,4\n")
    with pytest.raises(BenchmarkError, match=r"h3\.csv has 1 rows of 4 numbers but ref\.csv 5"):
        read_descriptors(tmp_path, ["v_b"])


def test_two_forms_in_one_folder_are_refused_whatever_they_are_called(tmp_path, descriptors):
    save_npy(tmp_path, {"v_b": descriptors["v_b"]})
    save_csv(tmp_path, {"i_a": descriptors["i_a"]})
    with pytest.raises(BenchmarkError, match=r"v_b\.npy and i_a/ref\.csv"):
        read_descriptors(tmp_path, ["v_b"])


def test_what_a_killed_writer_left_is_no_sequence(tmp_path, descriptors):
    save_npy(tmp_path, descriptors)
    (tmp_path / ".v_b-0123abcd.npy").write_bytes(b"half")
    assert sequence_names(tmp_path) == ["i_a", "v_b"]


def test_missing_sequence_is_named(tmp_path, descriptors):
    with pytest.raises(BenchmarkError, match="lacks sequence v_c"):
        read_descriptors(save_npy(tmp_path, descriptors), ["v_c"])


@pytest.mark.parametrize("name", ["nothing", "."])
def test_no_descriptors_there_is_said(tmp_path, name):
    with pytest.raises(BenchmarkError, match="holds no descriptors"):
        sequence_names(tmp_path / name)


def test_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "x.csv") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("array", [np.zeros(16), np.float32(1), np.zeros((15, 3, 2))])
def test_an_array_of_another_form_is_refused(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(
        BenchmarkError, match=r"x.npy: shape .* should be \(16, points, D\) numbers"
    ):
        read_descriptors(tmp_path, ["x"])


def test_an_archive_named_as_an_array_is_refused(tmp_path, descriptors):
    np.savez(tmp_path / "x.npz", **descriptors)
    (tmp_path / "x.npz").rename(tmp_path / "x.npy")
    with pytest.raises(BenchmarkError, match=r"x.npy cannot be read as npy"):
        read_descriptors(tmp_path, ["x"])
