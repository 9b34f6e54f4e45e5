"""Coders of a stream: those of Rankcast, and MJPEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, cast

import numpy as np

from rankcast.decoder import Decoder
from rankcast.encoder import Encoder
from rankcast.frame import Frame, Pixels
from rankcast.opencv import cv2
from rankcast.rate_distortion.clip_format import ClipFormat
from rankcast.wire import OFFLINE, Packet, unpack


class PacketBytes(NamedTuple):
    """The size of a packet."""

    size: int
    """All bytes that count."""
    header: int = 0
    """Those of them that identify and date the frame, which peers leave to a container."""


class Coder(Protocol):
    """One stream, encoded and decoded: packets and pictures come in the order of the frames."""

    def encode(self, pixels: Pixels) -> Sequence[bytes]:
        """Encode a frame; return the packets that are ready, fewer if the coder looks ahead."""
        ...

    def finish(self) -> Sequence[bytes]:
        """Return the packets that the encoder still holds at the end."""
        ...

    def decode(self, packet: bytes) -> Sequence[Pixels]:
        """Decode a packet; return the pictures that are ready."""
        ...

    def flush(self) -> Sequence[Pixels]:
        """Return the pictures that the decoder still holds at the end."""
        ...

    def sizes(self, packet: bytes) -> PacketBytes:
        """Return the bytes of a packet."""
        ...


class RankcastCoder:
    """A codec of Rankcast: one complete packet a frame, decoded at once.

    Parameters
    ----------
    clip : ClipFormat
    codec : str
    options : mapping
    """

    def __init__(self, clip: ClipFormat, codec: str, options: Mapping[str, Any]) -> None:
        self._bits = 0 if clip.bits == clip.dtype_bits else clip.bits
        self._cfa = clip.cfa
        self._encoder = Encoder(codec, **options)
        self._decoder = Decoder(OFFLINE)
        self._number = 0

    def encode(self, pixels: Pixels) -> Sequence[bytes]:
        """Encode a frame to one packet."""
        frame = Frame(pixels, self._number, significant_bits=self._bits, cfa=self._cfa)
        self._number += 1
        return [self._encoder.encode(frame)]

    def finish(self) -> Sequence[bytes]:
        """Return nothing: every packet was ready at once."""
        return []

    def decode(self, packet: bytes) -> Sequence[Pixels]:
        """Decode a packet to one picture."""
        return [self._decoder.decode(packet)]

    def flush(self) -> Sequence[Pixels]:
        """Return nothing: every picture was ready at once."""
        return []

    def sizes(self, packet: bytes) -> PacketBytes:
        """Return the bytes of a packet, and those of its header."""
        return PacketBytes(len(packet), header_bytes(unpack(packet, OFFLINE)))


def header_bytes(packet: Packet) -> int:
    """Return the bytes of a packet in front of its body."""
    return packet.size - len(packet.body)


_JPEG_420: Final = (
    cv2.IMWRITE_JPEG_OPTIMIZE, 1,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
)  # fmt: skip


def jpeg_encode(image: Pixels, quality: int) -> bytes:
    """Encode a picture by libjpeg-turbo, with optimised Huffman tables and 4:2:0."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality, *_JPEG_420])
    assert done, f"OpenCV refused {image.shape} {image.dtype}"
    return data.tobytes()


class MjpegCoder:
    """MJPEG: one JPEG a frame, as network cameras send it."""

    def __init__(self, quality: int) -> None:
        self._quality = quality

    def encode(self, pixels: Pixels) -> Sequence[bytes]:
        """Encode a frame to one JPEG."""
        return [jpeg_encode(pixels, self._quality)]

    def finish(self) -> Sequence[bytes]:
        """Return nothing: every JPEG was ready at once."""
        return []

    def decode(self, packet: bytes) -> Sequence[Pixels]:
        """Decode a JPEG, grey as grey."""
        buffer = np.frombuffer(packet, np.uint8)
        return [cast(Pixels, cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED))]

    def flush(self) -> Sequence[Pixels]:
        """Return nothing: every picture was ready at once."""
        return []

    def sizes(self, packet: bytes) -> PacketBytes:
        """Return the bytes of a JPEG."""
        return PacketBytes(len(packet))
