"""The readers meet arbitrary bytes: they answer, or they raise InputError; nothing else."""

import io
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.common.errors import InputError
from helpers.dataset.sources.images import decode_grey, png_size
from helpers.dataset.sources.sequences import read_homography
from helpers.dataset.sources.tree import open_tree

often = pytest.mark.parametrize("cases", [30, pytest.param(500, marks=pytest.mark.deep)])


def meet(check: Callable, strategy: st.SearchStrategy, cases: int) -> None:
    """Calls `check` with so many values of the strategy."""
    settings(max_examples=cases, deadline=None)(given(strategy)(check))()


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
            assert "x.zip" in str(error)

    meet(check, st.binary(max_size=200) | damaged(ZIP), cases)
