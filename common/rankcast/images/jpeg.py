"""JPEG: decoding by libjpeg-turbo through simplejpeg, encoding by OpenCV, text as a comment."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import takewhile
from typing import Final

import numpy as np

from rankcast.errors import DamagedImageError, ImageFileError
from rankcast.frame import Pixels, channels_of
from rankcast.images.decoded import Decoded, check_size
from rankcast.images.orientation import UPRIGHT, exif_orientation, upright
from rankcast.jpeg_scans import START_OF_FRAME, START_OF_SCAN, jpeg_excess, jpeg_segments
from rankcast.opencv import cv2

START: Final = b"\xff\xd8"

# Markers of ITU-T T.81, table B.1.
_APP0: Final = 0xE0
_APP1: Final = 0xE1
_COMMENT: Final = 0xFE
# Baseline, extended and progressive, with Huffman or arithmetic coding.
_DECODED_FRAMES: Final = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
_EXIF: Final = b"Exif\0\0"


def _head(data: bytes) -> Iterator[tuple[int, memoryview]]:
    """Yield marker and body of the segments before the first scan."""
    return takewhile(lambda segment: segment[0] != START_OF_SCAN, jpeg_segments(data))


def decode_jpeg(data: bytes, *, grey: bool = False, lenient: bool = False) -> Decoded:
    """Decode a JPEG file of 8 bits, grey or colour.

    Parameters
    ----------
    data : bytes
    grey : bool
        Return the luma stored in the file instead of colour.
    lenient : bool
        Return what libjpeg decodes of damaged data, with its report.

    Raises
    ------
    DamagedImageError
        If libjpeg reports damage, unless `lenient`; always if no header can be read.
    ImageFileError
        If the picture is too large, CMYK, lossless or not of 8 bits, or has so many scans or
        segments that decoding it would take too long.
    """
    for marker, body in _head(data):
        if marker in START_OF_FRAME:
            _check_process(marker, body)
            break
    if excess := jpeg_excess(data):
        raise ImageFileError(f"{excess}: save it again with another program")
    import simplejpeg  # loaded at the first file, as in png.py

    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except KeyError as exc:  # simplejpeg's table of colour spaces
        raise DamagedImageError("is damaged: its number of components has no meaning") from exc
    except ValueError as exc:
        raise DamagedImageError(f"is damaged: libjpeg reports {exc}") from exc
    check_size(height, width)
    if space in ("CMYK", "YCCK"):
        raise ImageFileError(
            f"is a {space} JPEG, which has no exact RGB equivalent: convert it to RGB or grey first"
        )
    wanted = "GRAY" if grey or space == "Gray" else "BGR"
    damage = ""
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, wanted)
    except ValueError as exc:
        damage = f"is damaged: libjpeg reports {exc}"
        if not lenient:
            raise DamagedImageError(damage) from exc
        # After a fatal error simplejpeg returns its uninitialised buffer: undecoded pixels must be
        # black, not leaked memory of this process.
        black = np.zeros((height, width, 1 if wanted == "GRAY" else 3), np.uint8)
        try:
            pixels = simplejpeg.decode_jpeg(data, wanted, strict=False, buffer=black)
        except ValueError as fatal:
            raise DamagedImageError(damage) from fatal
        if not pixels.any():
            raise DamagedImageError(damage) from exc
    pixels = pixels[:, :, 0] if wanted == "GRAY" else pixels
    return Decoded(upright(pixels, _orientation(data)), damage=damage)


def _check_process(marker: int, body: memoryview) -> None:
    if marker not in _DECODED_FRAMES:
        raise ImageFileError("is a lossless or hierarchical JPEG: convert it to PNG or TIFF first")
    if body and body[0] != 8:
        raise ImageFileError(
            f"is a JPEG of {body[0]} bits a sample, want 8: convert it to PNG or TIFF first"
        )


def _orientation(data: bytes) -> int:
    for marker, body in _head(data):
        if marker == _APP1 and bytes(body[: len(_EXIF)]) == _EXIF:
            return exif_orientation(bytes(body[len(_EXIF) :]))
    return UPRIGHT


def encode_jpeg(pixels: Pixels, tag: bytes | None, quality: int) -> bytes:
    """Encode a picture as JPEG.

    Parameters
    ----------
    pixels : ndarray
        8 bits, 1 or 3 channels.
    tag : bytes, optional
        Written as a comment segment.
    quality : int
        1 to 100.

    Raises
    ------
    ImageFileError
        If JPEG does not support the picture.
    """
    if pixels.dtype != np.uint8:
        raise ImageFileError(
            f"JPEG supports only 8-bit samples, got {pixels.dtype}: use .png or .tiff"
        )
    if channels_of(pixels.shape) not in (1, 3):
        raise ImageFileError(
            f"JPEG supports only 1 or 3 channels, got {pixels.shape[2]}: use .tiff"
        )
    done, array = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ImageFileError(f"OpenCV cannot write a picture of {pixels.shape} as JPEG")
    data: bytes = array.tobytes()
    if tag is None:
        return data
    # JFIF requires its APP0 right after the start marker, so the comment follows it.
    end = len(START)
    if data[end : end + 2] == bytes((0xFF, _APP0)):
        end += 2 + int.from_bytes(data[end + 2 : end + 4], "big")
    segment = struct.pack(">BBH", 0xFF, _COMMENT, len(tag) + 2) + tag
    return b"".join((data[:end], segment, data[end:]))


def jpeg_text(data: bytes) -> bytes | None:
    """Read the first comment of a JPEG file; None if it has none."""
    return next((bytes(body) for marker, body in _head(data) if marker == _COMMENT), None)
