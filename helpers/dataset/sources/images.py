"""Decoding pictures that somebody else made."""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.common.errors import InputError

LARGEST_IMAGE = 89_478_485  # pixels; Pillow warns of larger ones
# Of what else Pillow reads, some starts other programs: an EPS picture Ghostscript, for example.
FORMATS = ("PNG", "JPEG", "PPM", "TIFF")
EIGHT_BIT = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"}


def decode_grey(data: bytes, name: str | Path) -> np.ndarray:
    """Decodes a picture to grey bytes, uint8 (height, width).

    8-bit grey is taken as it is; colour, palette and black-and-white are converted by luma (ITU-R
    601), any transparency is dropped; 16-bit and float pictures are refused, because scaling them
    to bytes would be a guess.

    Raises:
        InputError: no picture, a damaged or truncated one, or more than 8 bits a channel.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            mode = image.mode
            grey = np.asarray(image.convert("L")) if mode in EIGHT_BIT else None
    except Exception as error:  # fuzzing finds Pillow to raise a dozen kinds on damaged files
        raise InputError(
            f"{name} is damaged or no PNG, JPEG, PPM or TIFF picture: fetch or export it again."
        ) from error
    if grey is None:
        raise InputError(f"{name} has more than 8 bits a pixel ({mode}): save it as 8-bit grey.")
    return grey


def png_size(header: bytes, name: str | Path) -> tuple[int, int]:
    """Width and height in the first 24 bytes of a PNG file.

    Raises:
        InputError: these are not the first bytes of a PNG file, or of one too large to be decoded.
    """
    is_png = len(header) == 24 and header[:8] == b"\x89PNG\r\n\x1a\n" and header[12:16] == b"IHDR"
    width, height = struct.unpack(">II", header[16:24]) if is_png else (0, 0)
    if not is_png or width * height > LARGEST_IMAGE:
        raise InputError(
            f"{name} is not a PNG file, cut short or larger than any strip: fetch it again."
        )
    return width, height
