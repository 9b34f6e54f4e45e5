"""Writes image files with an optional text tag."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rankcast.atomic_file import write_whole
from rankcast.errors import ImageFileError, RankcastError
from rankcast.frame import Pixels, channels_of, check_pixels
from rankcast.images.jpeg import encode_jpeg
from rankcast.images.png import encode_png
from rankcast.images.text_tag import text_tag
from rankcast.images.tiff import encode_tiff
from rankcast.opencv import cv2

WRITTEN_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


def write_image(
    path: Path,
    pixels: Pixels,
    *,
    text: str | None = None,
    jpeg_quality: int = 95,
    png_compression: int = 1,
    exclusive: bool = False,
    fsync: bool = False,
) -> int:
    """Write an image file in the format that its suffix names.

    The file is written atomically and replaces an existing one unless `exclusive`.

    Parameters
    ----------
    path : Path
        Ends in .png, .jpg, .jpeg, .tif or .tiff.
    pixels : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
        Colour is BGR. JPEG supports 8 bits and 1 or 3 channels, PNG 1, 3 or 4 channels (the
        fourth becomes alpha), TIFF any number.
    text : str, optional
        Stored in the file: PNG iTXt ``Description``, JPEG comment, TIFF ImageDescription.
    jpeg_quality : int
        1 to 100.
    png_compression : int
        0 to 9, zlib's levels.
    exclusive : bool
        Fail if the file exists.
    fsync : bool
        Write through to the disk.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    ImageFileError
        If the format does not support the picture or the text, or the file cannot be written.
    FileExistsError
        If `exclusive` and the file exists.
    """
    try:
        data = encode_image(
            path.suffix.lower(), pixels, text=text, jpeg_quality=jpeg_quality,
            png_compression=png_compression,
        )  # fmt: skip
    except ImageFileError as exc:
        raise type(exc)(f"{path}: {exc}") from exc
    try:
        write_whole(path, data, exclusive=exclusive, fsync=fsync)
    except RankcastError as exc:
        raise ImageFileError(str(exc)) from exc
    return len(data)


def encode_image(
    suffix: str,
    pixels: Pixels,
    *,
    text: str | None = None,
    jpeg_quality: int = 95,
    png_compression: int = 1,
) -> bytes:
    """Return the bytes of an image file; see `write_image`.

    Parameters
    ----------
    suffix : str
        Of the format, such as ".png".
    pixels, text, jpeg_quality, png_compression
        See `write_image`.

    Raises
    ------
    ImageFileError
        If the format does not support the picture or the text.
    """
    pixels = check_pixels(pixels)
    image = pixels[:, :, 0] if channels_of(pixels.shape) == 1 and pixels.ndim == 3 else pixels
    try:
        tag = None if text is None else text_tag(text)
        return _encode(suffix, image, tag, jpeg_quality, png_compression)
    except cv2.error as exc:
        reason = " ".join(str(getattr(exc, "err", exc)).split())
        raise ImageFileError(f"OpenCV cannot encode the picture: {reason}") from exc
    except MemoryError as exc:
        raise ImageFileError("does not fit into memory") from exc


def _encode(
    suffix: str, image: Pixels, tag: bytes | None, jpeg_quality: int, png_compression: int
) -> bytes:
    match suffix:
        case ".png":
            return encode_png(image, tag, png_compression)
        case ".jpg" | ".jpeg":
            return encode_jpeg(image, tag, jpeg_quality)
        case ".tif" | ".tiff":
            return encode_tiff(image, tag)
        case _:
            raise ImageFileError(
                f"has suffix {suffix!r:.20}, want one of {', '.join(WRITTEN_SUFFIXES)}"
            )
