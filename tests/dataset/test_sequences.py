import shutil

import numpy as np
import pytest
from PIL import Image

from helpers.benchmark.layout import LEVELS
from helpers.common import keys
from helpers.common.errors import InputError
from helpers.common.keys import HELPERS
from helpers.dataset import Choice, find_source, open_dataset
from helpers.dataset.cutting.extractor import frames
from helpers.dataset.cutting.sampling import sample
from helpers.dataset.info import correlations, info
from helpers.dataset.sources.filling import RECIPE_CODE
from helpers.dataset.sources.photographs import make_scene
from helpers.dataset.sources.sequences import read_homography

SHAPE = (300, 400)


@pytest.fixture(scope="module")
def made():
    return make_scene("v_text", 0)


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
    assert store.scenes.keys() == {"v_one", "v_two", "v_three"} and len(store) == 3 * 30
    for by_level in correlations(store).values():
        easy, hard, tough = (by_level[level] for level in LEVELS)
        assert easy > 0.6 and easy > hard > tough > 0.2


def test_the_patches_can_be_cut_again_where_a_look_says(sequences, made, tmp_path):
    choice = {"points_per_scene": 9, "scenes": "v_three"}
    source = find_source(f"sequences:{sequences}", Choice(**choice))
    images, homographies, regions = source.look("v_three")
    assert all((image == expected).all() for image, expected in zip(images, made[0], strict=True))
    np.testing.assert_allclose(homographies, made[1])
    store = open_dataset(f"sequences:{sequences}", tmp_path, **choice)
    assert (sample(images[0], frames(regions), np.eye(3)) == store.clean65[:, 0]).all()


def test_the_code_that_decides_the_patches_is_part_of_the_recipe():
    assert {"dataset/cutting", "dataset/noise.py", "dataset/sources"} == set(RECIPE_CODE)
    assert all((HELPERS / place).exists() for place in RECIPE_CODE)


def test_another_line_of_code_that_cuts_is_another_recipe(few_photographs, tmp_path, monkeypatch):
    for place in RECIPE_CODE:
        source, copy = HELPERS / place, tmp_path / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy)
    before = few_photographs(0, 12).recipe
    monkeypatch.setattr(keys, "HELPERS", tmp_path)
    assert few_photographs(0, 12).recipe == before
    with (tmp_path / "dataset" / "cutting" / "regions.py").open("a") as edited:
        edited.write("another = 1\n")
    assert few_photographs(0, 12).recipe != before


def test_keep65_does_not_change_the_other_patches(sequences, tmp_path):
    with65, without = (
        open_dataset(
            f"sequences:{sequences}", tmp_path, points_per_scene=9, scenes="v_three", keep65=keep
        )
        for keep in (True, False)
    )
    assert without.clean65 is None and with65.clean65.shape == (9, 16, 65, 65)
    assert (with65.noisy == without.noisy).all()


@pytest.mark.parametrize("suffix", ["JPG", "JPEG", "PPM", "Tiff"])
def test_suffixes_of_images_may_be_written_in_any_case(suffix, sequences, made):
    for path in (sequences / "v_one").glob("*.png"):
        Image.open(path).save(path.with_suffix(f".{suffix}"))
        path.unlink()
    choice = Choice({"test": ["v_one"]}, scenes="v_one")
    images, _, _ = find_source(f"sequences:{sequences}", choice).look("v_one")
    assert len(images) == 6 and images[0].shape == made[0][0].shape


def change_homographies(folder, change):
    for path in folder.glob("H_1_*"):
        np.savetxt(path, change(np.loadtxt(path)))


WRONG = {  # what users do to homographies, each of which still maps into the image
    "inverted": np.linalg.inv,
    "of images of another size": lambda h: np.diag([0.7, 0.7, 1]) @ h,
    "of another scene": lambda h: np.array([[-1.0, 0, 440], [0, 1, 0], [0, 0, 1]]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_homographies_that_map_nothing_onto_itself_are_said_by_scene(wrong, sequences, tmp_path):
    change_homographies(sequences / "v_two", WRONG[wrong])
    chosen = {"points_per_scene": 40, "scenes": "v_two,v_one"}
    store = open_dataset(f"sequences:{sequences}", tmp_path, **chosen)
    (warning,) = (note for note in store.notes if "homographies" in note or "too few" in note)
    assert warning.startswith("v_two") and warning in info(store)


def test_a_homography_is_read_up_to_its_factor():
    text = b"2 0 20\n0 2 -40\n0 0 2\n"
    expected = np.array([[1, 0, 10], [0, 1, -20], [0, 0, 1]])
    for factor in (1, -1, 1e-6):
        scaled = " ".join(str(factor * float(word)) for word in text.split()).encode()
        np.testing.assert_allclose(read_homography(scaled, "H", SHAPE, SHAPE), expected)


WORDS = (b"", b"1 0 0 0 1 0 0 0", b"1 0 0 0 1 0 0 0 1 0", b"1 0 0 0 one 0 0 0 1")
WORDS += (b"1 0 0 0 nan 0 0 0 1", b"1 0 0 0 inf 0 0 0 1", b"\xff\xfe1 0 0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((words, "nine numbers") for words in WORDS),
        *((words, "singular") for words in (b"0 0 0 0 0 0 0 0 0", b"1 0 0 1 0 0 0 0 1")),
        (b"1 0 5000 0 1 0 0 0 1", "outside"),
    ],
)
def test_a_bad_homography_is_named(text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_homography(text, "v_one/H_1_3", SHAPE, SHAPE)
    assert "v_one/H_1_3" in str(caught.value)


def plain(path, shape):
    Image.fromarray(np.full(shape, 90, np.uint8)).save(path)


BAD_FILES = {
    "missing image": ("3.tif", lambda path: path.unlink(), r"v_three/3\.tif is missing"),
    "missing homography": ("H_1_4", lambda path: path.unlink(), "v_three/H_1_4 is missing"),
    "no image": ("4.tif", lambda path: path.write_bytes(b"no image"), r"4\.tif is damaged"),
    "no detail": (
        "1.tif",
        lambda path: plain(path, (172, 448)),
        "v_three gives not a single patch",
    ),
    "tiny": ("1.tif", lambda path: plain(path, (9, 9)), "v_three/H_1_2 maps image 1 outside"),
}


@pytest.mark.parametrize("damage", BAD_FILES)
def test_a_bad_file_is_named_and_nothing_is_left(damage, sequences, tmp_path):
    name, breaks, message = BAD_FILES[damage]
    breaks(sequences / "v_three" / name)
    with pytest.raises(InputError, match=message):
        open_dataset(f"sequences:{sequences}", tmp_path / "stores", scenes="v_three")
    assert not list((tmp_path / "stores").glob("sequences*"))


def test_a_scene_without_patches_is_left_out_by_naming_the_others(sequences, tmp_path):
    plain(sequences / "v_three" / "1.tif", (172, 448))
    with pytest.raises(InputError, match=r"v_three gives not a single patch .* let --scenes"):
        open_dataset(f"sequences:{sequences}", tmp_path, points_per_scene=3)
    store = open_dataset(
        f"sequences:{sequences}", tmp_path, points_per_scene=3, scenes="v_one,v_two"
    )
    assert len(store) == 6
