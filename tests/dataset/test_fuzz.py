"""The readers meet arbitrary bytes: they answer, or they raise InputError; nothing else."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.common.errors import InputError
from helpers.dataset import PatchStore, open_dataset
from helpers.dataset.parts import choose_parts, read_split
from helpers.dataset.sources.images import decode_grey, png_size
from helpers.dataset.sources.sequences import read_homography
from helpers.dataset.sources.tree import open_tree

often = pytest.mark.parametrize("cases", [30, pytest.param(500, marks=pytest.mark.deep)])


def meet(check: Callable, strategy: st.SearchStrategy, cases: int) -> None:
    """Calls `check` with so many values of the strategy."""
    settings(max_examples=cases, deadline=None, derandomize=True)(given(strategy)(check))()


def png() -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (64, 32), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def small_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("v_one/ref.png", png())
        archive.writestr("v_one/e1.png", b"text" * 50)
    return buffer.getvalue()


PNG, ZIP = png(), small_zip()


def damaged(data: bytes):
    """Strategy: `data` with some bytes changed and its end cut off."""
    changes = st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=8)
    return st.builds(_damage, st.just(data), changes, st.integers(0, len(data)))


def _damage(data: bytes, changes: list[tuple[int, int]], end: int) -> bytes:
    changed = bytearray(data)
    for place, value in changes:
        changed[place] = value
    return bytes(changed[: end if end % 3 else len(data)])  # two thirds of them are cut


@often
def test_a_png_is_decoded_or_refused(cases):
    def check(data):
        try:
            width, height = png_size(data[:24], "x.png")
            grey = decode_grey(data, "x.png")
            assert grey.dtype == np.uint8 and grey.shape == (height, width)
        except InputError as error:
            assert "x.png" in str(error) and "\n" not in str(error)

    meet(check, st.binary(max_size=200) | damaged(PNG), cases)


numbers = st.floats(width=32) | st.integers(-1000, 1000)
matrices = st.lists(numbers, min_size=7, max_size=10).map(
    lambda values: " ".join(map(str, values)).encode()
)


@often
def test_a_homography_is_read_or_refused(cases):
    def check(text):
        try:
            homography = read_homography(text, "H_1_2", (300, 400), (300, 400))
            assert homography.shape == (3, 3) and np.isfinite(homography).all()
        except InputError as error:
            assert "H_1_2" in str(error)

    meet(check, st.binary(max_size=80) | matrices, cases)


@often
def test_a_zip_is_read_or_refused(cases, tmp_path):
    path = tmp_path / "x.zip"

    def check(data):
        path.write_bytes(data)
        try:
            tree = open_tree(path)
            for name in tree.files:
                tree.read(name)
        except InputError as error:
            assert "x.zip" in str(error) and len(str(error)) < 600 and "\n" not in str(error)

    meet(check, st.binary(max_size=200) | damaged(ZIP), cases)


HEADERS = [  # of an .npy file: what stands for its shape, type and order
    "{'descr': '|u1', 'fortran_order': False, 'shape': (-36, 16, 32, 32), }",
    "{'descr': '|u1', 'fortran_order': True, 'shape': (36, 16, 32, 32), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (800000000000, 16, 32, 32), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (36, 16, 32, 32), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (36, 16, 32, 4), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (36, 16, 32, 32)",
    "{'descr': ('|u1', (2,)), 'fortran_order': False, 'shape': (9" * 40,
    "(" * 5000,
    "\x00'\n  \t(",
    "",
]


def npy(header: str, version: int = 1) -> bytes:
    text = header.encode("latin1") + b"\n"
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + bytes(36 * 16 * 1024)


@often
def test_an_array_of_a_store_is_mapped_or_refused(cases, few, tmp_path):
    folder = shutil.copytree(few.folder, tmp_path / "store")
    built = (folder / "clean.npy").read_bytes()

    def check(data):
        (folder / "clean.npy").write_bytes(data)
        try:
            assert PatchStore(folder).clean.shape == few.clean.shape
        except InputError as error:
            assert "clean.npy" in str(error) and "delete" in str(error) and len(str(error)) < 900

    texts = st.sampled_from(HEADERS) | st.text(max_size=80).map(ascii)
    junk = st.builds(npy, texts, st.integers(1, 3))
    head = damaged(built[:128]).map(lambda start: start + built[128:])
    meet(check, st.binary(max_size=200) | junk | head, cases)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(width=32) | st.text(max_size=8),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=8), part),
    max_leaves=6,
)


@often
def test_a_table_of_a_store_that_was_changed_is_refused(cases, few, tmp_path):
    folder = shutil.copytree(few.folder, tmp_path / "store")
    table = json.loads((folder / "store.json").read_text())

    def check(change):
        changed = table | change if isinstance(change, dict) else change
        (folder / "store.json").write_text(json.dumps(changed))
        if changed != table:
            with pytest.raises(InputError, match=str(folder)):
                PatchStore(folder)

    entries = st.dictionaries(st.sampled_from(sorted(table)), values, min_size=1, max_size=2)
    meet(check, entries | values, cases)


@often
def test_a_split_is_read_or_refused(cases):
    def check(text):
        try:
            parts = choose_parts(["a", "b"], read_split(text, "mine.json"))
            assert set(parts) == {"train", "validation", "test"}
        except InputError as error:
            assert str(error).startswith("mine.json") and "\n" not in str(error)

    named = st.dictionaries(
        st.sampled_from(["train", "validation", "test", "tests"]),
        st.lists(st.sampled_from("abc")) | values,
    )
    nested = st.integers(1, 10**5).map(lambda depth: b"[" * depth)
    texts = (named | values).map(lambda value: json.dumps(value).encode())
    meet(check, st.binary(max_size=60) | nested | texts, cases)


@often
def test_a_folder_of_strips_is_opened_or_refused(cases, written, tmp_path):
    folder = tmp_path / "strips"
    shutil.copytree(written / "i_text", folder / "i_text")
    strip = folder / "i_text" / "h3.png"
    whole = strip.read_bytes()

    def check(data):
        strip.write_bytes(data)
        try:
            store = open_dataset(f"n-hpatches:{folder}", tmp_path / "stores")
            assert len(store) == 12
            shutil.rmtree(store.folder)
        except InputError as error:
            assert "h3.png" in str(error)

    meet(check, damaged(whole) | st.binary(max_size=40), cases // 3)
