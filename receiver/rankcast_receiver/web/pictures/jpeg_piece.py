"""JpegPiece: a JPEG as it goes to all pages that show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rankcast.frame import Frame
from rankcast.images import encode_image
from rankcast_receiver.sinks.screen_picture import screen_picture
from rankcast_receiver.web.json_text import json_text, plain

PAGE_QUALITY: Final = 80


@dataclass(frozen=True, slots=True)
class JpegPiece:
    """A picture as it goes to all pages that show JPEG."""

    message: bytes
    sequence: int


def encode_jpeg(frame: Frame, quality: int) -> bytes:
    """Return a picture as JPEG, with the levels of a screen.

    Raises
    ------
    ImageFileError
        If JPEG does not support the picture.
    """
    height, width = frame.pixels.shape[:2]
    shown = screen_picture(frame, (width, height)).pixels
    return encode_image(".jpg", shown, jpeg_quality=quality)


def jpeg_message(frame: Frame, data: bytes) -> bytes:
    """Return a picture and its JPEG as the message for pages, see docs/web.md."""
    coding = frame.coding
    head = json_text(
        {
            "sequence": frame.sequence,
            "stream": frame.stream_id.hex(),
            "t_mono_ns": frame.t_capture_mono_ns,
            "t_utc_ns": frame.t_capture_utc_ns,
            "codec": None if coding is None else coding.codec,
            "shape": shape_of(frame),
            "dtype": frame.pixels.dtype.name,
            "psnr_db": None if coding is None else coding.psnr_db,
            "meta": plain(frame.meta),
        }
    ).encode()
    topic = f"{frame.camera}/jpeg\0".encode("ascii")
    return b"".join((topic, len(head).to_bytes(4, "little"), head, data))


def shape_of(frame: Frame) -> list[int]:
    """Return height, width and channels of a picture."""
    shape = frame.pixels.shape
    return [*shape, 1] if len(shape) == 2 else list(shape)
