"""The fast draws consume NumPy's legacy stream exactly as NumPy does."""

import numpy as np
import pytest

from helpers.benchmark import stream


@pytest.mark.parametrize("words", [150, 1000, 2**20])
def test_draws_and_the_stream_after_them_are_numpys(monkeypatch, words):
    monkeypatch.setattr(stream, "WORDS", words)
    sizes = np.array([2, 3, 5, 64, 65, 33] * 20)
    ours, numpys = np.random.RandomState(7), np.random.RandomState(7)
    drawn = stream.first_two(ours, sizes)
    expected = [numpys.choice(n, 2, replace=False) for n in sizes]
    np.testing.assert_array_equal(drawn, expected)
    assert ours.randint(2**31) == numpys.randint(2**31)


def test_no_rows_leave_the_stream_alone():
    ours, numpys = np.random.RandomState(7), np.random.RandomState(7)
    assert stream.first_two(ours, np.empty(0, int)).shape == (0, 2)
    assert ours.randint(2**31) == numpys.randint(2**31)
