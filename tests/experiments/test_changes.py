"""Single changes: their rows, and batches of few scenes."""

import changes
import numpy as np
import pytest
from ingredients.scenes import SceneViews, one_for_all

from helpers import settings, training
from helpers.training.model import check

BASE = settings.COURSEWORK


def test_rows_differ_and_can_be_made():
    made = {name: changes.trainings(BASE, name, 0.5)[1] for name in changes.ROWS}
    for descriptor in made.values():
        check(descriptor, None if descriptor.joining == "direct" else changes)
    assert len({str(one) for one in made.values()}) == len(made)


@pytest.fixture
def batches(photographs) -> SceneViews:
    return SceneViews(photographs, "train", 16, seed=3, scenes=4)


def scenes_of(batches: SceneViews, points: np.ndarray) -> list[str]:
    rows = batches.store.rows("train")[points]
    spans = batches.store.scenes.items()
    return [next(name for name, span in spans if span.start <= row < span.stop) for row in rows]


def test_a_batch_has_as_many_points_of_each_of_its_scenes(batches):
    points = batches.shuffled(5)
    scenes = np.reshape(scenes_of(batches, points), (4, 4))
    assert all(len({*group}) == 1 for group in scenes) and len({*points}) == 16
    np.testing.assert_array_equal(batches.shuffled(5), points)


def test_an_epoch_visits_points_once_and_the_next_one_in_another_order(batches):
    first, second = (
        np.concatenate([batches.shuffled(step) for step in range(start, start + batches.per_epoch)])
        for start in (0, batches.per_epoch)
    )
    assert len({*first}) == len(first) > 0.9 * len(batches.store.rows("train"))
    assert not np.array_equal(first, second)


def test_likenesses_are_one_point_to_the_loss():
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 256, (4, 32, 32))
    patches[2] = np.clip(patches[0] * 0.5 + 30 + rng.normal(0, 3, (32, 32)), 0, 255)
    assert one_for_all(patches, 0.8).tolist() == [0, 1, 0, 3]
    assert one_for_all(patches, 1.0).tolist() == [0, 1, 2, 3]


def test_settings_choose_them(photographs):
    _, descriptor = changes.trainings(BASE, "four_guarded", 1.0)
    made = training.make_batches(descriptor, photographs, "train")
    views, point = made(0)
    assert views.shape == (128, 4, 32, 32, 1) and point.shape == (128,)
