import numpy as np
import pytest
from scipy import ndimage

from helpers.dataset.cutting import detection
from helpers.dataset.cutting.detection import THRESHOLDS, detect


def blob(sigma: float, side: int = 129) -> np.ndarray:
    y, x = np.mgrid[:side, :side] - side // 2
    return np.uint8(20 + 200 * np.exp(-(x**2 + y**2) / (2 * sigma**2)))


def smooth_octave(image: np.ndarray) -> np.ndarray:
    return detection.gaussian_octave(ndimage.gaussian_filter(np.float32(image) / 255, 1.5))


@pytest.mark.parametrize("sigma", [4, 7, 11])
def test_a_blob_is_found_at_its_centre_and_scale(sigma):
    points = detect(blob(sigma))
    nearest = points[np.hypot(points[:, 0] - 64, points[:, 1] - 64) < 0.6]
    assert len(nearest)
    assert np.abs(np.log2(nearest[:, 2] / sigma)).min() < 0.35


@pytest.mark.parametrize(
    ("name", "finds"),
    [
        ("dog", detection.dog_points),
        ("hessian", detection.hessian_points),
        ("harris", detection.harris_points),
    ],
)
def test_each_detector_heeds_its_own_threshold(name, finds, monkeypatch):
    octave = smooth_octave(blob(2.5, 65))
    x, y, _ = finds(octave, 1.0).T
    assert np.hypot(x - 32, y - 32).min() < 4  # Harris peaks beside a blob
    monkeypatch.setitem(THRESHOLDS, name, 1e3 * THRESHOLDS[name])
    assert len(finds(octave, 1.0)) == 0


def test_a_square_has_points_at_its_corners():
    square = np.full((96, 96), 40, np.uint8)
    square[30:66, 30:66] = 200
    corners = detection.harris_points(smooth_octave(square), 1.0)[:, :2]
    for corner in ([30, 30], [30, 65], [65, 30], [65, 65]):
        assert np.hypot(*(corners - corner).T).min() < 3


def test_dark_blobs_are_found_as_well_as_bright_ones():
    bright, dark = (detection.dog_points(smooth_octave(i), 1) for i in (blob(3), 255 - blob(3)))
    assert len(dark) > 0
    np.testing.assert_allclose(dark, bright, atol=1e-3)


def test_a_ridge_is_no_point_of_the_difference_of_gaussians():
    y, x = np.mgrid[:129, :129] - 64
    ridge = np.uint8(20 + 200 * np.exp(-(x**2) / (2 * 30**2) - y**2 / (2 * 2.5**2)))
    assert len(detection.dog_points(smooth_octave(ridge), 1)) == 0
    assert len(detection.dog_points(smooth_octave(blob(2.5)), 1)) > 0


def test_an_edge_has_no_points():
    edge = np.uint8(40 + 160 * (np.arange(96) > 48))[None].repeat(96, 0)
    assert len(detect(edge)) == 0


@pytest.mark.parametrize("shape", [(64, 64), (9, 9), (64, 9)])
def test_an_empty_or_tiny_image_has_no_points(shape):
    assert detect(np.full(shape, 90, np.uint8)).shape == (0, 3)


def test_more_sensitive_detection_finds_more():
    noise = np.random.default_rng(0).normal(size=(200, 240))
    texture = np.uint8(np.clip(127 + 300 * ndimage.gaussian_filter(noise, 3), 0, 255))
    assert len(detect(texture, 0.3)) > len(detect(texture, 1.0)) > 20
