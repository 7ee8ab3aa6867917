"""Scoring and inspecting finished runs, on a tiny store and untrained networks."""

import json

import keras
import numpy as np
import pytest

from helpers import benchmark
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
    (path,) = runs[1].glob("scores-*.json")
    written = json.loads(path.read_text())
    assert written.pop("checksum") and written == scores
    assert written["decided_by"]["dataset"]["fingerprint"] == tiny_store.fingerprint
    assert written["provenance"]["backend"] == keras.backend.backend()
    assert set(written["matching"]["sequences"]) == set(tiny_store.parts["test"])
    assert 0 < written["V"] <= 1 and 0 < written["M"] <= 1
    assert written["R"] is None  # 24 points fill no pool, and nothing is invented
    assert "no pools of 100" in written["warnings"][0]


def test_known_scores_are_loaded_and_others_computed_anew(runs, tiny_store, capsys):
    scoring.score_run(runs[1], tiny_store, pairs=200)
    scoring.score_run(runs[1], tiny_store, pairs=200)
    assert "scored already" in capsys.readouterr().out
    scoring.score_run(runs[1], tiny_store, pairs=300)
    assert "scored already" not in capsys.readouterr().out
    scoring.score_run(runs[1], tiny_store, pairs=200)  # each task set has scores of its own
    assert "scored already" in capsys.readouterr().out


@pytest.mark.parametrize("damage", [(b'"V": 0.', b'"V": 0.9'), (b"}", b""), (b'"M"', b'"N"')])
def test_scores_that_were_changed_are_noticed_and_made_anew(runs, tiny_store, capsys, damage):
    before = scoring.score_run(runs[1], tiny_store, pairs=200)
    (path,) = runs[1].glob("scores-*.json")
    path.write_bytes(path.read_bytes().replace(*damage))
    capsys.readouterr()
    again = scoring.score_run(runs[1], tiny_store, pairs=200)
    said = capsys.readouterr().out
    assert f"{path} was changed" in said and "scored already" not in said
    assert {key: again[key] for key in "VMRS"} == {key: before[key] for key in "VMRS"}
    scoring.score_run(runs[1], tiny_store, pairs=200)
    assert "scored already" in capsys.readouterr().out


def test_a_collapsed_network_and_scenes_that_taught_it_are_warned_of(runs, tiny_store, capsys):
    patch = patch_input()
    flat = keras.layers.Flatten()(keras.layers.Rescaling(0.0, offset=1.0)(patch))
    run = runs[1].rename(runs[1].with_name("pretrained-descriptor-0"))
    keras.Model(patch, flat).save(run / "model.keras")
    store = type(tiny_store)()
    store.scenes["v_boat"] = store.scenes.pop("i_2")
    store.parts["test"] = ("v_boat", "v_2")
    for said in ("describing", "scored already"):
        warned = " ".join(scoring.score_run(run, store, pairs=200)["warnings"])
        assert "distances are tied" in warned and "have learned from v_boat:" in warned
        printed = capsys.readouterr().out
        assert said in printed and "distances are tied" in printed and "v_boat" in printed


def test_clean_patches_are_scored_beside_the_noisy_ones(runs, tiny_store):
    store = type(tiny_store)()
    store.noisy = np.random.default_rng(0).permuted(store.noisy, axis=0)  # nothing fits any more
    noisy = scoring.score_run(runs[1], store, pairs=200)
    clean = scoring.score_run(runs[1], store, pairs=200, clean=True)
    assert clean["V"] > noisy["V"]
    assert scoring.score_run(runs[1], store, pairs=200)["V"] == noisy["V"]
    assert len([*runs[1].glob("scores-*.json")]) == 2


def test_tasks_hold_test_scenes_only(tiny_store):
    tasks = scoring.make_tasks(tiny_store, pairs=100)
    assert set(tasks.sequences) == set(tiny_store.parts["test"])


def test_all_test_scenes_of_an_official_split_are_drawn_in_its_order(tiny_store):
    store, names = type(tiny_store)(), benchmark.load_split("a").test
    store.split, store.parts["test"] = "a", tuple(sorted(names))
    store.scenes = dict.fromkeys(names, slice(0, 12))
    store.lengths = lambda part: dict.fromkeys(store.parts[part], 12)
    tasks = scoring.make_tasks(store, pairs=100)
    assert (tasks.split, tasks.sequences) == ("a", names)
    store.parts["test"] = store.parts["test"][:3]
    tasks = scoring.make_tasks(store, pairs=100)
    assert (tasks.split, tasks.sequences) == ("test", store.parts["test"])


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
