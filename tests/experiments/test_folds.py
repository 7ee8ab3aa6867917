"""Cross-validation: no test scene is ever seen, and every other scene is held out once."""

from dataclasses import replace

import folds
import numpy as np
import pytest

from helpers import settings
from helpers.common import paths


def test_each_scene_but_those_of_the_test_is_held_out_once(photographs):
    dealt = folds.deal(photographs, 3)
    held_out = [scene for fold in dealt for scene in fold.parts["validation"]]
    assert sorted(held_out) == sorted(photographs.parts["train"] + photographs.parts["validation"])
    for fold in dealt:
        assert {*fold.parts["train"]} == {*held_out} - {*fold.parts["validation"]}
        assert fold.parts["test"] == () and len(fold.rows("test")) == 0
    assert len({fold.fingerprint for fold in dealt}) == 3  # so that none is given another's runs


def test_folds_have_about_as_many_scenes_and_no_more_points_than_asked_for(photographs):
    dealt = folds.deal(photographs, 3, points_per_scene=10)
    sizes = [len(fold.parts["validation"]) for fold in dealt]
    assert max(sizes) - min(sizes) <= 1
    assert {n for fold in dealt for n in fold.lengths("validation").values()} == {10}


@pytest.mark.parametrize("joining", ["frozen", "direct"])
def test_a_row_is_trained_on_one_side_of_a_fold_and_scored_on_the_other(
    joining, photographs, tmp_path, monkeypatch
):
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    fold = folds.deal(photographs, 3, points_per_scene=20)[1]
    short = {"epochs": 0.2, "batch": 8, "validations": 1, "validation_batches": 1}
    narrow = {"network_options": {"width": 2}, **short}
    denoiser = replace(settings.SMOKE.improved_denoiser, **narrow)
    descriptor = replace(settings.SMOKE.improved_descriptor, joining=joining, **narrow)
    found = folds.train_and_score((denoiser, descriptor), fold, seed=7, pairs=200)
    assert (found["fold"], found["seed"]) == ("fold 2 of 3", 7)
    assert 0 < found["V"] < 1 and found["patches"] == found["steps"] * 8 * 4
    assert all((tmp_path / run / "model.keras").is_file() for run in found["runs"])
    assert len(found["runs"]) == (2 if joining == "frozen" else 1)  # no denoiser for nothing


def made(*values: float) -> list[dict]:
    return [
        {"fold": number, "seed": 1, "V": 0.9, "M": 0.3, "R": 0.6, "S": value}
        for number, value in enumerate(values)
    ]


def test_differences_are_taken_fold_by_fold():
    mean, error = folds.difference(made(0.7, 0.5, 0.9), made(0.6, 0.4, 0.8))
    assert mean == pytest.approx(0.1) and error == pytest.approx(0)
    assert folds.difference(made(0.7, 0.5), made(0.6)) == (pytest.approx(0.1), None)


def test_the_error_of_a_mean_is_that_of_the_folds():
    means = folds.mean_scores(made(0.6, 0.7, 0.8))
    assert means["S"] == pytest.approx(0.7)
    assert means["error"] == pytest.approx(np.std([0.6, 0.7, 0.8], ddof=1) / 3**0.5)
