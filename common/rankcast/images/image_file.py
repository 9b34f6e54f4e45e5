"""Image files: read and written whole, 16 bits kept, with one text tag inside the file."""

from __future__ import annotations

import io
import logging
import os
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar

import numpy as np

from rankcast.atomic_file import open_without_waiting, os_reason, write_whole
from rankcast.errors import DamagedImageError, ImageFileError, RankcastError
from rankcast.frame import MAX_CHANNELS, Pixels, channels_of, check_pixels
from rankcast.opencv import cv2
from rankcast.printable import printable

log = logging.getLogger(__name__)
# A damaged file makes tifffile log hundreds of lines; ImageFileError says it in one.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

T = TypeVar("T")

IMAGE_SUFFIXES: Final = frozenset(
    {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".pgm", ".ppm", ".pbm", ".pnm"}
)
"""What a folder is searched for; `read_image` goes by content, not by name."""
WRITTEN_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".tif", ".tiff")

MAX_FILE_BYTES: Final = 1 << 30
MAX_FILE_SAMPLES: Final = 3 << 28
"""OpenCV stops at 2^28 pixels of three channels; files read by tifffile get the same bound."""
MAX_TEXT_BYTES: Final = 65_533
"""What one JPEG comment segment holds (ITU-T T.81, B.2.4.5); the same for every format."""

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PNG_KEYWORD: Final = b"Description"
_JPEG_START: Final = b"\xff\xd8"
_TIFF_STARTS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


Damaged: TypeAlias = Literal["refuse", "mark"]
"""What happens to a damaged file: an error, or the pixels that could be rebuilt, marked."""


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """The pixels of an image file and what is to be known of them."""

    pixels: Pixels
    damage: str = ""
    """What the decoder reported; empty for a file that decodes without complaint."""


def load_image(
    path: Path,
    *,
    grey: bool = False,
    damaged: Damaged = "refuse",  # noqa: ARG001
) -> LoadedImage:
    """Read an image file, damaged ones too where `damaged` is ``"mark"``; see `read_image`."""
    return LoadedImage(read_image(path, grey=grey))


def read_image(path: Path, *, grey: bool = False) -> Pixels:
    """Read an image file.

    Parameters
    ----------
    path : Path
        Any format that OpenCV reads, and TIFF of up to 64 channels.
    grey : bool, optional
        Turn colour into luma.

    Returns
    -------
    ndarray, shape (H, W) or (H, W, C), uint8 or uint16
        Colour is BGR. EXIF orientation is applied, palettes are resolved, alpha is dropped.
        Samples packed in 12 bits come back times 16, as OpenCV expands them.

    Raises
    ------
    ImageFileError
        If the file is missing, unreadable, damaged, too large, or of another depth.
    """
    data = _read_file(path)
    pixels: Pixels | None
    try:
        pixels = _read_plain_tiff(path, data)
        if pixels is not None and grey:
            raise _error(path, f"has {pixels.shape[2]} plain channels, greyscale wants 1 or 3")
        if pixels is None:
            flags = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_ANYCOLOR
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_ANYDEPTH)
    except cv2.error as exc:
        raise _error(path, _opencv_reason(exc)) from exc
    except MemoryError as exc:
        raise _error(path, "does not fit into memory") from exc
    if pixels is None:
        raise DamagedImageError(
            f"{printable(path)}: is damaged or in no image format that OpenCV reads"
        )
    if pixels.dtype not in (np.uint8, np.uint16):
        raise _error(path, f"holds {pixels.dtype} samples, want 8 or 16 bits unsigned")
    return pixels


def write_image(
    path: Path,
    pixels: Pixels,
    *,
    text: str | None = None,
    jpeg_quality: int = 95,
    png_compression: int = 1,
    exclusive: bool = False,
) -> int:
    """Write an image file in the format that its suffix names.

    The file appears whole under its name or not at all, and replaces one that was there
    unless `exclusive`.

    Parameters
    ----------
    path : Path
        Ends in .png, .jpg, .jpeg, .tif or .tiff.
    pixels : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
        Colour is BGR. JPEG takes 8 bits and 1 or 3 channels, PNG 1, 3 or 4 channels (the
        fourth becomes alpha), TIFF any number.
    text : str, optional
        Put inside the file: PNG iTXt ``Description``, JPEG comment, TIFF ImageDescription.
    jpeg_quality : int
        1..100.
    png_compression : int
        0..9, zlib's levels.
    exclusive : bool
        Refuse a name that is taken.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    ImageFileError
        If the format cannot hold the picture or the text, or the disk does not take it.
    FileExistsError
        If `exclusive` and the name is taken.
    """
    check_pixels(pixels)
    tag = None if text is None else _tag_bytes(path, text)
    suffix = path.suffix.lower()
    image = pixels[:, :, 0] if channels_of(pixels.shape) == 1 and pixels.ndim == 3 else pixels
    try:
        if suffix == ".png":
            data = _png(path, image, tag, png_compression)
        elif suffix in (".jpg", ".jpeg"):
            data = _jpeg(path, image, tag, jpeg_quality)
        elif suffix in (".tif", ".tiff"):
            data = _tiff(image, tag)
        else:
            raise _error(
                path, f"has suffix {suffix!r:.20}, want one of {', '.join(WRITTEN_SUFFIXES)}"
            )
    except cv2.error as exc:
        raise _error(path, _opencv_reason(exc)) from exc
    except MemoryError as exc:
        raise _error(path, "does not fit into memory") from exc
    try:
        write_whole(path, data, exclusive=exclusive)
    except RankcastError as exc:
        raise ImageFileError(str(exc)) from exc
    return len(data)


def read_text(path: Path) -> str | None:
    """Read the text that `write_image` put into a file.

    It may come from anybody: escape it before it reaches a terminal.

    Returns
    -------
    str or None
        None where there is none; at most 65,533 bytes of UTF-8, damaged bytes replaced.

    Raises
    ------
    ImageFileError
        If the file cannot be read.
    """
    data = _read_file(path)
    if data.startswith(_PNG_SIGNATURE):
        tag = _png_text(data)
    elif data.startswith(_JPEG_START):
        tag = _jpeg_text(data)
    elif data.startswith(_TIFF_STARTS):
        tag = _tiff_text(data)
    else:
        tag = None
    if tag is None or len(tag) > MAX_TEXT_BYTES:
        return None
    return tag.decode("utf-8", "replace")


def _error(path: Path, reason: str) -> ImageFileError:
    # A file name may hold a line break or worse; messages are one line.
    return ImageFileError(f"{printable(path)}: {reason}")


def _opencv_reason(exc: Exception) -> str:
    if "MAX_IMAGE" in str(exc):
        limit = os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"]
        return f"claims more pixels than the limit of {limit} (OPENCV_IO_MAX_IMAGE_PIXELS)"
    reason = " ".join(str(getattr(exc, "err", exc)).split())
    return f"OpenCV refused it: {reason}"


def _read_file(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _error(path, "is no regular file")
            if status.st_size > MAX_FILE_BYTES:
                raise _error(path, f"has {status.st_size} bytes, the limit is {MAX_FILE_BYTES}")
            data = file.read(MAX_FILE_BYTES)
    except OSError as exc:
        raise _error(path, f"cannot be read: {os_reason(exc)}") from exc
    except ValueError as exc:  # a NUL in the name
        raise _error(path, f"cannot be read: {exc}") from exc
    if not data:
        raise _error(path, "is empty")
    return data


def _tag_bytes(path: Path, text: str) -> bytes:
    try:
        tag = text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise _error(path, f"the text is no valid Unicode: {exc.reason}") from exc
    if len(tag) > MAX_TEXT_BYTES or b"\0" in tag:
        raise _error(
            path, f"got a text of {len(tag)} bytes, want at most {MAX_TEXT_BYTES} and no NUL"
        )
    return tag


def _encoded(path: Path, image: Pixels, suffix: str, parameters: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, image, parameters)
    if not done:
        raise _error(path, f"OpenCV cannot write {image.dtype} of shape {image.shape} as {suffix}")
    encoded: bytes = data.tobytes()
    return encoded


def _png(path: Path, image: Pixels, tag: bytes | None, compression: int) -> bytes:
    if channels_of(image.shape) not in (1, 3, 4):
        raise _error(path, f"PNG holds 1, 3 or 4 channels, got {image.shape[2]}: use .tiff")
    data = _encoded(path, image, ".png", [cv2.IMWRITE_PNG_COMPRESSION, compression])
    if tag is None:
        return data
    # IHDR comes first and is always 25 bytes. iTXt: keyword NUL, compression flag and
    # method, language NUL, translated keyword NUL, UTF-8 (W3C PNG, 11.3.3.4).
    end = len(_PNG_SIGNATURE) + 25
    body = b"iTXt" + _PNG_KEYWORD + b"\0\0\0\0\0" + tag
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return b"".join((data[:end], chunk, data[end:]))


def _png_text(data: bytes) -> bytes | None:
    for kind, body in _png_chunks(data):
        keyword, _, rest = body.partition(b"\0")
        if keyword != _PNG_KEYWORD:
            continue
        if kind == b"tEXt":
            return rest.decode("latin-1").encode("utf-8")
        # Compressed text is not read: a few bytes could claim gigabytes.
        if kind == b"iTXt" and rest[:2] == b"\0\0":
            parts = rest[2:].split(b"\0", 2)
            return parts[2] if len(parts) == 3 else None
    return None


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = len(_PNG_SIGNATURE)
    while offset + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, offset)
        body_end = offset + 8 + length
        if body_end + 4 > len(data):
            return
        if kind in (b"tEXt", b"iTXt"):
            yield kind, data[offset + 8 : body_end]
        offset = body_end + 4


def _jpeg(path: Path, image: Pixels, tag: bytes | None, quality: int) -> bytes:
    if image.dtype != np.uint8:
        raise _error(path, f"JPEG holds 8-bit samples, got {image.dtype}: use .png or .tiff")
    if channels_of(image.shape) not in (1, 3):
        raise _error(path, f"JPEG holds 1 or 3 channels, got {image.shape[2]}: use .tiff")
    data = _encoded(path, image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])
    if tag is None:
        return data
    # JFIF wants its APP0 right after SOI, so the comment comes behind it.
    end = len(_JPEG_START)
    if data[end : end + 2] == b"\xff\xe0":
        end += 2 + int.from_bytes(data[end + 2 : end + 4], "big")
    segment = b"\xff\xfe" + struct.pack(">H", len(tag) + 2) + tag
    return b"".join((data[:end], segment, data[end:]))


def _jpeg_text(data: bytes) -> bytes | None:
    offset = len(_JPEG_START)
    while offset + 4 <= len(data):
        marker, length = struct.unpack_from(">HH", data, offset)
        # SOS (FFDA) ends the segments that can be walked.
        if marker >> 8 != 0xFF or marker == 0xFFDA or length < 2:
            return None
        end = offset + 2 + length
        if marker == 0xFFFE and end <= len(data):
            return data[offset + 4 : end]
        offset = end
    return None


def _tiff(image: Pixels, tag: bytes | None) -> bytes:
    colour = channels_of(image.shape) == 3
    if colour:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    import tifffile  # takes a tenth of a second, which most runs never need

    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        image,
        photometric="rgb" if colour else "minisblack",
        planarconfig="contig" if image.ndim == 3 else None,
        description=tag,
        metadata=None,
        software=False,
    )
    return buffer.getvalue()


def _tiff_text(data: bytes) -> bytes | None:
    def description(page: Any) -> bytes | None:
        text = page.description
        return text.encode("utf-8", "replace") or None if isinstance(text, str) else None

    return _with_first_page(data, description)


def _read_plain_tiff(path: Path, data: bytes) -> Pixels | None:
    """Read a TIFF of several channels that are no colour; None where OpenCV is to read it."""
    if not data.startswith(_TIFF_STARTS):
        return None

    def read(page: Any) -> Pixels | None:
        channels, axes = page.samplesperpixel, page.axes
        # 1 and 2 are the two kinds of alpha; photometric 1 is minisblack (TIFF 6.0).
        if channels == 1 or page.photometric != 1 or set(page.extrasamples) & {1, 2}:
            return None
        if channels > MAX_CHANNELS or axes not in ("YXS", "SYX"):
            raise _error(path, f"has {channels} channels ({axes}), the limit is {MAX_CHANNELS}")
        samples = page.imagelength * page.imagewidth * channels
        if not samples:
            raise _error(path, "is damaged: it has a side of 0")
        if samples > MAX_FILE_SAMPLES:
            raise _error(path, f"claims {samples} samples, the limit is {MAX_FILE_SAMPLES}")
        pixels: Pixels = page.asarray()
        return np.ascontiguousarray(np.moveaxis(pixels, 0, 2)) if axes == "SYX" else pixels

    return _with_first_page(data, read)


def _with_first_page(data: bytes, function: Callable[[Any], T | None]) -> T | None:
    import tifffile  # see _tiff

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as tiff:
            result: T | None = function(tiff.pages[0])
            return result
    except ImageFileError:
        raise
    except Exception as exc:
        # tifffile raises whatever its parser stumbles over; OpenCV has the last word on
        # whether the file is damaged.
        log.debug("tifffile cannot read the first page: %s", exc)
        return None
