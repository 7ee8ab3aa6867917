"""Scoring and inspecting finished runs, on a tiny store and untrained networks."""

import json

import keras
import numpy as np
import pytest

from helpers.benchmark.files import write_descriptors
from helpers.common import files
from helpers.evaluation import samples, scoring
from helpers.networks.blocks import patch_input


@pytest.fixture
def runs(tmp_path):
    """A denoiser that does nothing and a descriptor that blurs: quick, and better than chance."""
    for name in ("denoiser", "descriptor"):
        (tmp_path / name).mkdir()
    patch = patch_input()
    keras.Model(patch, keras.layers.Rescaling(1.0)(patch)).save(tmp_path / "denoiser/model.keras")
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(8)(patch))
    keras.Model(patch, keras.layers.UnitNormalization()(x)).save(
        tmp_path / "descriptor/model.keras"
    )
    settings = {"role": "descriptor", "joining": "frozen"}
    files.write_json(
        tmp_path / "descriptor/settings.json", {"denoiser": "denoiser", "settings": settings}
    )
    return tmp_path / "denoiser", tmp_path / "descriptor"


def test_scores_stand_beside_what_decided_them(runs, tiny_store):
    scores = scoring.score_run(runs[1], tiny_store, pairs=200)
    written = json.loads((runs[1] / "scores.json").read_text())
    assert written == json.loads(json.dumps(scores))
    assert written["decided_by"]["dataset"]["fingerprint"] == tiny_store.fingerprint
    assert written["provenance"]["backend"] == keras.backend.backend()
    assert set(written["matching"]["sequences"]) == set(tiny_store.parts["test"])
    assert 0 < written["V"] <= 1 and 0 < written["M"] <= 1
    assert written["R"] is None  # 24 points fill no pool, and nothing is invented


def test_known_scores_are_loaded_and_others_computed_anew(runs, tiny_store, capsys):
    scoring.score_run(runs[1], tiny_store, pairs=200)
    scoring.score_run(runs[1], tiny_store, pairs=200)
    assert "scored already" in capsys.readouterr().out
    scoring.score_run(runs[1], tiny_store, pairs=300)
    assert "scored already" not in capsys.readouterr().out


def test_clean_patches_are_scored_beside_the_noisy_ones(runs, tiny_store):
    store = type(tiny_store)()
    store.noisy = np.random.default_rng(0).permuted(store.noisy, axis=0)  # nothing fits any more
    noisy = scoring.score_run(runs[1], store, pairs=200)
    clean = scoring.score_run(runs[1], store, pairs=200, clean=True)
    assert clean["V"] > noisy["V"]
    assert scoring.score_run(runs[1], store, pairs=200)["V"] == noisy["V"]
    assert json.loads((runs[1] / "scores-clean.json").read_text())["V"] == clean["V"]


def test_tasks_hold_test_scenes_only(tiny_store):
    tasks = scoring.make_tasks(tiny_store, pairs=100)
    assert set(tasks.sequences) == set(tiny_store.parts["test"])


def test_written_descriptors_are_what_the_official_files_hold(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(16, 3, 4)).astype(np.float32)
    write_descriptors({"v_a": vectors}, tmp_path, "csv")
    write_descriptors({"v_a": vectors}, tmp_path, "npy")
    np.testing.assert_array_equal(np.load(tmp_path / "v_a.npy"), vectors)
    text = np.loadtxt(tmp_path / "v_a" / "h2.csv", delimiter=",")
    np.testing.assert_allclose(text, vectors[7], atol=5.1e-6)


def test_a_sample_is_the_same_each_time_and_keeps_to_its_part(runs, tiny_store):
    clean, estimates = samples.denoise_sample(tiny_store, {"baseline": runs[0]}, points=5)
    again, _ = samples.denoise_sample(tiny_store, {}, points=5)
    np.testing.assert_array_equal(clean, again)
    np.testing.assert_array_equal(estimates["baseline"], estimates["noisy"])
    held_out = {point.tobytes() for point in tiny_store.clean[tiny_store.rows("validation")]}
    assert all(point.tobytes() in held_out for point in clean)


def test_denoising_rows_are_one_patch_of_each_level(runs, tiny_store):
    clean, estimates = samples.denoise_sample(tiny_store, {"baseline": runs[0]}, points=5)
    noisy, denoised, target, levels = samples.denoising_rows(clean, estimates)
    point = samples.typical_point(clean)
    assert levels == ("easy", "hard", "tough") and list(denoised) == ["baseline"]
    np.testing.assert_array_equal(noisy, estimates["noisy"][point, [1, 6, 11]])
    np.testing.assert_array_equal(target, clean[point, [1, 6, 11]])
