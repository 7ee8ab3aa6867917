import numpy as np
import pytest

from helpers.benchmark.layout import LEVELS, STRIPS, strip_columns
from helpers.dataset.noise import (
    SIGMA,
    STRIP_SIGMA,
    add_noise,
    downsample,
    noise_profile,
    noisy_twin,
)


def test_strips_of_a_level_are_found_by_its_letter():
    for level in LEVELS:
        assert {strip[0] for strip in STRIPS[strip_columns(level)]} == {level[0]}
    assert len(STRIPS) == 16 and STRIPS[0] == "ref"


def test_downsample_is_the_bilinear_formula_to_one_grey_level():
    patch = np.random.default_rng(0).integers(0, 256, (65, 65), dtype=np.uint8)
    position = (np.arange(32) + 0.5) * 65 / 32 - 0.5
    first, share = position.astype(int), position % 1
    rows = patch[first] * (1 - share)[:, None] + patch[first + 1] * share[:, None]
    exact = rows[:, first] * (1 - share) + rows[:, first + 1] * share
    # OpenCV rounds twice, so the last half level is not that of the formula.
    assert np.abs(downsample(patch) - exact).max() <= 1.0


def test_downsample_gives_the_bytes_that_opencv_5_0_gives():
    # cv2.resize of this patch to 32 x 32: its first, a middle and its last row, computed once.
    y, x = np.mgrid[:65, :65]
    patch = ((37 * x + 91 * y + x * y) % 256).astype(np.uint8)
    reduced = downsample(patch)
    for row, expected in OPENCV_ROWS.items():
        assert reduced[row].tolist() == expected


def test_downsample_keeps_leading_axes():
    patches = np.random.default_rng(0).integers(0, 256, (2, 3, 65, 65), dtype=np.uint8)
    assert downsample(patches).shape == (2, 3, 32, 32)
    assert (downsample(patches)[1, 2] == downsample(patches[1, 2])).all()


def test_ref_stays_clean():
    clean = np.random.default_rng(0).integers(0, 256, (3, 16, 65, 65), dtype=np.uint8)
    noisy = noisy_twin(clean, np.random.default_rng(1))
    assert (noisy[:, 0] == downsample(clean[:, 0])).all()
    assert (noisy[:, 1:] != downsample(clean[:, 1:])).any((-1, -2)).all()


@pytest.mark.parametrize("level", LEVELS)
def test_noise_follows_profile_and_level(level):
    grey = np.full((4000, 65, 65), 127, np.uint8)
    noisy = downsample(add_noise(grey, SIGMA[level], np.random.default_rng(0)))
    measured = noisy.astype(float).std(0)
    np.testing.assert_allclose(measured / SIGMA[level], noise_profile(), rtol=0.06)


def test_centre_is_nearly_twice_as_noisy_as_the_corners_and_two_thirds_on_average():
    profile = noise_profile()
    assert profile[0, 0] == profile.min() and 0.49 < profile[0, 0] < 0.51
    assert profile[16, 16] > 0.95
    assert abs(profile.mean() - 2 / 3) < 0.01


def test_noise_is_clipped_not_wrapped():
    for value in (0, 255):
        noisy = add_noise(np.full((10, 65, 65), value, np.uint8), 44.0, np.random.default_rng(0))
        assert (noisy == value).mean() > 0.45
        assert abs(noisy.astype(float).mean() - value) < 44


def test_noise_takes_one_sigma_a_patch():
    grey = np.full((2, 16, 65, 65), 127, np.uint8)
    noisy = add_noise(grey, STRIP_SIGMA[:, None, None], np.random.default_rng(0))
    assert np.allclose(noisy.std((0, 2, 3)), STRIP_SIGMA, rtol=0.05)


def test_noise_is_the_same_for_the_same_generator():
    clean = np.random.default_rng(0).integers(0, 256, (70, 16, 65, 65), dtype=np.uint8)
    first, second = (noisy_twin(clean, np.random.default_rng(5)) for _ in range(2))
    assert (first == second).all()


# fmt: off
OPENCV_ROWS = {
    0: [
        66,
        142,
        142,
        87,
        115,
        191,
        135,
        88,
        164,
        108,
        82,
        136,
        95,
        157,
        109,
        185,
        129,
        82,
        158,
        102,
        161,
        130,
        75,
        151,
        103,
        140,
        123,
        155,
        152,
        96,
        172,
        125,
    ],
    15: [
        42,
        177,
        63,
        197,
        80,
        217,
        100,
        52,
        120,
        57,
        140,
        61,
        160,
        65,
        180,
        70,
        196,
        86,
        200,
        106,
        205,
        126,
        209,
        146,
        29,
        163,
        49,
        183,
        69,
        203,
        89,
        101,
    ],
    31: [
        133,
        145,
        149,
        93,
        166,
        110,
        141,
        125,
        68,
        143,
        87,
        157,
        100,
        166,
        120,
        186,
        132,
        83,
        152,
        96,
        165,
        110,
        184,
        128,
        107,
        143,
        87,
        160,
        104,
        104,
        120,
        64,
    ],
}
# fmt: on
