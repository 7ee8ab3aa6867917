"""Files that are not what their names say: they are refused in one sentence, and at once."""

import io
import os
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from helpers.common.errors import InputError
from helpers.dataset import open_dataset, write_strips
from helpers.dataset.parts import choose_parts
from helpers.dataset.sources.images import decode_grey
from helpers.dataset.sources.tree import open_tree

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 384\n%%EndComments\nshowpage\n%%EOF\n"


def test_no_picture_starts_another_program(tmp_path, monkeypatch):
    marker, program = tmp_path / "started", tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch '{marker}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(InputError, match=r"2\.png is damaged or no PNG, JPEG, PPM or TIFF"):
        decode_grey(EPS, "2.png")
    assert not marker.exists()


@pytest.mark.parametrize("suffix", ["GIF", "BMP", "WEBP"])
def test_other_pictures_are_refused_whatever_they_are_called(suffix):
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(buffer := io.BytesIO(), suffix)
    with pytest.raises(InputError, match="no PNG, JPEG, PPM or TIFF picture"):
        decode_grey(buffer.getvalue(), "2.png")


SPECIAL = {"pipe": os.mkfifo, "device": lambda path: path.symlink_to("/dev/zero")}


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_pipe_or_device_in_place_of_a_file_is_not_taken_for_it(kind, strip_folder, tmp_path):
    (strip_folder / "i_page" / "e1.png").unlink()
    SPECIAL[kind](strip_folder / "i_page" / "e1.png")
    with pytest.raises(InputError, match=r"i_page/e1\.png is missing"):
        open_dataset(f"n-hpatches:{strip_folder}", tmp_path / "stores")


def test_a_home_of_nobody_is_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(InputError, match="~nosuchuser/strips does not exist"):
        open_dataset("n-hpatches:~nosuchuser/strips", tmp_path)
    with pytest.raises(InputError, match=r"~nosuchuser/a\.json cannot be read"):
        choose_parts([], "~nosuchuser/a.json")


@pytest.mark.parametrize("name", ["it's", 'a "quoted" one', "$HOME `date`", "a+b;c", "<img src=x>"])
def test_scenes_and_folders_may_have_any_name(name, written, tmp_path):
    shutil.copytree(written / "i_text", tmp_path / name / name)
    store = open_dataset(f"n-hpatches:{tmp_path / name}", tmp_path / "stores", split=None)
    assert list(store.scenes) == [name]
    write_strips(store, tmp_path / "out")
    assert (tmp_path / "out" / name / "ref.png").is_file()


PACKINGS = {"lzma": zipfile.ZIP_LZMA, "bzip2": zipfile.ZIP_BZIP2, "deflate": zipfile.ZIP_DEFLATED}


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_damaged_member_is_read_right_or_one_sentence_however_it_is_packed(packing, tmp_path):
    path, content = tmp_path / "x.zip", bytes(range(256)) * 20
    with zipfile.ZipFile(path, "w", PACKINGS[packing]) as archive:
        archive.writestr("a", content)
    whole, refused = path.read_bytes(), 0
    for place in range(31, 91):  # behind the header of the member
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            assert open_tree(path).read("a") == content  # what Python does not look at
        except InputError as error:
            assert "x.zip" in str(error)
            refused += 1
    assert refused > 40


def test_a_member_without_a_name_is_one_sentence(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"text")
    path.write_bytes(path.read_bytes().replace(b"a", b"\0"))
    with pytest.raises(InputError, match=r"x\.zip"):
        open_tree(path).read("")


def test_an_encrypted_zip_is_one_sentence(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"text")
    data = bytearray(path.read_bytes())
    for flag in (6, data.index(b"PK\1\2") + 8):
        data[flag] |= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"x\.zip cannot be read .*password"):
        open_tree(path).read("a")
