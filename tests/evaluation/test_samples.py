"""Looking at finished pipelines, on a tiny store and hand-made descriptors."""

import keras
import numpy as np
import pytest

from helpers.benchmark.layout import STRIPS
from helpers.common import files
from helpers.evaluation import samples
from helpers.networks.blocks import patch_input


def vectors(points: int, wrong: dict[int, int]) -> np.ndarray:
    """Descriptors (2, N, N) whose points find themselves, but for `wrong`: point -> what it finds.

    The second best is the point itself.
    """
    reference, other = np.eye(points, dtype=np.float32), np.eye(points, dtype=np.float32)
    for point, taken_for in wrong.items():
        reference[point, taken_for] = 1.5
    return np.stack([reference, other])


@pytest.fixture
def described(tiny_store):
    """The baseline takes the even points for their neighbours, the improved approach only two."""
    even = {point: point + 1 for point in range(0, 12, 2)}
    names = tiny_store.parts["test"]
    return {
        "baseline": {name: vectors(12, even) for name in names},
        "improved": {name: vectors(12, {3: 5, 8: 1}) for name in names},
    }


@pytest.fixture
def runs(tmp_path):
    """Run folders of a descriptor behind a denoiser, and of one without."""
    for name in ("denoiser", "behind", "alone"):
        (tmp_path / name).mkdir()
    patch = patch_input()
    keras.Model(patch, keras.layers.Rescaling(0.5)(patch)).save(tmp_path / "denoiser/model.keras")
    files.write_json(tmp_path / "denoiser/settings.json", {"settings": {"network": "halved"}})
    for name, joining in (("behind", "frozen"), ("alone", "direct")):
        x = keras.layers.Flatten()(keras.layers.AveragePooling2D(8)(patch))
        keras.Model(patch, x).save(tmp_path / name / "model.keras")
        settings = {"role": "descriptor", "joining": joining, "network": "means"}
        denoiser = "denoiser" if joining == "frozen" else None
        files.write_json(
            tmp_path / name / "settings.json", {"denoiser": denoiser, "settings": settings}
        )
    return {"improved": tmp_path / "behind", "baseline": tmp_path / "alone"}


def test_a_strip_is_described_as_the_benchmark_would(runs, tiny_store):
    found = samples.describe_strip(tiny_store, runs)
    name = tiny_store.parts["test"][0]
    assert list(found) == ["improved", "baseline"]
    assert tuple(found["baseline"]) == tiny_store.parts["test"]
    assert found["baseline"][name].shape == (2, 12, 16)
    patch = tiny_store.noisy[tiny_store.scenes[name]][3, STRIPS.index(samples.STRIP)]
    mean = patch.reshape(4, 8, 4, 8).mean(axis=(1, 3)).ravel()
    np.testing.assert_allclose(found["baseline"][name][1, 3], mean, rtol=1e-5)


def test_queries_are_found_and_missed_in_turn(tiny_store, described):
    queries, right, found = samples.compare_neighbours(tiny_store, described, 6, count=3)
    patches, correct, ranks = found["improved"]
    assert queries.shape == right.shape == (6, 32, 32) and patches.shape == (6, 3, 32, 32)
    assert ranks.tolist() == [1, 2, 1, 2, 1, 2]
    np.testing.assert_array_equal(correct, [[True, False, False], [False, True, False]] * 3)
    assert set(found["baseline"][2]) <= {1, 2}


def test_the_right_patch_is_the_one_of_the_query_s_point_in_the_strip(tiny_store, described):
    queries, right, found = samples.compare_neighbours(tiny_store, described, 2, count=3)
    patches, correct, _ = found["improved"]
    np.testing.assert_array_equal(patches[correct], right)
    for query, patch in zip(queries, right, strict=True):
        (row,) = [i for i in range(72) if np.array_equal(tiny_store.noisy[i, 0], query)]
        np.testing.assert_array_equal(tiny_store.noisy[row, STRIPS.index(samples.STRIP)], patch)


def test_where_nothing_is_missed_any_query_is_taken(tiny_store):
    perfect = {"improved": {tiny_store.parts["test"][0]: vectors(12, {})}}
    *_, found = samples.compare_neighbours(tiny_store, perfect, 4)
    assert found["improved"][2].tolist() == [1, 1, 1, 1]


def test_scenes_with_few_points_give_fewer_neighbours(tiny_store):
    few = {"improved": {tiny_store.parts["test"][0]: vectors(12, {})}}
    *_, found = samples.compare_neighbours(tiny_store, few, 1, count=99)
    assert found["improved"][0].shape == (1, 12, 32, 32)


def test_matches_lead_to_the_mapped_centres_of_what_was_found(tiny_store, described):
    images = [np.full((9, 9), level, np.uint8) for level in range(6)]
    homographies = [np.diag([2.0, 3, 1])] + [np.eye(3)] * 4
    regions = np.column_stack([np.arange(12.0), np.arange(12.0), np.ones(12), np.zeros(12)])
    name = tiny_store.parts["test"][0]
    shown, lines = samples.matches((images, homographies, regions), described, name, 99)
    assert [image[0, 0] for image in shown] == [0, 1]
    start, end, right = lines["improved"]
    assert right.sum() == 10
    np.testing.assert_allclose(end[right], start[right] * (2, 3))
    np.testing.assert_allclose(end[start[:, 0] == 3], [[10, 15]])  # point 3 is taken for point 5
    assert samples.count_matches(name, lines) == {
        "scene": name, "points": 12, "right": {"baseline": 6, "improved": 10},
    }  # fmt: skip


def test_pairs_of_other_points_never_hold_the_same_point(described):
    same, other = samples.pair_distances(described)["improved"]
    assert same.shape == other.shape == (24,)
    assert np.count_nonzero(same) == 4 and other.min() > 0  # two scenes with two wrong points each


def test_the_typical_point_has_the_median_contrast():
    patches = np.zeros((5, 16, 32, 32), np.uint8)
    for point, contrast in enumerate((50, 10, 30, 20, 40)):
        patches[point, 0, ::2] = contrast
    assert samples.typical_point(patches) == 2


def test_a_sample_shows_what_each_pipeline_makes_of_one_point(runs, tiny_store):
    networks, patches, denoised, found = samples.pipeline_sample(tiny_store, runs)
    names = [[network.name for network in chain] for chain in networks.values()]
    assert names == [["halved", "means"], ["means"]]  # what the settings call them
    assert list(denoised) == ["improved"]
    np.testing.assert_allclose(denoised["improved"], patches[0] / 2)
    assert found["baseline"].shape == (3, 16)
    assert not np.allclose(found["improved"], found["baseline"])


def test_networks_that_were_trained_end_to_end_are_taken_apart(runs):
    folder = runs["improved"]
    settings = {"role": "descriptor", "joining": "end_to_end"}
    files.write_json(folder / "settings.json", {"denoiser": "denoiser", "settings": settings})
    patch = patch_input()
    networks = [
        keras.Model(patch, keras.layers.Rescaling(0.5)(patch), name="first"),
        keras.Model(patch, keras.layers.Flatten()(patch), name="second"),
    ]
    whole = patch_input()
    keras.Model(whole, networks[1](networks[0](whole))).save(folder / "model.keras")
    assert [network.name for network in samples.pipeline_networks(folder)] == ["first", "second"]
