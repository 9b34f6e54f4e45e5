"""PNG: decoding by libpng through imagecodecs, encoding by OpenCV, text in chunks."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from rankcast.errors import DamagedImageError, ImageFileError
from rankcast.frame import Pixels, channels_of
from rankcast.images.decoded import ANIMATION, Decoded, bgr_of, check_size
from rankcast.images.orientation import UPRIGHT, exif_orientation, upright
from rankcast.opencv import cv2

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

_TEXT_KEYWORD: Final = b"Description"
_HEAD: Final = struct.Struct(">I4s")
# Types of the critical chunks, which define the picture (W3C PNG, 11.2).
_CRITICAL: Final = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_IHDR: Final = struct.Struct(">IIBBBBB")
_ALPHA_TYPES: Final = (4, 6)  # colour types grey and RGB with alpha (W3C PNG, table 11.1)
_CRC_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    body: bytes
    stored_crc: int

    @property
    def crc(self) -> int:
        return zlib.crc32(self.body, zlib.crc32(self.kind))

    @property
    def whole(self) -> bool:
        return self.crc == self.stored_crc

    def packed(self) -> bytes:
        return _HEAD.pack(len(self.body), self.kind) + self.body + struct.pack(">I", self.crc)


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Yield the complete chunks of a PNG file up to IEND."""
    offset = len(SIGNATURE)
    while offset + _HEAD.size + _CRC_BYTES <= len(data):
        length, kind = _HEAD.unpack_from(data, offset)
        end = offset + _HEAD.size + length
        if end + _CRC_BYTES > len(data):
            return
        (crc,) = struct.unpack_from(">I", data, end)
        yield _Chunk(kind, data[offset + _HEAD.size : end], crc)
        if kind == b"IEND":
            return
        offset = end + _CRC_BYTES


def decode_png(data: bytes, *, lenient: bool = False) -> Decoded:
    """Decode a PNG file; alpha is left out, palettes are resolved, grey stays one channel.

    Parameters
    ----------
    data : bytes
    lenient : bool
        Ignore wrong chunk checksums if the compressed data still decode.

    Raises
    ------
    DamagedImageError
        If a checksum differs, a chunk is missing or the data do not decode.
    ImageFileError
        If the picture is too large, or the first frame of an animation.
    """
    every = list(_chunks(data))
    chunks = [chunk for chunk in every if chunk.kind in _CRITICAL]
    if not chunks or chunks[0].kind != b"IHDR" or len(chunks[0].body) != _IHDR.size:
        raise DamagedImageError("is damaged: this PNG file does not start with an IHDR chunk")
    damage = ""
    for chunk in chunks:
        if not chunk.whole:
            damage = f"is damaged: the checksum of its {chunk.kind.decode()} chunk differs"
            break
    if not damage and chunks[-1].kind != b"IEND":
        damage = "is damaged: this PNG file ends early"
    if damage and not (lenient and chunks[0].whole):
        raise DamagedImageError(damage)
    width, height, _, colour_type, *_ = _IHDR.unpack(chunks[0].body)
    check_size(height, width)
    animated = _check_animation(every)
    # Only critical chunks are passed on: libpng then prints no warnings to stderr and does not
    # expand transparency, which is not sent.
    clean = SIGNATURE + b"".join(chunk.packed() for chunk in chunks)
    import imagecodecs  # takes a tenth of a second, and most runs read no PNG

    try:
        pixels: Pixels = imagecodecs.png_decode(clean)
    except (imagecodecs.PngError, ValueError) as exc:
        raise DamagedImageError(damage or f"is damaged: libpng reports {exc}") from exc
    alpha = colour_type in _ALPHA_TYPES
    if alpha:
        pixels = pixels[:, :, :-1]
    if channels_of(pixels.shape) == 3:
        pixels = bgr_of(pixels)
    elif pixels.ndim == 3:
        pixels = np.ascontiguousarray(pixels[:, :, 0])
    transparent = alpha or any(chunk.kind == b"tRNS" for chunk in every)
    omitted = ["its alpha channel"] * transparent + ["its animation"] * animated
    return Decoded(upright(pixels, _orientation(every)), " and ".join(omitted), damage)


def _check_animation(chunks: list[_Chunk]) -> bool:
    """Return whether an animation stands beside the picture; refuse one that starts with it."""
    # W3C PNG, 4.9: an animation is declared in front of IDAT, whose picture is its first frame
    # if a frame control chunk stands there, too.
    kinds = [chunk.kind for chunk in chunks]
    ahead = kinds[: kinds.index(b"IDAT")] if b"IDAT" in kinds else kinds
    if b"acTL" not in ahead:
        return False
    if b"fcTL" not in ahead:
        return True
    frames = int.from_bytes(chunks[ahead.index(b"acTL")].body[:4], "big")
    if frames != 1:
        raise ImageFileError(ANIMATION)
    return False


def _orientation(chunks: list[_Chunk]) -> int:
    for chunk in chunks:
        if chunk.kind == b"eXIf" and chunk.whole:
            return exif_orientation(chunk.body)
    return UPRIGHT


def encode_png(pixels: Pixels, tag: bytes | None, compression: int) -> bytes:
    """Encode a picture as PNG.

    Parameters
    ----------
    pixels : ndarray
        1, 3 or 4 channels; the fourth becomes alpha.
    tag : bytes, optional
        UTF-8, written as iTXt ``Description``.
    compression : int
        0 to 9, zlib's levels.

    Raises
    ------
    ImageFileError
        If PNG does not support the picture.
    """
    if channels_of(pixels.shape) not in (1, 3, 4):
        raise ImageFileError(
            f"PNG supports only 1, 3 or 4 channels, got {pixels.shape[2]}: use .tiff"
        )
    done, array = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, compression])
    if not done:
        raise ImageFileError(f"OpenCV cannot write {pixels.dtype} of {pixels.shape} as PNG")
    data: bytes = array.tobytes()
    if tag is None:
        return data
    # IHDR comes first and is always 25 bytes. iTXt: keyword NUL, compression flag and
    # method, language NUL, translated keyword NUL, UTF-8 (W3C PNG, 11.3.3.4).
    end = len(SIGNATURE) + 25
    chunk = _Chunk(b"iTXt", _TEXT_KEYWORD + b"\0\0\0\0\0" + tag, 0)
    return b"".join((data[:end], chunk.packed(), data[end:]))


def png_text(data: bytes) -> bytes | None:
    """Read the ``Description`` of a PNG file as UTF-8; None if it has none."""
    for chunk in _chunks(data):
        if chunk.kind not in (b"tEXt", b"iTXt"):
            continue
        keyword, _, rest = chunk.body.partition(b"\0")
        if keyword != _TEXT_KEYWORD:
            continue
        if chunk.kind == b"tEXt":
            return rest.decode("latin-1").encode("utf-8")
        # Compressed text is not read: a few bytes could expand to gigabytes.
        if rest[:2] == b"\0\0":
            parts = rest[2:].split(b"\0", 2)
            return parts[2] if len(parts) == 3 else None
    return None
