"""Whatever files and options hold, they are read or refused in one sentence."""

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import benchmark
from helpers.benchmark.__main__ import main
from helpers.benchmark.files import read_descriptors, sequence_names

quick = settings(derandomize=True, deadline=None, max_examples=60)
TASKS = benchmark.generate_tasks({"x": 3, "y": 4}, split="mine", pairs=5)
SHAPE = st.lists(st.sampled_from([-16, -1, 0, 1, 2, 16, 2**31, 2**40, 2**70]), max_size=4)
TYPES = ["<f4", ">f8", "<f2", "|O", "<U3", "|u1", "<c8", "|V4", "<M8[s]", "?", "junk", "<f99"]


def npy(array=None) -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((16, 3, 2), np.float32) if array is None else array)
    return file.getvalue()


@st.composite
def damaged(draw, content: bytes) -> bytes:
    """Bytes flipped, cut off, doubled or put in; or other ones altogether."""
    made = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(made) - 1, 0)))
        how = draw(st.sampled_from(["flip", "cut", "insert", "double"]))
        if how == "flip" and made:
            made[at] = draw(st.integers(0, 255))
        elif how == "cut":
            del made[at:]
        elif how == "insert":
            made[at:at] = draw(st.binary(max_size=9))
        else:
            made += made[at : at + 40]
    return bytes(draw(st.one_of(st.just(made), st.binary(max_size=40))))


def header(kind: str, order: str, shape: tuple, text: str | None = None) -> bytes:
    text = text or f"{{'descr': {kind!r}, 'fortran_order': {order}, 'shape': {shape!r}, }}"
    body = text.encode("utf-8", "replace") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body + bytes(384)


@st.composite
def headed(draw) -> bytes:
    """An array file whose header says whatever it likes."""
    shape = tuple(draw(SHAPE))
    kind = draw(st.sampled_from(TYPES))
    order = draw(st.sampled_from(["True", "False", "7"]))
    junk = draw(st.one_of(st.none(), st.text(max_size=20), st.just("[" * 3000)))
    return header(kind, order, shape, junk)


CSV = b"1.0,2.0\n3.0,4.0\n"
FILES = st.one_of(
    damaged(npy()).map(lambda content: ("x.npy", content)),
    headed().map(lambda content: ("x.npy", content)),
    damaged(CSV).map(lambda content: ("x/e1.csv", content)),
    st.text(alphabet='0123456789.,;"\n\r\t eE+-naif#\0é', max_size=30).map(
        lambda text: ("x/ref.csv", text.encode())
    ),
)


def read(case: tuple[str, bytes]) -> None:
    name, content = case
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if name.startswith("x/"):
            (folder / "x").mkdir()
            for strip in benchmark.STRIPS:
                (folder / "x" / f"{strip}.csv").write_bytes(CSV)
        (folder / name).write_bytes(content)
        try:
            for sequence in sequence_names(folder):
                for array in read_descriptors(folder, [sequence]).values():
                    assert array.dtype == np.float32 and len(array) == 16
        except benchmark.BenchmarkError as error:
            assert str(place) in str(error) and "\n" not in str(error)


@quick
@given(FILES)
def test_descriptor_files_are_read_or_refused(case):
    read(case)


def test_a_claim_of_800_gigabytes_is_refused(tmp_path):
    (tmp_path / "x.npy").write_bytes(header("<f4", "False", (16, 100_000_000, 128)))
    with pytest.raises(benchmark.BenchmarkError, match=r"x.npy cannot be read as npy"):
        read_descriptors(tmp_path, ["x"])


@quick
@given(st.data())
def test_task_lists_are_read_or_refused(data):
    with tempfile.TemporaryDirectory() as place:
        benchmark.write_tasks(TASKS, place)
        path = data.draw(st.sampled_from(sorted(Path(place).iterdir())))
        path.write_bytes(data.draw(damaged(path.read_bytes())))
        try:
            tasks = benchmark.read_tasks(place, "mine")
            views = {name: np.zeros((16, 4, 2)) + np.arange(4)[:, None] for name in "xy"}
            benchmark.evaluate(views, tasks, pools=[9], samples=2)
        except benchmark.BenchmarkError as error:
            assert str(error).endswith(".")


NUMBERS = st.one_of(
    st.text(max_size=8), st.integers().map(str), st.floats().map(str), st.just("1" * 5000)
)


@quick
@given(st.sampled_from(["--threads", "--memory", "--pairs", "--pools", "--split"]), NUMBERS)
def test_options_are_taken_or_refused(option, value):
    for given_value in (value, f"{value}GB"):
        try:
            assert main(["nowhere", "--split", "found", f"{option}={given_value}"]) == 2
        except SystemExit as refused:
            assert refused.code == 2
