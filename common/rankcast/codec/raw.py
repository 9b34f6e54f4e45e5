"""Codec `raw`: the samples as they are, in C order, little-endian."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from rankcast.codec.protocol import Codec, Coded, no_options
from rankcast.errors import PayloadError
from rankcast.frame import Frame, Pixels
from rankcast.wire import Header, Limits

if TYPE_CHECKING:
    from rankcast.codec.options import NoOptions


class RawEncoder:
    """Copies the samples."""

    def __init__(self, options: NoOptions) -> None:
        self.options = options

    def encode(self, frame: Frame, sequence: int) -> Coded:  # noqa: ARG002 - every frame is a key frame
        """Code one frame; see CodecEncoder."""
        little_endian = frame.pixels.dtype.newbyteorder("<")
        return Coded(frame.pixels.astype(little_endian, copy=False).tobytes(), squared_error=0)

    def request_keyframe(self) -> None:
        """Every frame is a key frame."""


class RawDecoder:
    """Copies the samples back."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def decode(self, header: Header, body: memoryview) -> Pixels:
        """Rebuild one picture; see CodecDecoder."""
        want = header.samples * header.dtype_bytes
        if len(body) != want:
            raise PayloadError(f"got {len(body)} bytes of samples, shape and dtype promise {want}")
        samples: Pixels = np.frombuffer(body, header.dtype.newbyteorder("<")).astype(header.dtype)
        return samples.reshape(header.shape or ())


RAW: Final = Codec(0, "raw", no_options, RawEncoder, RawDecoder, in_pages=True)
