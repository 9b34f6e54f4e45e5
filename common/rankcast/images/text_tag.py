"""The text inside an image file: PNG iTXt ``Description``, JPEG comment, TIFF ImageDescription."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rankcast.errors import ImageFileError
from rankcast.images import jpeg, png, tiff
from rankcast.images.reader import read_file

MAX_TEXT_BYTES: Final = 65_533
"""Capacity of one JPEG comment segment (ITU-T T.81, B.2.4.5); the limit for every format."""


def text_tag(text: str) -> bytes:
    """Encode `text` as a tag.

    Raises
    ------
    ImageFileError
        If it is longer than 65,533 bytes, contains a NUL or is not valid Unicode.
    """
    try:
        tag = text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise ImageFileError(f"the text is not valid Unicode: {exc.reason}") from exc
    if len(tag) > MAX_TEXT_BYTES or b"\0" in tag:
        raise ImageFileError(
            f"got a text of {len(tag)} bytes, want at most {MAX_TEXT_BYTES} and no NUL"
        )
    return tag


def read_text(path: Path) -> str | None:
    """Read the text that `write_image` stored in a file.

    The text is untrusted: escape it before it reaches a terminal.

    Returns
    -------
    str or None
        At most 65,533 bytes of UTF-8, with damaged bytes replaced; None if the file has no text.

    Raises
    ------
    ImageFileError
        If the file cannot be read.
    """
    data = read_file(path)
    if data.startswith(png.SIGNATURE):
        tag = png.png_text(data)
    elif data.startswith(jpeg.START):
        tag = jpeg.jpeg_text(data)
    elif data.startswith(tiff.SIGNATURES):
        tag = tiff.tiff_text(data)
    else:
        tag = None
    if tag is None or len(tag) > MAX_TEXT_BYTES:
        return None
    return tag.decode("utf-8", "replace")
