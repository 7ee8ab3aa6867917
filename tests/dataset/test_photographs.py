import numpy as np
import pytest

from helpers.common.errors import InputError
from helpers.dataset.sources import photographs
from helpers.dataset.sources.photographs import (
    PARTS,
    load_photograph,
    make_scene,
    photograph_path,
    warp,
)

SCENES = [scene for part in PARTS.values() for scene in part]


def test_every_photograph_is_there_and_used_once():
    assert len(SCENES) >= 18
    assert len({scene[2:] for scene in SCENES}) == len(SCENES)
    for scene in SCENES:
        assert photograph_path(scene).is_file()


def test_each_part_has_both_kinds():
    for scenes in PARTS.values():
        assert {scene[:2] for scene in scenes} == {"v_", "i_"}
    kinds = [scene[:2] for scene in SCENES]
    assert kinds.count("v_") == kinds.count("i_")


def test_sequences_are_six_grey_images_of_one_size():
    for scene in ("v_chelsea", "i_text"):
        images, homographies = make_scene(scene, 0)
        assert len(images) == 6 and len(homographies) == 5
        assert {image.shape for image in images} == {images[0].shape}
        assert all(image.dtype == np.uint8 for image in images)


def test_lighting_changes_keep_the_geometry_and_differ_from_each_other():
    images, homographies = make_scene("i_text", 0)
    assert all((homography == np.eye(3)).all() for homography in homographies)
    reference = images[0].astype(float)
    for image in images[1:]:
        assert np.abs(image - reference).mean() > 5
        assert abs(np.corrcoef(image.ravel(), reference.ravel())[0, 1]) > 0.3
    means = [image.mean() for image in images[1:]]
    assert np.ptp(means) > 20


def test_same_seed_same_images_other_seed_others():
    first, again, other = (make_scene("v_text", seed)[0][3] for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


def test_warp_by_the_identity_keeps_a_smooth_image():
    y, x = np.mgrid[:40, :50]
    image = np.uint8(2 * x + 3 * y)
    warped = warp(image, np.eye(3)).astype(int)
    assert np.abs(warped - image)[1:-1, 1:-1].max() == 0


def test_warp_moves_pixels_where_the_homography_says():
    image = np.zeros((60, 60), np.uint8)
    image[20:23, 30:33] = 255
    shift = np.array([[1.0, 0, 7], [0, 1, -4], [0, 0, 1]])
    warped = warp(image, shift)
    y, x = np.nonzero(warped > 100)
    assert (x.mean(), y.mean()) == pytest.approx((38, 17), abs=0.1)


def test_a_missing_photograph_is_named_with_the_package_to_install():
    with pytest.raises(InputError, match="reinstall scikit-image"):
        photograph_path("v_nothing")


def test_an_unreadable_photograph_is_named(tmp_path):
    broken = tmp_path / "coffee.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(InputError, match=r"coffee\.png"):
        load_photograph(broken)


def test_large_photographs_are_reduced():
    shape = load_photograph(photograph_path("i_retina")).shape
    assert max(shape) == photographs.LONGEST_SIDE
