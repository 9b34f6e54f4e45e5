"""Snapshot: one picture as an image file that says which frame it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import anyio
import anyio.to_thread

from rankcast.decoder import Decoder, frame_of
from rankcast.frame import Frame
from rankcast.images import encode_image
from rankcast.wire import Limits, unpack
from rankcast_receiver.sinks import capture_time, describe, utc_in_name
from rankcast_receiver.sinks.screen_picture import screen_picture

Format: TypeAlias = Literal["png", "tiff", "jpeg"]
FORMATS: Final[tuple[Format, ...]] = ("png", "tiff", "jpeg")
JPEG_QUALITY: Final = 95
MOST_THREADS: Final = 2
NO_STREAM: Final = bytes(8)
"""Stream id of an original."""
_SUFFIXES: Final = {"png": ".png", "tiff": ".tiff", "jpeg": ".jpg"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An image file."""

    data: bytes
    media_type: str
    file_name: str
    facts: dict[str, str]
    """Headers of the answer: which frame it is, and how it was coded."""


class Snapshots:
    """Writes image files, in threads.

    Parameters
    ----------
    limits : Limits
        Of the packet of an original.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._limiter: anyio.CapacityLimiter | None = None

    async def of_frame(self, frame: Frame, form: Format) -> Snapshot:
        """Return a picture as a file.

        Raises
        ------
        ImageFileError
            If the format does not support the picture.
        """
        return await anyio.to_thread.run_sync(_file, frame, form, limiter=self._threads())

    async def of_original(self, packet: bytes, camera: str, form: Format) -> Snapshot:
        """Return the picture of a packet of the control channel as a file.

        Raises
        ------
        WireError
            If the packet cannot be decoded.
        ImageFileError
            If the format does not support the picture.
        """
        return await anyio.to_thread.run_sync(
            self._original_file, packet, camera, form, limiter=self._threads()
        )

    def _original_file(self, data: bytes, camera: str, form: Format) -> Snapshot:
        packet = unpack(data, self._limits)
        return _file(frame_of(packet, Decoder(self._limits).decode_packet(packet), camera), form)

    def _threads(self) -> anyio.CapacityLimiter:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(MOST_THREADS)
        return self._limiter


def _file(frame: Frame, form: Format) -> Snapshot:
    lossy_file = form == "jpeg"
    pixels = frame.pixels
    if lossy_file:
        # Levels as on the page: JPEG has 8 bits.
        height, width = pixels.shape[:2]
        pixels = screen_picture(frame, (width, height), debayer="off").pixels
    suffix = _SUFFIXES[form]
    text = describe(frame, lossy_file=lossy_file)
    data = encode_image(suffix, pixels, text=text, jpeg_quality=JPEG_QUALITY)
    coding = frame.coding
    psnr_db = None if coding is None else coding.psnr_db
    fidelity = "lossy" if lossy_file or coding is None or coding.lossy else "lossless"
    # An original belongs to no stream: it has a frame number and no sequence.
    is_original = frame.stream_id == NO_STREAM
    number = frame.frame if is_original else frame.sequence
    return Snapshot(
        data,
        f"image/{form}",
        f"{frame.camera}_{number:09d}_{utc_in_name(frame)}_{fidelity}{suffix}",
        {
            "X-Rankcast-Camera": frame.camera,
            "X-Rankcast-Sequence": "" if is_original else str(frame.sequence),
            "X-Rankcast-Frame": str(frame.frame),
            "X-Rankcast-UTC": capture_time(frame).isoformat(timespec="microseconds"),
            "X-Rankcast-Codec": coding.codec if coding else "",
            "X-Rankcast-PSNR-dB": f"{psnr_db:.2f}" if psnr_db and math.isfinite(psnr_db) else "",
            "X-Rankcast-Fidelity": fidelity,
        },
    )
