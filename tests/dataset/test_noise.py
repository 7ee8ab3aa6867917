import cv2
import numpy as np

from helpers.benchmark.layout import LEVELS, STRIPS, strip_columns
from helpers.dataset.noise import (
    MOST_STACKED,
    SIGMA,
    STRIP_SIGMA,
    add_noise,
    downsample,
    noise_profile,
    noisy_twin,
)


def random_patches(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 65, 65), dtype=np.uint8)


def test_each_level_has_five_strips_of_its_sigma():
    assert len(STRIPS) == len(STRIP_SIGMA) == 16 and STRIP_SIGMA[0] == 0
    for level in LEVELS:
        assert {strip[0] for strip in STRIPS[strip_columns(level)]} == {level[0]}
        np.testing.assert_allclose(STRIP_SIGMA[strip_columns(level)], SIGMA[level])


def test_downsample_is_the_bilinear_formula_to_one_grey_level():
    patch = random_patches()
    position = (np.arange(32) + 0.5) * 65 / 32 - 0.5
    first, share = position.astype(int), position % 1
    rows = patch[first] * (1 - share)[:, None] + patch[first + 1] * share[:, None]
    exact = rows[:, first] * (1 - share) + rows[:, first + 1] * share
    # OpenCV rounds twice, so the last half level is not that of the formula.
    assert np.abs(downsample(patch) - exact).max() <= 1.0


def test_a_stack_is_downsampled_to_the_bytes_of_each_patch_alone():
    patches = random_patches(MOST_STACKED + 2)
    reduced = downsample(patches)
    for row in (*range(5), *range(MOST_STACKED - 5, len(patches))):
        alone = cv2.resize(patches[row], (32, 32), interpolation=cv2.INTER_LINEAR)
        assert (reduced[row] == alone).all()


def test_downsample_keeps_leading_axes():
    patches = random_patches(2, 3)
    assert downsample(patches).shape == (2, 3, 32, 32)
    assert (downsample(patches)[1, 2] == downsample(patches[1, 2])).all()
    assert downsample(patches[:0]).shape == (0, 3, 32, 32)


def test_ref_stays_clean():
    clean = random_patches(3, 16)
    noisy = noisy_twin(clean, np.random.default_rng(1))
    assert (noisy[:, 0] == downsample(clean[:, 0])).all()
    assert (noisy[:, 1:] != downsample(clean[:, 1:])).any((-1, -2)).all()


def test_noise_follows_profile_and_level():
    grey = np.full((4000, 65, 65), 127, np.uint8)
    noisy = downsample(add_noise(grey, SIGMA["hard"], np.random.default_rng(0)))
    measured = noisy.astype(np.float32).std(0)
    np.testing.assert_allclose(measured / SIGMA["hard"], noise_profile(), rtol=0.06)


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
    clean = random_patches(70, 16)
    first, second = (noisy_twin(clean, np.random.default_rng(5)) for _ in range(2))
    assert (first == second).all()


# cv2.resize of a patch to 32 x 32: its first, a middle and its last row, computed once.
OPENCV_ROWS = {
    0: (
        "66 142 142 87 115 191 135 88 164 108 82 136 95 157 109 185 129 82 158 102 161 130 75 "
        "151 103 140 123 155 152 96 172 125"
    ),
    15: (
        "42 177 63 197 80 217 100 52 120 57 140 61 160 65 180 70 196 86 200 106 205 126 209 "
        "146 29 163 49 183 69 203 89 101"
    ),
    31: (
        "133 145 149 93 166 110 141 125 68 143 87 157 100 166 120 186 132 83 152 96 165 110 "
        "184 128 107 143 87 160 104 104 120 64"
    ),
}


def test_opencv_gives_the_bytes_that_it_gave_elsewhere():
    y, x = np.mgrid[:65, :65]
    reduced = downsample(((37 * x + 91 * y + x * y) % 256).astype(np.uint8))
    for row, expected in OPENCV_ROWS.items():
        assert reduced[row].tolist() == [int(number) for number in expected.split()]
