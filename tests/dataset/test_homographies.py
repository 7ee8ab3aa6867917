import numpy as np
import pandas as pd
import pytest

from helpers.dataset.cutting.extractor import project
from helpers.dataset.cutting.homographies import (
    CORRELATIONS,
    LEAST_OVERLAP,
    PROBABILITIES,
    QUANTILES,
    sample_homography,
    unit_coordinates,
    visible_share,
)

SHAPE = (480, 640)


def decompose(homography, shape):
    """Mean corner displacement, log2 scale and |rotation| in the module's coordinates."""
    to_unit = unit_coordinates(shape)
    unit = to_unit @ homography @ np.linalg.inv(to_unit)
    unit = unit / unit[2, 2]
    linear = unit[:2, :2] - np.outer(unit[:2, 2], unit[2, :2])
    u, _, v = np.linalg.svd(linear)
    turn = np.degrees(np.arctan2((u @ v)[1, 0], (u @ v)[0, 0]))
    height, width = shape
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])
    moved = np.hypot(*(project(homography, corners) - corners).T).mean() * to_unit[0, 0]
    return moved, np.log2(np.abs(np.linalg.det(linear))) / 2, abs(turn)


def test_tables_are_well_formed():
    assert all(len(values) == len(PROBABILITIES) for values in QUANTILES.values())
    assert all(np.all(np.diff(values) >= 0) for values in QUANTILES.values())
    assert (CORRELATIONS == CORRELATIONS.T).all() and np.linalg.eigvalsh(CORRELATIONS).min() > 0


def test_same_seed_same_homography():
    first, second = (sample_homography(SHAPE, np.random.default_rng(3)) for _ in range(2))
    assert (first == second).all()


def test_targets_show_enough_of_image_1():
    rng = np.random.default_rng(0)
    shares = [visible_share(sample_homography(SHAPE, rng), SHAPE, SHAPE) for _ in range(200)]
    assert min(shares) >= LEAST_OVERLAP


def test_share_of_a_shift_by_half_the_width_is_half():
    shift = np.array([[1.0, 0, 320], [0, 1, 0], [0, 0, 1]])
    assert visible_share(shift, SHAPE, SHAPE) == pytest.approx(0.5, abs=0.02)


def test_quantiles_are_near_those_of_the_genuine_homographies(shared_data):
    table = pd.read_csv(shared_data / "hpatches-homographies.csv")
    matrices = table.filter(regex=r"^H\d\d$").to_numpy().reshape(-1, 3, 3)
    shapes = table[["Him", "Wim"]].to_numpy()
    levels = [0.05, 0.25, 0.5, 0.75, 0.9]
    genuine = [decompose(*pair) for pair in zip(matrices, shapes, strict=True)]
    rng = np.random.default_rng(0)
    drawn = [decompose(sample_homography(shape, rng), shape) for shape in shapes.repeat(3, 0)]
    difference = np.abs(np.quantile(drawn, levels, axis=0) - np.quantile(genuine, levels, axis=0))
    displacement, log2_scale, rotation = difference.max(0)
    assert displacement < 0.15 and log2_scale < 0.15 and rotation < 8
