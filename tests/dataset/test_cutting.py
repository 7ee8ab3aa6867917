from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from helpers.benchmark.layout import LEVELS, strip_columns
from helpers.dataset.cutting import regions as finding
from helpers.dataset.cutting.extractor import JITTER, cut, draw_jitter, frames, project
from helpers.dataset.cutting.regions import disc_overlap, dominant_angles, find_regions, thin_out
from helpers.dataset.cutting.sampling import sample
from helpers.dataset.noise import downsample
from helpers.dataset.parts import Choice
from helpers.dataset.sources.sequences import Sequences


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(200, 240))
    blurred = sum(ndimage.gaussian_filter(noise, s) * s for s in (2, 4, 8))
    return np.uint8(np.clip(127 + 150 * blurred, 0, 255))


@pytest.mark.parametrize("degrees", [0, 40, 90, 200, 300])
def test_orientation_is_that_of_a_ramp(degrees):
    y, x = np.mgrid[:101, :101] - 50.0
    angle = np.radians(degrees)
    ramp = np.uint8(127 + x * np.cos(angle) + y * np.sin(angle))
    found = dominant_angles(ramp, np.array([[50.0, 50, 20, 0]]))
    # Every gradient falls into one bin of ten degrees, whose middle is the answer.
    assert abs(np.angle(np.exp(1j * (found[0] - angle)), deg=True)) <= 5.01


def test_orientation_turns_with_the_image(texture):
    regions = np.array([[80.0, 90, 20, 0], [120, 100, 30, 0], [150, 60, 15, 0]])
    turned = np.rot90(texture).copy()  # (x, y) -> (y, width - 1 - x): minus a quarter
    there = regions.copy()
    there[:, 0], there[:, 1] = regions[:, 1], texture.shape[1] - 1 - regions[:, 0]
    change = dominant_angles(turned, there) - dominant_angles(texture, regions)
    assert np.abs(np.angle(np.exp(1j * (change + np.pi / 2)), deg=True)).max() < 3


def test_sampling_upright_at_one_pixel_a_step_copies_the_image(texture):
    region = np.array([[100.0, 80, 32.5, 0]])
    patch = sample(texture, frames(region), np.eye(3))[0]
    assert (patch == texture[48:113, 68:133]).all()


def test_sampling_follows_the_homography_fully(texture):
    homography = np.array([[1.1, 0.1, 5], [-0.05, 0.9, 8], [4e-4, -2e-4, 1]])
    region = np.array([[100.0, 90, 30, 0.3]])
    patch = sample(texture, frames(region), homography)[0]
    for i, j in [(0, 0), (10, 50), (64, 64), (32, 32)]:
        u, v = (j + 0.5) * 2 / 65 - 1, (i + 0.5) * 2 / 65 - 1
        x, y = project(homography, project(frames(region)[0], np.array([[u, v]])))[0]
        expected = ndimage.map_coordinates(texture.astype(float), [[y], [x]], order=1)[0]
        assert abs(int(patch[i, j]) - expected) <= 0.51


def test_large_regions_are_sampled_without_aliasing():
    stripes = np.uint8(255 * (np.arange(400) % 2))[None].repeat(400, 0)
    patch = sample(stripes, frames(np.array([[200.0, 200, 150, 0]])), np.eye(3))[0]
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
    assert disc_overlap(one, one, 0 * one) == pytest.approx(1)
    within = disc_overlap(one, 2 * one, 0.5 * one)
    assert within == pytest.approx(0.25)
    assert disc_overlap(one, one, 2 * one) == pytest.approx(0)
    lens = 2 * np.pi / 3 - np.sqrt(3) / 2  # two unit discs at distance 1
    assert disc_overlap(one, one, one) == pytest.approx(lens / (2 * np.pi - lens))


def overlap_of(region: np.ndarray, others: np.ndarray) -> np.ndarray:
    distance = np.hypot(*(others[:, :2] - region[:2]).T)
    return disc_overlap(others[:, 2], np.full(len(others), region[2]), distance)


def test_one_region_of_each_cluster_is_kept():
    rng = np.random.default_rng(0)
    count = 300
    regions = np.column_stack(
        [*rng.uniform(0, 150, (2, count)), 10 * 2 ** rng.uniform(0, 3, count), np.arange(count)]
    )
    cluster = np.arange(count)  # the angle, which no overlap depends on, numbers the regions
    for first, region in enumerate(regions):
        for second in np.flatnonzero(overlap_of(region, regions) > 0.5):
            cluster[cluster == cluster[second]] = cluster[first]
    kept = thin_out(regions, rng)[:, 3].astype(int)
    assert 10 < len(kept) < 200
    assert sorted(cluster[kept]) == sorted(set(cluster))


def test_which_region_of_a_cluster_is_kept_is_random():
    chain = np.array([[0.0, 0, 10, 0], [4, 0, 10, 0], [8, 0, 10, 0], [100, 0, 10, 0]])
    assert overlap_of(chain[0], chain)[2] < 0.5 < overlap_of(chain[0], chain)[1]
    kept = [thin_out(chain, np.random.default_rng(seed)) for seed in range(200)]
    assert {len(regions) for regions in kept} == {2}
    x = np.array([regions[:, 0] for regions in kept])
    assert {0, 4, 8, 100} == set(x.ravel())
    assert 75 < (x[:, 0] == 100).sum() < 125  # a large cluster does not come first either


def test_no_region_is_kept_of_none():
    assert thin_out(np.empty((0, 4)), np.random.default_rng(0)).shape == (0, 4)


def test_a_scene_has_no_more_than_the_most_points_unless_told(texture, monkeypatch):
    scene = [texture] * 6, [np.eye(3)] * 5
    found = find_regions(*scene, np.random.default_rng(0), 100)
    monkeypatch.setattr(finding, "MOST_POINTS", 7)
    few = find_regions(*scene, np.random.default_rng(0))
    assert len(found) > 20 and (few == found[:7]).all()


def test_regions_lie_inside_every_image(texture):
    shift = np.array([[1.0, 0, 60], [0, 1, 0], [0, 0, 1]])
    images, homographies = [texture] * 6, [np.eye(3)] * 4 + [shift]
    regions = find_regions(images, homographies, np.random.default_rng(0), 500, 0.3)
    assert len(regions) > 5
    corners = project(frames(regions), np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]))
    assert corners.min() >= 0 and corners[..., 0].max() <= 239 - 60
    assert corners[..., 1].max() <= 199


def alike(patches: np.ndarray) -> list[float]:
    """Mean correlation of the first patch of each point with its others, for each level."""
    flat = downsample(patches).reshape(*patches.shape[:2], -1)
    table = np.array([np.corrcoef(point)[0] for point in flat])
    return [table[:, strip_columns(level)].mean() for level in LEVELS]


def test_patches_of_one_point_show_the_same_place(texture):
    turn = np.array([[0.9, -0.2, 30], [0.2, 0.9, 0], [0, 0, 1]])
    homographies = [np.eye(3)] * 4 + [turn]
    y, x = np.mgrid[:200, :240]
    source = project(np.linalg.inv(turn), np.stack([x, y], -1).reshape(-1, 2)).T
    turned = ndimage.map_coordinates(texture, source[::-1], order=1).reshape(200, 240)
    images = [texture] * 5 + [turned]
    rng = np.random.default_rng(0)
    regions = find_regions(images, homographies, rng, 30, 0.3)
    easy, hard, tough = alike(cut(images, homographies, regions, rng))
    assert easy > 0.6 and easy > hard > tough


@pytest.fixture(scope="module")
def genuine(shared_data):
    """The number of points and the regions of a genuine scene, found once for all tests."""
    source = Sequences(shared_data / "hpatches-sequences", Choice("full", points_per_scene=10**6))
    source.measure = cache(source.measure)
    return source


@pytest.mark.parametrize(
    ("scene", "known"),
    [
        ("i_ajuntament", 853),
        ("v_graffiti", 1123),
        pytest.param("v_abstract", 1891, marks=pytest.mark.deep),
        pytest.param("v_soldiers", 1529, marks=pytest.mark.deep),
    ],
)
def test_genuine_scenes_have_about_the_known_numbers_of_patches(scene, known, genuine):
    assert genuine.measure(scene)[0] == pytest.approx(known, rel=0.05)


@pytest.mark.deep
def test_genuine_v_birdwoman_reaches_the_most_points(genuine):
    assert genuine.measure("v_birdwoman")[0] > finding.MOST_POINTS


def test_genuine_v_graffiti_has_about_the_known_sizes_of_patches(genuine):
    sides = 2 * genuine.look("v_graffiti")[2][:, 2]
    assert np.quantile(sides, [0.05, 0.5, 0.95]) == pytest.approx([20, 30, 82], rel=0.2)


@pytest.mark.parametrize("scene", ["i_ajuntament", "v_graffiti"])
def test_genuine_patches_of_a_point_are_as_alike_as_measured(scene, genuine):
    images, homographies, regions = genuine.look(scene)
    patches = cut(images, homographies, regions[:100], np.random.default_rng(0))
    easy, _, tough = alike(patches)
    assert 0.5 < easy < 0.8 and 0.25 < tough < 0.5
