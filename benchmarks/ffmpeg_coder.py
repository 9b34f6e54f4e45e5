"""One stream of the command `ffmpeg`, for encoders that PyAV lacks, decoded by PyAV."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from rankcast.frame import Pixels
from rankcast.opencv import cv2
from rankcast.rate_distortion import ClipFormat, PacketBytes


class FfmpegCoder:
    """Encodes all frames at the end, and decodes them frame by frame.

    Parameters
    ----------
    encoder : sequence of str
        ``-c:v NAME`` and the options of the encoder.
    clip : ClipFormat
        Of 8 bits and of sides that are even.

    Raises
    ------
    OSError
        If there is no such command.
    subprocess.CalledProcessError
        By `finish`, if it fails.

    Notes
    -----
    Colour is converted to BT.601 of limited range and 4:2:0, as for the encoders of PyAV; grey is
    luma between flat chroma.
    """

    def __init__(self, encoder: Sequence[str], clip: ClipFormat) -> None:
        self._encoder = encoder
        self._clip = clip
        self._planes: list[bytes] = []
        self._decoder: Any = av.CodecContext.create("libdav1d", "r")

    def encode(self, pixels: Pixels) -> Sequence[bytes]:
        """Take a frame; it is encoded by `finish`."""
        colour = pixels if self._clip.colour else cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
        planes = cv2.cvtColor(np.ascontiguousarray(colour), cv2.COLOR_BGR2YUV_I420)
        if not self._clip.colour:
            planes[: pixels.shape[0]] = pixels
        self._planes.append(planes.tobytes())
        return []

    def finish(self) -> Sequence[bytes]:
        """Encode all frames; return their packets."""
        height, width = self._clip.shape[:2]
        with tempfile.TemporaryDirectory() as name:
            found = Path(name) / "found.ivf"
            subprocess.run(
                ["ffmpeg", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p",
                 "-s", f"{width}x{height}", "-r", f"{self._clip.fps:g}", "-i", "-",
                 *self._encoder, str(found)],
                input=b"".join(self._planes), check=True,
            )  # fmt: skip
            with av.open(str(found)) as container:
                return [bytes(packet) for packet in container.demux(video=0) if packet.size]

    def decode(self, packet: bytes) -> Sequence[Pixels]:
        """Decode a packet; return the pictures that are ready."""
        return [self._pixels(frame) for frame in self._decoder.decode(av.Packet(packet))]

    def flush(self) -> Sequence[Pixels]:
        """Return the pictures that the decoder still holds."""
        return [self._pixels(frame) for frame in self._decoder.decode(None)]

    def sizes(self, packet: bytes) -> PacketBytes:
        """Return the bytes of a packet."""
        return PacketBytes(len(packet))

    def _pixels(self, frame: Any) -> Pixels:
        planes = frame.to_ndarray()
        if self._clip.colour:
            return cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420)
        return planes[: frame.height].copy()
