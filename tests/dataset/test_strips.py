import io
import os
import shutil
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.benchmark.layout import STRIPS
from helpers.common import keys
from helpers.common.errors import InputError
from helpers.dataset import Choice, find_source, open_dataset, write_strips
from helpers.dataset.noise import STRIP_SIGMA, downsample


def overwrite(path, pixels):
    Image.fromarray(pixels).save(path)


def zipped(folder, target):
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, f"hpatches/{path.relative_to(folder)}")
    return target


def deeper(folder, target):
    return shutil.copytree(folder, target / "hpatches").parent


@pytest.mark.parametrize("place", [lambda folder, _: folder, zipped, deeper])
def test_strips_that_were_written_are_read_as_they_were(place, few, strip_folder, tmp_path):
    store = open_dataset(f"n-hpatches:{place(strip_folder, tmp_path / 'copy')}", tmp_path)
    assert store.parts == few.parts and store.scenes == few.scenes and store.clean65 is None
    assert (store.clean == few.clean).all() and (store.noisy == few.noisy).all()


def test_strips_bring_no_images_to_look_at(written):
    assert find_source(f"n-hpatches:{written}", Choice()).look("i_text") is None


def test_written_strips_are_one_patch_wide_grey_pngs(few, strip_folder):
    files = sorted((strip_folder / "i_text").iterdir())
    assert len(files) == 32
    with Image.open(strip_folder / "i_text" / "h3_noise.png") as image:
        assert image.mode == "L" and image.size == (32, 32 * 12)


def test_strips_are_written_only_into_a_new_folder(few, written):
    with pytest.raises(InputError, match="is not empty"):
        write_strips(few, written)


def test_a_changed_source_is_noticed(few, strip_folder, tmp_path):
    before = open_dataset(f"n-hpatches:{strip_folder}", tmp_path)
    overwrite(strip_folder / "i_text" / "e1.png", np.zeros((12 * 32, 32), np.uint8))
    after = open_dataset(f"n-hpatches:{strip_folder}", tmp_path)
    assert before.fingerprint != after.fingerprint
    assert (after.clean[after.scenes["i_text"], 1] == 0).all()


def test_a_source_changed_to_the_same_size_is_noticed_by_its_date(strip_folder, tmp_path):
    first, second = (strip_folder / "i_text" / f"{name}.png" for name in ("e1", "e2"))
    for path, grey in ((first, 1), (second, 2)):
        strip = Image.fromarray(np.full((12 * 32, 32), grey, np.uint8))
        strip.save(path, compress_level=0)
    assert first.stat().st_size == second.stat().st_size
    open_dataset(f"n-hpatches:{strip_folder}", tmp_path)
    first.write_bytes(second.read_bytes())
    store = open_dataset(f"n-hpatches:{strip_folder}", tmp_path)
    assert (store.clean[store.scenes["i_text"], 1] == 2).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda path: truncate(path), "is damaged"), (lambda path: path.unlink(), "is missing")],
)
def test_a_source_damaged_after_its_store_was_built_is_named(
    change, message, strip_folder, tmp_path
):
    open_dataset(f"n-hpatches:{strip_folder}", tmp_path)
    change(strip_folder / "i_text" / "h4_noise.png")
    with pytest.raises(InputError, match=rf"h4_noise\.png {message}"):
        open_dataset(f"n-hpatches:{strip_folder}", tmp_path)


def test_official_split_and_validation_from_train_scenes_only(strip_folder, tmp_path):
    folder = strip_folder
    (folder / "split.json").unlink()
    names = ["i_ajuntament", "v_abstract"]  # test scenes of split a
    names += ["v_boat", "v_bark", "v_graffiti", "i_leuven", "v_circus", "v_dogman", "v_weapons"]
    for name in names:
        shutil.copytree(folder / "i_text", folder / name)
    store = open_dataset(f"n-hpatches:{folder}", tmp_path)
    assert store.parts["test"] == ("i_ajuntament", "v_abstract")
    assert store.parts["validation"] == ("v_boat", "v_graffiti")  # two of seven, for a search
    assert len(store.parts["train"]) == 5
    assert store.split == store.summary()["split"] == "a"
    only = open_dataset(f"n-hpatches:{folder}", tmp_path, split="view", scenes=["v_abstract"])
    assert only.parts == {"train": (), "validation": (), "test": ("v_abstract",)}
    assert only.split == "view, 1 chosen scenes"
    words = open_dataset(f"n-hpatches:{folder}", tmp_path, scenes=" v_boat,i_leuven, v_abstract")
    assert words.scenes.keys() == {"v_boat", "i_leuven", "v_abstract"} and not words.unused
    assert open_dataset(f"n-hpatches:{folder}", tmp_path, split="", scenes="").parts == store.parts


def test_a_split_of_ones_own(few, strip_folder, tmp_path):
    split = tmp_path / "mine.json"
    split.write_text('{"train": ["v_chelsea", "i_page"], "test": ["i_text"]}')
    store = open_dataset(f"n-hpatches:{strip_folder}", tmp_path, split=str(split))
    parts = {"train": ("v_chelsea",), "validation": ("i_page",), "test": ("i_text",)}
    assert store.parts == parts and store.split == "mine.json"
    assert open_dataset(f"n-hpatches:{strip_folder}", tmp_path).split == "its own"


@pytest.mark.parametrize("choice", [{"split": "a"}, {"scenes": "v_coffee"}])
def test_the_photographs_have_one_fixed_split(choice, tmp_path):
    with pytest.raises(InputError, match="have one fixed split"):
        open_dataset("photographs", tmp_path, **choice)


def test_hpatches_strips_get_noise_by_the_recipe_and_its_seed(tmp_path):
    folder, pixels = tmp_path / "hpatches", np.full((65 * 30, 65), 127, np.uint8)
    for scene in ("v_abstract", "v_boat", "v_bark"):
        (folder / scene).mkdir(parents=True)
        for strip in STRIPS:
            overwrite(folder / scene / f"{strip}.png", pixels)
    source = f"hpatches:{folder}"
    store = open_dataset(source, tmp_path)
    assert (store.clean == downsample(store.clean65)).all()
    deviation = store.noisy.std((0, 2, 3)) / np.maximum(STRIP_SIGMA, 1)
    assert deviation[0] == 0 and np.allclose(deviation[1:], 0.67, atol=0.03)
    other = open_dataset(f"hpatches-32:{folder}", tmp_path, seed=1)
    assert other.name == "hpatches" and other.clean65 is None
    assert other.folder != store.folder and (other.noisy[:, 1:] != store.noisy[:, 1:]).any()


# Bad input ----------------------------------------------------------------------------------------


def truncate(path):
    path.write_bytes(path.read_bytes()[:200])


def grey16(path):
    Image.fromarray(np.zeros((384, 32), np.uint16)).save(path)


def zeros(height, width):
    return lambda path: overwrite(path, np.zeros((height, width), np.uint8))


DAMAGES = [  # of one strip: its name, what happens to it, and what is said
    ("ref", lambda path: path.unlink(), r"i_page/ref\.png is missing \(1 of the 32 files"),
    ("t5", lambda path: path.unlink(), r"i_page/t5\.png is missing"),
    ("h2_noise", lambda path: path.unlink(), r"i_page/h2_noise\.png is missing"),
    ("ref", lambda path: path.write_text("hello"), r"i_page/ref\.png is not a PNG file"),
    ("h2_noise", lambda path: path.write_bytes(b""), r"i_page/h2_noise\.png is not a PNG file"),
    ("t5", truncate, r"i_page/t5\.png is damaged"),
    ("h2_noise", truncate, r"i_page/h2_noise\.png is damaged"),
    ("t5", zeros(352, 32), r"i_page/t5\.png is 32 x 352 px: .* as high as each other"),
    ("h2_noise", zeros(384, 64), r"i_page/h2_noise\.png is 64 x 384 px: .* are 32 px wide"),
    ("ref", zeros(380, 32), r"i_page/ref\.png is 32 x 380 px: .* a multiple of that"),
    ("t5", grey16, r"i_page/t5\.png has more than 8 bits"),
]


@pytest.mark.parametrize(("strip", "breaks", "message"), DAMAGES)
def test_a_damaged_strip_is_named_and_nothing_is_left(
    strip, breaks, message, strip_folder, tmp_path
):
    breaks(strip_folder / "i_page" / f"{strip}.png")
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(f"n-hpatches:{strip_folder}", tmp_path / "stores", scenes="i_page,v_chelsea")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "stores").glob("n-hpatches*"))


def test_colour_and_palette_strips_are_converted(few, strip_folder, tmp_path):
    paths = [strip_folder / "i_page" / f"{strip}.png" for strip in ("e1", "e2", "e3")]
    for path, mode in zip(paths, ("RGB", "RGBA", "P"), strict=True):
        with Image.open(path) as image:
            image.convert(mode).save(path)
    assert (open_dataset(f"n-hpatches:{strip_folder}", tmp_path).clean == few.clean).all()


def test_65_px_strips_opened_as_n_hpatches_say_how_to_open_them(strip_folder, tmp_path):
    for path in strip_folder.rglob("*_noise.png"):
        path.unlink()
    with pytest.raises(InputError, match="unless it is opened as hpatches"):
        open_dataset(f"n-hpatches:{strip_folder}", tmp_path)
    with pytest.raises(InputError, match="32 x 384 px: strips of hpatches are 65 px wide"):
        open_dataset(f"hpatches:{strip_folder}", tmp_path)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("d", r"no split 'd'.* or the path of a \.json file"),
        ("nowhere.json", r"nowhere\.json cannot be read \(No such file"),
        ('{"test": ["i_nowhere"]}', "i_nowhere"),
        ('{"test": ["i_text"], "train": ["i_text"]}', "twice"),
        ('{"tests": ["i_text"]}', "is no split"),
        ('["i_text"]', "is no split"),
        ('{"test": "i_text"}', "is no split"),
        ("{", "is no split"),
    ],
)
def test_a_bad_split_is_explained(split, message, written, tmp_path):
    if split[0] in "{[":
        (tmp_path / "mine.json").write_text(split)
        split = str(tmp_path / "mine.json")
    with pytest.raises(InputError, match=message):
        open_dataset(f"n-hpatches:{written}", tmp_path, split=split)


def test_an_unknown_scene_is_named(written, tmp_path):
    with pytest.raises(InputError, match="i_nowhere"):
        open_dataset(f"n-hpatches:{written}", tmp_path, scenes=["i_text", "i_nowhere"])


def test_a_missing_or_empty_folder_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="does not exist"):
        open_dataset(f"n-hpatches:{tmp_path / 'nowhere'}", tmp_path)
    with pytest.raises(InputError, match="no sequences in it"):
        open_dataset(f"n-hpatches:{tmp_path / 'empty'}", tmp_path)


@contextmanager
def as_nobody():
    """Without the rights of root, who may read and write everything."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def opened_as_nobody(place: Path) -> str:
    """What opening the dataset of `open_folder` says to a user who is not root."""
    with as_nobody(), pytest.raises(InputError) as caught:
        open_dataset(f"n-hpatches:{place / 'strips'}", place / "stores")
    return str(caught.value)


@pytest.fixture
def open_folder(written):
    """Strips, and a place for stores, below folders that everybody may enter."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    shutil.copytree(written, place / "strips")
    (place / "stores").mkdir()
    (place / "stores").chmod(0o777)
    yield place
    shutil.rmtree(place)


@pytest.mark.parametrize("name", ["", "i_page", "i_page/e1.png", "split.json"])
def test_what_may_not_be_read_is_named(name, open_folder):
    locked = open_folder / "strips" / name
    locked.chmod(0)
    try:
        sentence = opened_as_nobody(open_folder)
    finally:
        locked.chmod(0o755)
    assert sentence.startswith(f"{locked} cannot be read (Permission denied)")


def test_a_place_for_stores_that_may_not_be_written_is_named(open_folder):
    (open_folder / "stores").chmod(0o555)
    sentence = opened_as_nobody(open_folder)
    assert sentence.startswith(f"{open_folder / 'stores'} cannot be written (Permission denied)")


# Zip files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../e1.png", "/e1.png", "a/../../e1.png", "C:\\e1.png", "..\\e1"])
def test_a_zip_that_leads_out_of_its_folder_is_refused(name, tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(InputError, match="leads out of its folder"):
        open_dataset(f"n-hpatches:{tmp_path / 'bad.zip'}", tmp_path)


def test_a_zip_with_a_link_is_refused(tmp_path):
    entry = zipfile.ZipInfo("i_text/ref.png")
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(InputError, match="is a link"):
        open_dataset(f"n-hpatches:{tmp_path / 'bad.zip'}", tmp_path)


def test_a_zip_bomb_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("i_text/ref.png", bytes(20_000_000))
    with pytest.raises(InputError, match="more than a picture can hold"):
        open_dataset(f"n-hpatches:{tmp_path / 'bad.zip'}", tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_zip_is_refused(share, strip_folder, tmp_path):
    archive = zipped(strip_folder, tmp_path / "short.zip")
    data = archive.read_bytes()
    archive.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"short\.zip is no complete zip file"):
        open_dataset(f"n-hpatches:{archive}", tmp_path)


def test_a_zip_with_flipped_bytes_is_noticed(strip_folder, tmp_path):
    archive = zipped(strip_folder, tmp_path / "flipped.zip")
    data = bytearray(archive.read_bytes())
    data[len(data) // 3] ^= 255
    archive.write_bytes(data)
    with pytest.raises(InputError, match=r"flipped\.zip"):
        open_dataset(f"n-hpatches:{archive}", tmp_path)


def test_a_png_that_claims_a_huge_size_is_refused(strip_folder, tmp_path):
    small = io.BytesIO()
    Image.fromarray(np.zeros((384, 32), np.uint8)).save(small, "PNG")
    header = bytearray(small.getvalue())
    header[20:24] = (32 * 2**24).to_bytes(4, "big")
    for path in (strip_folder / "i_page").iterdir():
        path.write_bytes(header)
    with pytest.raises(InputError, match=r"i_page/ref\.png is not a PNG file, cut short or larger"):
        open_dataset(f"n-hpatches:{strip_folder}", tmp_path)


def test_a_bad_split_in_the_folder_is_named(strip_folder, tmp_path):
    (strip_folder / "split.json").write_text("{")
    with pytest.raises(InputError, match="is no split"):
        open_dataset(f"n-hpatches:{strip_folder}", tmp_path)


def test_noise_that_is_drawn_here_is_part_of_what_names_a_store(tmp_path, monkeypatch):
    for strip in STRIPS:
        (tmp_path / "v_boat").mkdir(exist_ok=True)
        overwrite(tmp_path / "v_boat" / f"{strip}.png", np.zeros((65, 65), np.uint8))
    copy = shutil.copytree(keys.HELPERS, tmp_path / "helpers")
    before = find_source(f"hpatches:{tmp_path}", Choice()).recipe
    monkeypatch.setattr(keys, "HELPERS", copy)
    assert find_source(f"hpatches:{tmp_path}", Choice()).recipe == before
    with (copy / "dataset" / "noise.py").open("a") as edited:
        edited.write("another = 1\n")
    assert find_source(f"hpatches:{tmp_path}", Choice()).recipe != before
