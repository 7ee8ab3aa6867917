import numpy as np
import pytest
from scipy import ndimage

from helpers.dataset import cutting
from helpers.dataset.cutting import JITTER, draw_jitter, frames, project


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(200, 240))
    blurred = sum(ndimage.gaussian_filter(noise, s) * s for s in (2, 4, 8))
    return np.uint8(np.clip(127 + 150 * blurred, 0, 255))


def blob(sigma: float, side: int = 129) -> np.ndarray:
    y, x = np.mgrid[:side, :side] - side // 2
    return np.uint8(20 + 200 * np.exp(-(x**2 + y**2) / (2 * sigma**2)))


@pytest.mark.parametrize("sigma", [4, 7, 11])
def test_a_blob_is_found_at_its_centre_and_scale(sigma):
    points = cutting.detect(blob(sigma))
    nearest = points[np.hypot(points[:, 0] - 64, points[:, 1] - 64) < 0.6]
    assert len(nearest)
    assert np.abs(np.log2(nearest[:, 2] / sigma)).min() < 0.35


def test_an_empty_image_has_no_points():
    assert len(cutting.detect(np.full((64, 64), 90, np.uint8))) == 0


def test_more_sensitive_detection_finds_more(texture):
    assert len(cutting.detect(texture, 0.3)) > len(cutting.detect(texture, 1.0)) > 20


@pytest.mark.parametrize("degrees", [0, 40, 90, 200, 300])
def test_orientation_is_that_of_a_ramp(degrees):
    y, x = np.mgrid[:101, :101] - 50.0
    angle = np.radians(degrees)
    ramp = np.uint8(127 + x * np.cos(angle) + y * np.sin(angle))
    found = cutting.dominant_angles(ramp, np.array([[50.0, 50, 20, 0]]))
    # Every gradient falls into one bin of ten degrees, whose middle is the answer.
    assert abs(np.angle(np.exp(1j * (found[0] - angle)), deg=True)) <= 5.01


def test_orientation_turns_with_the_image(texture):
    regions = np.array([[80.0, 90, 20, 0], [120, 100, 30, 0], [150, 60, 15, 0]])
    turned = np.rot90(texture).copy()  # (x, y) -> (y, width - 1 - x): minus a quarter
    there = regions.copy()
    there[:, 0], there[:, 1] = regions[:, 1], texture.shape[1] - 1 - regions[:, 0]
    change = cutting.dominant_angles(turned, there) - cutting.dominant_angles(texture, regions)
    assert np.abs(np.angle(np.exp(1j * (change + np.pi / 2)), deg=True)).max() < 3


def test_sampling_upright_at_one_pixel_a_step_copies_the_image(texture):
    region = np.array([[100.0, 80, 32.5, 0]])
    patch = cutting.sample(texture, frames(region), np.eye(3))[0]
    assert (patch == texture[48:113, 68:133]).all()


def test_sampling_follows_the_homography_fully(texture):
    homography = np.array([[1.1, 0.1, 5], [-0.05, 0.9, 8], [4e-4, -2e-4, 1]])
    region = np.array([[100.0, 90, 30, 0.3]])
    patch = cutting.sample(texture, frames(region), homography)[0]
    for i, j in [(0, 0), (10, 50), (64, 64), (32, 32)]:
        u, v = (j + 0.5) * 2 / 65 - 1, (i + 0.5) * 2 / 65 - 1
        x, y = project(homography, project(frames(region)[0], np.array([[u, v]])))[0]
        expected = ndimage.map_coordinates(texture.astype(float), [[y], [x]], order=1)[0]
        assert abs(int(patch[i, j]) - expected) <= 0.51


def test_large_regions_are_sampled_without_aliasing():
    stripes = np.uint8(255 * (np.arange(400) % 2))[None].repeat(400, 0)
    patch = cutting.sample(stripes, frames(np.array([[200.0, 200, 150, 0]])), np.eye(3))[0]
    assert patch.std() < 3


@pytest.mark.parametrize(("level", "documented"), [("easy", 0.85), ("hard", 0.72), ("tough", 0.59)])
def test_jittered_discs_overlap_as_documented_for_hpatches(level, documented):
    rng = np.random.default_rng(0)
    points = rng.uniform(-2.5, 2.5, (4000, 2))
    within = np.hypot(*points.T) < 1
    overlaps = []
    for matrix in draw_jitter(JITTER[level], 400, rng):
        jittered = np.hypot(*project(np.linalg.inv(matrix), points).T) < 1
        overlaps.append((within & jittered).sum() / (within | jittered).sum())
    assert abs(np.median(overlaps) - documented) < 0.015


def test_disc_overlap_by_hand():
    one = np.array([1.0])
    assert cutting.disc_overlap(one, one, 0 * one) == pytest.approx(1)
    assert cutting.disc_overlap(one, 2 * one, 0.5 * one) == pytest.approx(0.25)  # one in the other
    assert cutting.disc_overlap(one, one, 2 * one) == pytest.approx(0)
    lens = 2 * np.pi / 3 - np.sqrt(3) / 2  # two unit discs at distance 1
    assert cutting.disc_overlap(one, one, one) == pytest.approx(lens / (2 * np.pi - lens))


def test_no_two_regions_overlap_by_more_than_half():
    rng = np.random.default_rng(0)
    count = 400
    regions = np.column_stack(
        [*rng.uniform(0, 150, (2, count)), 10 * 2 ** rng.uniform(0, 3, count), np.zeros(count)]
    )
    kept = cutting.thin_out(regions, rng)
    first, second = np.triu_indices(len(kept), 1)
    distance = np.hypot(*(kept[first, :2] - kept[second, :2]).T)
    assert cutting.disc_overlap(kept[first, 2], kept[second, 2], distance).max() <= 0.5
    # and every dropped one overlaps a kept one
    for row in regions:
        distance = np.hypot(*(kept[:, :2] - row[:2]).T)
        overlap = cutting.disc_overlap(kept[:, 2], np.full(len(kept), row[2]), distance)
        assert overlap.max() > 0.5


def test_regions_lie_inside_every_image(texture):
    shift = np.array([[1.0, 0, 60], [0, 1, 0], [0, 0, 1]])
    images, homographies = [texture] * 6, [np.eye(3)] * 4 + [shift]
    regions = cutting.find_regions(images, homographies, np.random.default_rng(0), 500, 0.3)
    assert len(regions) > 5
    corners = project(frames(regions), np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]))
    assert corners.min() >= 0 and corners[..., 0].max() <= 239 - 60
    assert corners[..., 1].max() <= 199


def test_patches_of_one_point_show_the_same_place(texture):
    turn = np.array([[0.9, -0.2, 30], [0.2, 0.9, 0], [0, 0, 1]])
    homographies = [np.eye(3)] * 4 + [turn]
    y, x = np.mgrid[:200, :240]
    source = project(np.linalg.inv(turn), np.stack([x, y], -1).reshape(-1, 2)).T
    turned = ndimage.map_coordinates(texture, source[::-1], order=1).reshape(200, 240)
    images = [texture] * 5 + [turned]
    rng = np.random.default_rng(0)
    regions = cutting.find_regions(images, homographies, rng, 30, 0.3)
    patches = cutting.cut(images, homographies, regions, rng).astype(float)
    flat = patches.reshape(len(patches), 16, -1)
    alike = [np.mean([np.corrcoef(p[0], p[k])[0, 1] for p in flat]) for k in (5, 10, 15)]
    assert alike[0] > 0.6 and alike[0] > alike[1] > alike[2]


def test_genuine_v_graffiti_has_the_known_number_and_sizes_of_patches(shared_data):
    from helpers.dataset.sequences import Sequences

    place = shared_data / "hpatches-sequences"
    source = Sequences(place, "view", ["v_graffiti", "v_abstract"])
    images, homographies, _ = source.load("v_graffiti")
    regions = cutting.find_regions(images, homographies, np.random.default_rng(0))
    assert abs(len(regions) - 1123) < 60
    small, middle, large = np.quantile(2 * regions[:, 2], [0.05, 0.5, 0.95])
    assert abs(small - 20) < 2 and abs(middle - 30) < 2 and 70 < large < 105
