"""Formats that OpenCV reads correctly: BMP, Netpbm P1 to P6, WebP, GIF, JPEG 2000, AVIF."""

from __future__ import annotations

from typing import Final

import numpy as np

from rankcast.errors import DamagedImageError, ImageFileError
from rankcast.frame import Pixels
from rankcast.images.decoded import Decoded
from rankcast.opencv import MAX_IMAGE_PIXELS, cv2

_GIF: Final = b"GIF8"
_JPEG_2000: Final = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")  # JP2, codestream
_STARTS: Final = (b"BM", _GIF, b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", *_JPEG_2000)
_AVIF_SEQUENCE: Final = b"ftypavis"
_AVIF_TYPES: Final = (b"ftypavif", _AVIF_SEQUENCE)
_RIFF: Final = b"RIFF"
# Flags of the extended header, and a bit of the lossless one (RFC 9649, 2.7 and 3.4).
_WEBP_ANIMATION: Final = 0x02
_WEBP_ALPHA: Final = 0x10


def is_opencv_format(data: bytes) -> bool:
    """Return True if `data` begins with the signature of a format of this module."""
    if data.startswith(_RIFF):
        return data[8:12] == b"WEBP"
    return data.startswith(_STARTS) or data[4:12] in _AVIF_TYPES


def decode_with_opencv(data: bytes) -> Decoded:
    """Decode a picture with OpenCV; alpha is left out.

    Raises
    ------
    DamagedImageError
        If OpenCV cannot decode it.
    ImageFileError
        If it is too large, an animation, or of an unsupported bit depth.
    """
    buffer = np.frombuffer(data, np.uint8)
    try:
        if _animated(data, buffer):
            raise ImageFileError("is an animation, want a still picture: extract its frames first")
        pixels: Pixels | None = cv2.imdecode(buffer, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error as exc:
        if "MAX_IMAGE" in str(exc):
            raise ImageFileError(
                f"claims more pixels than the limit of {MAX_IMAGE_PIXELS} "
                "(OPENCV_IO_MAX_IMAGE_PIXELS)"
            ) from exc
        reason = " ".join(str(getattr(exc, "err", exc)).split())
        raise DamagedImageError(f"is damaged: OpenCV reports {reason}") from exc
    if pixels is None:
        raise DamagedImageError("is damaged: OpenCV cannot decode it")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageFileError(f"contains {pixels.dtype} samples, want 8 or 16 bits unsigned")
    return Decoded(pixels, "its alpha channel" if _webp_alpha(data) else "")


def _webp_alpha(data: bytes) -> bool:
    match data[12:16] if data.startswith(_RIFF) else b"":
        case b"VP8X":
            return bool(data[20] & _WEBP_ALPHA)
        case b"VP8L":
            return bool(data[24] & _WEBP_ALPHA)
        case _:
            return False


def _animated(data: bytes, buffer: Pixels) -> bool:
    if data.startswith(_RIFF):
        return data[12:16] == b"VP8X" and len(data) > 20 and bool(data[20] & _WEBP_ANIMATION)
    if data.startswith(_GIF):
        # Two frames are enough to detect an animation.
        done, animation = cv2.imdecodeanimation(buffer, 0, 2)
        return bool(done) and len(animation.frames) > 1
    return data[4:12] == _AVIF_SEQUENCE
