import re
import shutil

import numpy as np
import pytest

from helpers.benchmark.layout import LEVELS
from helpers.dataset.building import open_store
from helpers.dataset.info import (
    correlations,
    duplicates_and_constants,
    info,
    listed,
    measured_sigma,
)
from helpers.dataset.noise import SIGMA, downsample, noisy_twin
from helpers.dataset.store import PatchStore, Source


class Grey(Source):
    """One scene of mid-grey patches with the recipe's noise."""

    name = split = "grey"
    parts = {"train": (), "validation": (), "test": ("i_grey",)}  # noqa: RUF012
    recipe = {}  # noqa: RUF012
    keeps65 = False

    def key(self):
        return 0

    def measure(self, scene):
        return 20, None

    def fill(self, scene, found, out):
        clean65 = np.full((20, 16, 65, 65), 127, np.uint8)
        out["clean"][:] = downsample(clean65)
        out["noisy"][:] = noisy_twin(clean65, np.random.default_rng(0))
        return "digest"


def test_noise_is_measured_as_the_recipe_says(tmp_path):
    measured = measured_sigma(open_store(Grey(), tmp_path))
    for level in LEVELS:
        assert measured[level] == pytest.approx(SIGMA[level], rel=0.02)


def test_duplicates_and_constant_patches_are_counted(tmp_path, few):
    assert duplicates_and_constants(open_store(Grey(), tmp_path)) == (19, 20)
    assert duplicates_and_constants(few) == (0, 0)


def test_info_names_every_scene_and_part(few):
    text = info(few)
    for word in ("i_text 12", "v_chelsea 12", "test: 1 scenes", "36 points", "noise tough"):
        assert word in text


def test_patches_of_a_point_correlate_less_from_level_to_level(few):
    table = correlations(few)
    assert list(table) == list(few.scenes)
    means = [np.mean([table[scene][level] for scene in table]) for level in LEVELS]
    assert means[0] > 0.45 and means[0] > means[1] > means[2] > 0.1


def test_correlation_is_that_of_numpy(few):
    patches = few.clean[few.scenes["i_page"], :6].reshape(-1, 6, 1024)
    with np.errstate(invalid="ignore"):  # a patch of one grey correlates with nothing
        each = [np.corrcoef(p[0], p[k])[0, 1] for p in patches for k in range(1, 6)]
    expected = np.mean(np.nan_to_num(each))
    assert correlations(few)["i_page"]["easy"] == pytest.approx(expected, abs=1e-4)


def test_numbers_are_of_the_scenes_that_the_split_takes(few):
    some = PatchStore(few.folder, {"test": ("v_chelsea",)}, "mine")
    assert set(correlations(some)) == {"v_chelsea"} != set(correlations(few))
    whole = correlations(PatchStore(few.folder, {}, "none"))
    assert set(whole) == set(few.scenes)


def test_the_list_of_stores_says_what_each_holds_and_names_a_damaged_one(few, tmp_path):
    assert listed(tmp_path / "data") == f"{tmp_path / 'data'}: none"
    shutil.copytree(few.folder, tmp_path / "one")
    (tmp_path / "mine").mkdir()
    assert re.fullmatch(
        rf"{tmp_path}/one: 3 scenes, 36 points, 576 patches, \d+ MB, 65 .* kept", listed(tmp_path)
    )
    shutil.copytree(few.folder, tmp_path / "another")
    (tmp_path / "another" / "store.json").write_text("{}")
    damaged, whole = listed(tmp_path).splitlines()
    assert damaged == f"{tmp_path}/another: damaged or of another version, to be deleted"
    assert whole.startswith(f"{tmp_path}/one: 3 scenes")
