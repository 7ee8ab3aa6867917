"""Hand-made descriptors and denoisers, and the rows that they make."""

import json

import cv2
import numpy as np
import pytest

from helpers.benchmark import BenchmarkError
from helpers.common import paths
from helpers.evaluation import classical
from helpers.evaluation.classical import ROWS, gaussian_blur, non_local_means, raw_pixels, root_sift

DESCRIPTORS = {raw_pixels: 1024, root_sift: 128}
DENOISERS = (gaussian_blur, non_local_means)


@pytest.fixture
def patches(tiny_store):
    return tiny_store.noisy[:3].reshape(-1, 32, 32)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    return tmp_path


# --- descriptors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_a_descriptor_is_a_unit_vector(descriptor, patches):
    vectors = descriptor(patches)
    assert vectors.shape == (len(patches), DESCRIPTORS[descriptor])
    whole = descriptor is raw_pixels  # in numbers of two bytes
    assert vectors.dtype == (np.int16 if whole else np.float32)
    lengths = np.linalg.norm(vectors.astype(float), axis=1) / (classical.UNIT if whole else 1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-3 if whole else 1e-5)


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize("grey", [0, 77, 255])
def test_a_patch_of_one_grey_gives_zeros(descriptor, grey):
    assert not descriptor(np.full((2, 32, 32), grey, np.uint8)).any()


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_gain_and_bias_of_the_light_drop_out(descriptor, patches):
    dim = patches // 3  # so that brighter ones fit into a byte and are exact
    np.testing.assert_allclose(descriptor(2 * dim + 20), descriptor(dim), atol=0.02)


def test_raw_pixels_are_the_deviations_from_the_mean():
    patch = np.zeros((1, 32, 32), np.uint8)
    patch[0, 16:] = 10  # deviations -5 and 5, whose vector has length 5 * 32
    expected = np.array([-1 / 32, 1 / 32]) * classical.UNIT
    np.testing.assert_allclose(raw_pixels(patch)[0, [0, 1023]], expected, atol=0.5)


def test_a_ramp_has_one_direction_of_gradients_only():
    ramp = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (1, 32, 1))
    cells = root_sift(ramp).reshape(16, 8)
    assert (cells[:, 0] > 0).all()  # grey grows to the right
    assert not cells[:, 1:].any()  # a keypoint that is turned by a degree leaks into the next bin


def test_rootsift_is_the_root_of_shares(patches):
    keypoint = [cv2.KeyPoint(15.5, 15.5, classical.KEYPOINT_SIZE, 0)]
    sift = cv2.SIFT_create().compute(patches[0], keypoint)[1][0]
    np.testing.assert_allclose(root_sift(patches[:1])[0] ** 2, sift / sift.sum(), rtol=1e-5)


@pytest.mark.parametrize("corner", range(4))
def test_rootsift_sees_the_patch_up_to_its_corners(corner):
    patch = np.full((32, 32), 100, np.uint8)
    patch[14:18, 14:18] = 200  # else whatever little is seen of the corner would be scaled up
    patch[2:5, 2:5] = 200
    vector = root_sift(np.rot90(patch, corner)[None])[0].reshape(4, 4, 8)
    seen = np.rot90((vector**2).sum(axis=2), -corner)
    assert seen[0, 0] > 0.07
    np.testing.assert_allclose(seen[[0, 3, 3], [3, 0, 3]], 0, atol=0.02)


# --- denoisers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("denoiser", DENOISERS)
def test_a_denoiser_halves_the_noise_of_a_smooth_patch(denoiser):
    clean = np.tile(np.arange(50, 210, 5.0), (4, 32, 1))
    noise = np.random.default_rng(0).normal(0, 15, clean.shape)
    denoised = denoiser((clean + noise).astype(np.uint8))
    assert denoised.shape == clean.shape and denoised.dtype == np.uint8
    assert np.abs(denoised - clean).mean() < 0.5 * np.abs(noise).mean()


@pytest.mark.parametrize("denoiser", DENOISERS)
def test_a_denoiser_leaves_a_patch_of_one_grey_alone(denoiser):
    flat = np.full((2, 32, 32), 93, np.uint8)
    np.testing.assert_array_equal(denoiser(flat), flat)


def test_patches_are_filtered_as_if_each_were_alone(patches):
    blurred = [cv2.GaussianBlur(patch, (0, 0), classical.BLUR) for patch in patches]
    np.testing.assert_array_equal(gaussian_blur(patches), blurred)
    settings = classical.STRENGTH, classical.TEMPLATE, classical.SEARCH
    averaged = [cv2.fastNlMeansDenoising(patch, None, *settings) for patch in patches]
    np.testing.assert_array_equal(non_local_means(patches), averaged)


# --- rows ----------------------------------------------------------------------------------------


def test_a_row_describes_the_patches_that_it_names(tiny_store):
    for row in (ROWS["raw_pixels_clean"], ROWS["blur_root_sift"]):
        found = classical.describe_row(row, tiny_store)
        assert tuple(found) == tiny_store.parts["test"]
        name = tiny_store.parts["test"][1]
        patch = getattr(tiny_store, row.patches)[tiny_store.scenes[name]][4, 13][None]
        expected = row.descriptor(row.denoiser(patch) if row.denoiser else patch)
        np.testing.assert_array_equal(found[name][13, 4], expected[0])


def test_scores_of_all_rows_stand_beside_what_decided_them(runs, tiny_store):
    rows = classical.score_rows(tiny_store, pairs=200)
    (file,) = runs.iterdir()
    written = json.loads(file.read_text())
    assert list(rows) == list(written["rows"]) == list(ROWS)
    assert written["rows"] == json.loads(json.dumps(rows))
    assert written["decided_by"]["dataset"]["fingerprint"] == tiny_store.fingerprint
    assert written["decided_by"]["pairs"] == 200 and written["provenance"]["versions"]
    assert all(set(row["matching"]["sequences"]) == {"i_2", "v_2"} for row in rows.values())
    assert [row["title"] for row in rows.values()] == [row.title for row in ROWS.values()]
    assert len({rows[name]["V"] for name in ("raw_pixels", "root_sift", "root_sift_clean")}) == 3


def test_known_rows_are_loaded_and_others_computed_anew(runs, tiny_store, capsys, monkeypatch):
    monkeypatch.setattr(classical, "ROWS", {"root_sift": ROWS["root_sift"]})
    first = classical.score_rows(tiny_store, pairs=200)
    assert classical.score_rows(tiny_store, pairs=200) == first
    assert "scored already" in capsys.readouterr().out
    classical.score_rows(tiny_store, pairs=300)
    assert "scored already" not in capsys.readouterr().out


def test_an_interrupted_scoring_leaves_no_file(runs, tiny_store, monkeypatch):
    def broken(patches):
        return np.full((len(patches), 1), np.nan, np.float32)

    monkeypatch.setitem(ROWS, "root_sift", classical.Row("broken", broken))
    with pytest.raises(BenchmarkError, match="NaN"):
        classical.score_rows(tiny_store, pairs=200)
    assert not list(runs.iterdir())
