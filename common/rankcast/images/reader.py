"""Reads image files: pixels exactly as stored, or an error with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from rankcast.atomic_file import read_whole
from rankcast.errors import ImageFileError, RankcastError
from rankcast.frame import Pixels, channels_of
from rankcast.images import jpeg, netpbm, png, tiff
from rankcast.images.decoded import Decoded
from rankcast.images.opencv_formats import decode_with_opencv, is_opencv_format
from rankcast.opencv import cv2

IMAGE_SUFFIXES: Final = frozenset(
    {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".avif",
     ".pam", ".pgm", ".ppm", ".pbm", ".pnm"}
)  # fmt: skip
"""Suffixes of files that a folder search treats as images; `read_image` checks the content."""

# OpenJPEG and OpenCV decode a file with 100 zeroed bytes in the middle, and report nothing.
_JPEG_2000: Final = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")  # JP2, codestream
MAX_FILE_BYTES: Final = 1 << 30

Damaged: TypeAlias = Literal["refuse", "mark"]
"""Treatment of a damaged file: raise an error, or return the decodable part and mark it."""


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """Pixels of an image file, with notes on omitted or damaged content."""

    pixels: Pixels
    omitted: str = ""
    """Content of the file omitted from `pixels`, such as its alpha channel; empty if none."""
    damage: str = ""
    """Damage reported by the decoder; empty if none."""


def read_image(path: Path, *, grey: bool = False) -> Pixels:
    """Read the pixels of an image file.

    Parameters
    ----------
    path : Path
        PNG, JPEG, TIFF, BMP, WebP, Netpbm, GIF or AVIF, recognised by content.
    grey : bool, optional
        Convert colour to luma.

    Returns
    -------
    ndarray, shape (H, W) or (H, W, C), uint8 or uint16
        The samples as stored. Colour is BGR, EXIF orientation is applied, palettes are resolved,
        alpha is dropped. TIFF samples of 9 to 15 bits occupy the upper bits of 16.

    Raises
    ------
    DamagedImageError
        If the data are damaged.
    ImageFileError
        If the file is missing or unreadable, too large, or cannot be read faithfully: floating
        point, signed samples, CMYK, several pages, an animation, a GIF with transparent pixels,
        JPEG 2000.
    """
    return load_image(path, grey=grey).pixels


def load_image(path: Path, *, grey: bool = False, damaged: Damaged = "refuse") -> LoadedImage:
    """Read an image file like `read_image`, and report omitted or damaged content.

    Parameters
    ----------
    path : Path
    grey : bool, optional
        Convert colour to luma.
    damaged : {"refuse", "mark"}
        ``"mark"`` returns the decodable part of a damaged file, with `damage` set, if the format
        allows it: JPEG, and PNG with intact picture data.

    Raises
    ------
    DamagedImageError
        If the data are damaged and `damaged` is ``"refuse"``, or if nothing can be decoded.
    ImageFileError
        As `read_image`.
    """
    data = read_file(path)
    try:
        decoded = _decode(data, grey=grey, lenient=damaged == "mark")
        pixels = _luma(decoded.pixels) if grey else decoded.pixels
    except ImageFileError as exc:
        raise type(exc)(f"{path}: {exc}") from exc
    except MemoryError as exc:
        raise ImageFileError(f"{path}: does not fit into memory") from exc
    return LoadedImage(pixels, decoded.omitted, decoded.damage)


def read_file(path: Path) -> bytes:
    """Read the bytes of an image file.

    Raises
    ------
    ImageFileError
        If the file is missing, unreadable, empty or above 1 GiB.
    """
    try:
        data = read_whole(path, MAX_FILE_BYTES)
    except RankcastError as exc:
        raise ImageFileError(str(exc)) from exc
    if not data:
        raise ImageFileError(f"{path}: is empty")
    return data


def _decode(data: bytes, *, grey: bool, lenient: bool) -> Decoded:
    if data.startswith(png.SIGNATURE):
        return png.decode_png(data, lenient=lenient)
    if data.startswith(jpeg.START):
        return jpeg.decode_jpeg(data, grey=grey, lenient=lenient)
    if data.startswith(tiff.SIGNATURES):
        return tiff.decode_tiff(data)
    if netpbm.is_netpbm(data):
        return netpbm.decode_netpbm(data)
    if data.startswith(_JPEG_2000):
        raise ImageFileError(
            "is JPEG 2000, whose decoders return damaged data without an error: convert it to PNG "
            "or TIFF first"
        )
    if is_opencv_format(data):
        return decode_with_opencv(data)
    raise ImageFileError(
        "is damaged or not in a supported image format: want PNG, JPEG, TIFF, BMP, WebP, Netpbm, "
        "GIF or AVIF"
    )


def _luma(pixels: Pixels) -> Pixels:
    channels = channels_of(pixels.shape)
    if channels == 1:
        return pixels
    if channels != 3:
        raise ImageFileError(f"has {channels} plain channels, greyscale needs 1 or 3")
    luma: Pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    return luma
