"""Formats that OpenCV decodes: BMP, WebP, GIF and AVIF; their headers state what it leaves out."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from rankcast.errors import DamagedImageError, ImageFileError
from rankcast.frame import Pixels, channels_of
from rankcast.images.decoded import ANIMATION, Decoded
from rankcast.opencv import MAX_IMAGE_PIXELS, cv2

_BMP: Final = b"BM"
_GIF: Final = b"GIF8"
_AVIF_SEQUENCE: Final = b"ftypavis"
_AVIF_TYPES: Final = (b"ftypavif", _AVIF_SEQUENCE)
# Type of an auxiliary picture that holds alpha (AV1 Image File Format, 4.1).
_AVIF_ALPHA: Final = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"
_RIFF: Final = b"RIFF"
# Flags of the extended header, and a bit of the lossless one (RFC 9649, 2.7 and 3.4).
_WEBP_ANIMATION: Final = 0x02
_WEBP_ALPHA: Final = 0x10
# Offset of the samples, size of the header behind these 14 bytes, bits a pixel, compression.
_BMP_HEAD: Final = struct.Struct("<10xII10xHI")
_BMP_MASKED: Final = (3, 6)
"""Values of compression with which masks tell the channels apart."""
_BMP_ALPHA_MASK: Final = slice(66, 70)
_BMP_ALPHA_MASK_HEADER_BYTES: Final = 56
"""Size of the shortest header with an alpha mask."""
_BMP_OLD_HEADER_BYTES: Final = 12
"""Size of the header of OS/2, which has other fields and no alpha."""
_TRANSPARENT: Final = 0


def is_opencv_format(data: bytes) -> bool:
    """Return True if `data` begins with the signature of a format of this module."""
    if data.startswith(_RIFF):
        return data[8:12] == b"WEBP"
    return data.startswith((_BMP, _GIF)) or data[4:12] in _AVIF_TYPES


def decode_with_opencv(data: bytes) -> Decoded:
    """Decode a picture with OpenCV; alpha is left out.

    Raises
    ------
    DamagedImageError
        If OpenCV cannot decode it.
    ImageFileError
        If it is too large, an animation, a GIF with transparent pixels, or of a depth that is not
        carried.
    """
    buffer = np.frombuffer(data, np.uint8)
    try:
        if _animated(data):
            raise ImageFileError(ANIMATION)
        if data.startswith(_GIF):
            _check_gif(buffer)
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
    return Decoded(pixels, "its alpha channel" if _holds_alpha(data, pixels) else "")


def _holds_alpha(data: bytes, pixels: Pixels) -> bool:
    if data.startswith(_RIFF):
        return _webp_alpha(data)
    if data.startswith(_BMP):
        return _bmp_alpha(data, pixels.shape[0] * pixels.shape[1])
    return data[4:12] in _AVIF_TYPES and _AVIF_ALPHA in data


def _webp_alpha(data: bytes) -> bool:
    match data[12:16]:
        case b"VP8X":
            return bool(data[20] & _WEBP_ALPHA)
        case b"VP8L":
            return bool(data[24] & _WEBP_ALPHA)
        case _:
            return False


def _bmp_alpha(data: bytes, pixel_count: int) -> bool:
    start, header_bytes, bits, compression = _BMP_HEAD.unpack_from(data)
    if header_bytes == _BMP_OLD_HEADER_BYTES:
        return False
    if compression in _BMP_MASKED:
        return header_bytes >= _BMP_ALPHA_MASK_HEADER_BYTES and any(data[_BMP_ALPHA_MASK])
    # Without masks the fourth byte has no meaning by the format, but some writers put alpha there.
    return bits == 32 and any(data[start + 3 : start + 4 * pixel_count : 4])


def _check_gif(buffer: Pixels) -> None:
    # Two frames are enough to know.
    done, animation = cv2.imdecodeanimation(buffer, 0, 2)
    if not done:
        return  # decoding fails again, and says so
    if len(animation.frames) > 1:
        raise ImageFileError(ANIMATION)
    frame = animation.frames[0]
    if channels_of(frame.shape) == 4 and (frame[:, :, 3] == _TRANSPARENT).any():
        raise ImageFileError(
            "is a GIF with transparent pixels, which have no colour: put it on a background first"
        )


def _animated(data: bytes) -> bool:
    if data.startswith(_RIFF):
        return data[12:16] == b"VP8X" and len(data) > 20 and bool(data[20] & _WEBP_ANIMATION)
    return data[4:12] == _AVIF_SEQUENCE
