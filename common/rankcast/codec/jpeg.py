"""Codec `jpeg`: one baseline JPEG file a frame (libjpeg-turbo through OpenCV), the reference."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, cast

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.protocol import Codec, Coded
from rankcast.errors import PayloadError, UnsupportedImageError
from rankcast.frame import Frame, Pixels
from rankcast.jpeg_scans import SEQUENTIAL, jpeg_excess
from rankcast.opencv import cv2
from rankcast.wire import Header, Limits

if TYPE_CHECKING:
    from rankcast.codec.jpeg_options import JpegOptions

MAX_JPEG_SIDE: Final = 65_500
"""libjpeg's own limit, below the 65,535 of the format."""


class JpegEncoder:
    """Codes grey and colour 8-bit frames with optimised Huffman tables."""

    def __init__(self, options: JpegOptions) -> None:
        self.options = options

    def encode(self, frame: Frame, sequence: int) -> Coded:  # noqa: ARG002 - every frame is a key frame
        """Code one frame; see CodecEncoder."""
        pixels = frame.pixels
        if pixels.dtype != np.uint8:
            raise UnsupportedImageError(
                "got uint16, want 8-bit samples for codec jpeg: use svd-patch or lossless"
            )
        if pixels.ndim == 3 and pixels.shape[2] not in (1, 3):
            raise UnsupportedImageError(
                f"got {pixels.shape[2]} channels, want 1 or 3 for codec jpeg: use lossless"
            )
        if max(pixels.shape[:2]) > MAX_JPEG_SIDE:
            raise UnsupportedImageError(
                f"got shape {pixels.shape}, want sides of at most {MAX_JPEG_SIDE} for codec jpeg"
            )
        parameters = [
            cv2.IMWRITE_JPEG_QUALITY, self.options.quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1,
        ]  # fmt: skip
        done, data = cv2.imencode(".jpg", pixels, parameters)
        if not done:
            raise UnsupportedImageError(f"libjpeg failed to code a picture of shape {pixels.shape}")
        return Coded(data.tobytes())

    def request_keyframe(self) -> None:
        """Every frame is a key frame."""


class JpegDecoder:
    """Decodes one JPEG file; its own header is checked before libjpeg allocates."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def decode(self, header: Header, body: memoryview) -> Pixels:
        """Rebuild one picture; see CodecDecoder."""
        shape = header.shape or ()
        channels = shape[2] if len(shape) == 3 else 1
        if header.dtype_bytes != 1 or channels not in (1, 3):
            raise PayloadError(f"a JPEG cannot hold {header.dtype} with {channels} channels")
        found = _frame_size(body)
        if found != (shape[0], shape[1], channels):
            raise PayloadError(f"the JPEG is {found}, the header promises {shape}")
        most = _MOST_BYTES + _MOST_BYTES_A_SAMPLE * header.samples
        if len(body) > most:
            raise PayloadError(f"the JPEG has {len(body)} bytes, the limit of {shape} is {most}")
        if excess := jpeg_excess(body):
            raise PayloadError(f"the JPEG {excess}")
        flags = cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_GRAYSCALE
        try:
            # Without IGNORE_ORIENTATION an EXIF tag could turn the picture.
            pixels = cv2.imdecode(
                np.frombuffer(body, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION
            )
        except cv2.error as exc:
            raise PayloadError(f"libjpeg refused the body: {exc.err}") from exc
        if pixels is None:
            raise PayloadError("libjpeg refused the body")
        if pixels.shape[:2] != shape[:2]:
            raise PayloadError(f"libjpeg found {pixels.shape}, the header promises {shape}")
        return cast(NDArray[np.uint8], pixels).reshape(shape)


_MOST_BYTES: Final = 1 << 20
_MOST_BYTES_A_SAMPLE: Final = 4
"""A sample of noise at quality 100 takes 1.3 bytes. Whatever follows the picture is looked through
for markers too."""
# What may stand before the frame header: all have a length. DHT, DQT, DRI, APP0 to APP15, COM.
_SEGMENTS: Final = frozenset((0xFFC4, 0xFFDB, 0xFFDD, 0xFFFE, *range(0xFFE0, 0xFFF0)))


def _frame_size(body: memoryview) -> tuple[int, int, int]:
    """Height, width and components from the first start-of-frame marker (ITU-T T.81, B.2.2).

    Fill bytes and markers without a length are legal and skipped by libjpeg, but nobody writes them
    here: refused, so that libjpeg can find no other frame header than this one. So are progressive
    files: nobody sends them, and their scans cost more than their bytes say.
    """
    if bytes(body[:2]) != b"\xff\xd8":
        raise PayloadError("the body is no JPEG file")
    offset = 2
    while offset + 4 <= len(body):
        marker, length = struct.unpack_from(">HH", body, offset)
        if marker & 0xFF in SEQUENTIAL and marker >> 8 == 0xFF and offset + 10 <= len(body):
            height, width, components = struct.unpack_from(">HHB", body, offset + 5)
            return height, width, components
        if marker not in _SEGMENTS or length < 2:
            raise PayloadError(f"got JPEG marker {marker:04x}, want a sequential frame header")
        offset += 2 + length
    raise PayloadError("the JPEG has no frame header")


def _options() -> type[JpegOptions]:
    from rankcast.codec.jpeg_options import JpegOptions

    return JpegOptions


JPEG: Final = Codec(2, "jpeg", _options, JpegEncoder, JpegDecoder, in_pages=True)
