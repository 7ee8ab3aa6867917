import numpy as np
import pytest
from scipy import ndimage

from helpers.dataset.cutting import extractor
from helpers.dataset.cutting.extractor import JITTER, draw_jitter, frames, project
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
    found = extractor.dominant_angles(ramp, np.array([[50.0, 50, 20, 0]]))
    # Every gradient falls into one bin of ten degrees, whose middle is the answer.
    assert abs(np.angle(np.exp(1j * (found[0] - angle)), deg=True)) <= 5.01


def test_orientation_turns_with_the_image(texture):
    regions = np.array([[80.0, 90, 20, 0], [120, 100, 30, 0], [150, 60, 15, 0]])
    turned = np.rot90(texture).copy()  # (x, y) -> (y, width - 1 - x): minus a quarter
    there = regions.copy()
    there[:, 0], there[:, 1] = regions[:, 1], texture.shape[1] - 1 - regions[:, 0]
    change = extractor.dominant_angles(turned, there) - extractor.dominant_angles(texture, regions)
    assert np.abs(np.angle(np.exp(1j * (change + np.pi / 2)), deg=True)).max() < 3


def test_sampling_upright_at_one_pixel_a_step_copies_the_image(texture):
    region = np.array([[100.0, 80, 32.5, 0]])
    patch = extractor.sample(texture, frames(region), np.eye(3))[0]
    assert (patch == texture[48:113, 68:133]).all()


def test_sampling_follows_the_homography_fully(texture):
    homography = np.array([[1.1, 0.1, 5], [-0.05, 0.9, 8], [4e-4, -2e-4, 1]])
    region = np.array([[100.0, 90, 30, 0.3]])
    patch = extractor.sample(texture, frames(region), homography)[0]
    for i, j in [(0, 0), (10, 50), (64, 64), (32, 32)]:
        u, v = (j + 0.5) * 2 / 65 - 1, (i + 0.5) * 2 / 65 - 1
        x, y = project(homography, project(frames(region)[0], np.array([[u, v]])))[0]
        expected = ndimage.map_coordinates(texture.astype(float), [[y], [x]], order=1)[0]
        assert abs(int(patch[i, j]) - expected) <= 0.51


def test_large_regions_are_sampled_without_aliasing():
    stripes = np.uint8(255 * (np.arange(400) % 2))[None].repeat(400, 0)
    patch = extractor.sample(stripes, frames(np.array([[200.0, 200, 150, 0]])), np.eye(3))[0]
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
    assert extractor.disc_overlap(one, one, 0 * one) == pytest.approx(1)
    assert extractor.disc_overlap(one, 2 * one, 0.5 * one) == pytest.approx(
        0.25
    )  # one in the other
    assert extractor.disc_overlap(one, one, 2 * one) == pytest.approx(0)
    lens = 2 * np.pi / 3 - np.sqrt(3) / 2  # two unit discs at distance 1
    assert extractor.disc_overlap(one, one, one) == pytest.approx(lens / (2 * np.pi - lens))


def overlap_of(region: np.ndarray, others: np.ndarray) -> np.ndarray:
    distance = np.hypot(*(others[:, :2] - region[:2]).T)
    return extractor.disc_overlap(others[:, 2], np.full(len(others), region[2]), distance)


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
    kept = extractor.thin_out(regions, rng)[:, 3].astype(int)
    assert 10 < len(kept) < 200
    assert sorted(cluster[kept]) == sorted(set(cluster))


def test_which_region_of_a_cluster_is_kept_is_random():
    chain = np.array([[0.0, 0, 10, 0], [4, 0, 10, 0], [8, 0, 10, 0], [100, 0, 10, 0]])
    assert overlap_of(chain[0], chain)[2] < 0.5 < overlap_of(chain[0], chain)[1]
    kept = [extractor.thin_out(chain, np.random.default_rng(seed)) for seed in range(200)]
    assert {len(regions) for regions in kept} == {2}
    x = np.array([regions[:, 0] for regions in kept])
    assert {0, 4, 8, 100} == set(x.ravel())
    assert 75 < (x[:, 0] == 100).sum() < 125  # a large cluster does not come first either


def test_no_region_is_kept_of_none():
    assert extractor.thin_out(np.empty((0, 4)), np.random.default_rng(0)).shape == (0, 4)


def test_a_scene_has_no_more_than_the_most_points_unless_told(texture, monkeypatch):
    scene = [texture] * 6, [np.eye(3)] * 5
    found = extractor.find_regions(*scene, np.random.default_rng(0), 100)
    monkeypatch.setattr(cutting, "MOST_POINTS", 7)
    few = extractor.find_regions(*scene, np.random.default_rng(0))
    assert len(found) > 20 and (few == found[:7]).all()


def test_regions_lie_inside_every_image(texture):
    shift = np.array([[1.0, 0, 60], [0, 1, 0], [0, 0, 1]])
    images, homographies = [texture] * 6, [np.eye(3)] * 4 + [shift]
    regions = extractor.find_regions(images, homographies, np.random.default_rng(0), 500, 0.3)
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
    regions = extractor.find_regions(images, homographies, rng, 30, 0.3)
    patches = extractor.cut(images, homographies, regions, rng).astype(float)
    flat = patches.reshape(len(patches), 16, -1)
    alike = [np.mean([np.corrcoef(p[0], p[k])[0, 1] for p in flat]) for k in (5, 10, 15)]
    assert alike[0] > 0.6 and alike[0] > alike[1] > alike[2]


@pytest.fixture(scope="module")
def genuine(shared_data):
    return Sequences(shared_data / "hpatches-sequences", "full", points_per_scene=10**6)


@pytest.mark.parametrize(
    ("scene", "known"),
    [("i_ajuntament", 853), ("v_abstract", 1891), ("v_graffiti", 1123), ("v_soldiers", 1529)],
)
def test_genuine_scenes_have_about_the_known_numbers_of_patches(scene, known, genuine):
    assert genuine.measure(scene)[0] == pytest.approx(known, rel=0.05)


def test_genuine_v_birdwoman_reaches_the_most_points(genuine):
    assert genuine.measure("v_birdwoman")[0] > extractor.MOST_POINTS


def test_genuine_v_graffiti_has_about_the_known_sizes_of_patches(genuine):
    sides = 2 * genuine.measure("v_graffiti")[1][:, 2]
    assert np.quantile(sides, [0.05, 0.5, 0.95]) == pytest.approx([20, 30, 82], rel=0.2)
