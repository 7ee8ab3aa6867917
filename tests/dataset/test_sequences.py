import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import helpers
from helpers.benchmark.layout import LEVELS, strip_columns
from helpers.common.errors import InputError
from helpers.dataset import open_dataset
from helpers.dataset.sources.photographs import make_sequence
from helpers.dataset.sources.sequences import read_homography

SHAPE = (300, 400)


@pytest.fixture(scope="module")
def made():
    return make_sequence("v_text", 0)


@pytest.fixture
def sequences(made, tmp_path):
    """Three scenes of the same images, in several formats, with a split."""
    images, homographies = made
    folder = tmp_path / "sequences"
    for scene, suffix in (("v_one", "png"), ("v_two", "ppm"), ("v_three", "tif")):
        (folder / scene).mkdir(parents=True)
        for number, image in enumerate(images, 1):
            mode = "RGB" if suffix == "ppm" else "L"
            Image.fromarray(image).convert(mode).save(folder / scene / f"{number}.{suffix}")
        for number, homography in enumerate(homographies, 2):
            np.savetxt(folder / scene / f"H_1_{number}", -3 * homography)  # any factor is the same
    (folder / "split.json").write_text('{"train": ["v_one", "v_two"], "test": ["v_three"]}')
    return folder


def test_sequences_are_cut_into_points_that_correspond(sequences, tmp_path):
    store = open_dataset(f"sequences:{sequences}", tmp_path, points_per_scene=30)
    assert store.lengths("test") == {"v_three": 30}
    patches = store.clean.astype(float).reshape(len(store), 16, -1)
    patches -= patches.mean(-1, keepdims=True)
    patches /= np.linalg.norm(patches, axis=-1, keepdims=True) + 1e-9
    alike = (patches[:, :1] * patches).sum(-1)
    means = [alike[:, strip_columns(level)].mean() for level in LEVELS]
    assert means[0] > 0.6 and means[0] > means[1] > means[2] > 0.2


@pytest.mark.parametrize("source", ["sequences", "photographs"])
def test_another_detection_or_cutting_makes_another_store(source):
    code = importlib.import_module(f"helpers.dataset.{source}").RECIPE_CODE
    assert {"dataset/detection.py", "dataset/cutting.py"} <= set(code)
    assert all((Path(helpers.__file__).parent / name).is_file() for name in code)


def test_keep65_does_not_change_the_other_patches(sequences, tmp_path):
    with65, without = (
        open_dataset(f"sequences:{sequences}", tmp_path, points_per_scene=9, keep65=keep)
        for keep in (True, False)
    )
    assert without.clean65 is None and with65.clean65.shape == (27, 16, 65, 65)
    assert (with65.noisy == without.noisy).all()


def test_a_homography_is_read_up_to_its_factor():
    text = b"2 0 20\n0 2 -40\n0 0 2\n"
    expected = np.array([[1, 0, 10], [0, 1, -20], [0, 0, 1]])
    for factor in (1, -1, 1e-6):
        scaled = " ".join(str(factor * float(word)) for word in text.split()).encode()
        np.testing.assert_allclose(read_homography(scaled, "H", SHAPE, SHAPE), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"1 0 0 0 1 0 0 0", "nine numbers"),
        (b"1 0 0 0 1 0 0 0 1 0", "nine numbers"),
        (b"", "nine numbers"),
        (b"1 0 0 0 one 0 0 0 1", "nine numbers"),
        (b"1 0 0 0 nan 0 0 0 1", "nine numbers"),
        (b"1 0 0 0 inf 0 0 0 1", "nine numbers"),
        (b"\xff\xfe1 0 0", "nine numbers"),
        (b"0 0 0 0 0 0 0 0 0", "singular"),
        (b"1 0 0 1 0 0 0 0 1", "singular"),
        (b"1 0 5000 0 1 0 0 0 1", "outside"),
    ],
)
def test_a_bad_homography_is_named(text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_homography(text, "v_one/H_1_3", SHAPE, SHAPE)
    assert "v_one/H_1_3" in str(caught.value)


@pytest.mark.parametrize("name", ["3.png", "H_1_4"])
def test_a_missing_file_is_named(name, sequences, tmp_path):
    (sequences / "v_one" / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        open_dataset(f"sequences:{sequences}", tmp_path / "stores")


def test_an_image_that_pillow_refuses_is_named(sequences, tmp_path):
    (sequences / "v_one" / "4.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"4\.png is damaged"):
        open_dataset(f"sequences:{sequences}", tmp_path / "stores")
    assert not list((tmp_path / "stores").glob("sequences*"))


def test_images_without_detail_are_named(sequences, tmp_path):
    Image.fromarray(np.full((172, 448), 90, np.uint8)).save(sequences / "v_one" / "1.png")
    with pytest.raises(InputError, match="v_one gives not a single patch"):
        open_dataset(f"sequences:{sequences}", tmp_path)


def test_images_too_small_for_a_point_are_named(sequences, tmp_path):
    Image.fromarray(np.full((9, 9), 90, np.uint8)).save(sequences / "v_one" / "1.png")
    with pytest.raises(InputError):
        open_dataset(f"sequences:{sequences}", tmp_path)


def test_genuine_scenes_correspond_as_measured(shared_data, tmp_path):
    names = ["v_abstract", "i_ajuntament"]
    place = f"sequences:{shared_data / 'hpatches-sequences'}"
    store = open_dataset(place, tmp_path, points_per_scene=100, scenes=names)
    assert store.parts["test"] == ("i_ajuntament", "v_abstract")
    patches = store.clean.astype(float).reshape(len(store), 16, -1)
    patches -= patches.mean(-1, keepdims=True)
    patches /= np.linalg.norm(patches, axis=-1, keepdims=True) + 1e-9
    alike = (patches[:, :1] * patches).sum(-1)
    easy = alike[:, strip_columns("easy")].mean()
    tough = alike[:, strip_columns("tough")].mean()
    assert 0.5 < easy < 0.8 and 0.25 < tough < 0.5
