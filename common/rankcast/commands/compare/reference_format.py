"""JPEG and WebP files of a picture, at a chosen quality or size, as references for the codecs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, cast

import numpy as np

from rankcast.frame import Pixels, channels_of
from rankcast.opencv import cv2

QUALITIES: Final = range(1, 101)


@dataclass(frozen=True, slots=True)
class Format:
    """A lossy image file format with a quality from 1 to 100."""

    name: str
    label: str
    suffix: str
    quality_flag: int
    max_side: int
    """Longest side that the format supports."""
    more_flags: tuple[int, ...] = ()
    full_chroma_flags: tuple[int, ...] = ()
    """Encoder parameters that keep chroma at full instead of half size; empty if impossible."""

    def chroma_forms(self, pixels: Pixels) -> Mapping[str, Format]:
        """Return the format by chroma resolution; the name is empty if there is no choice."""
        if not self.full_chroma_flags or channels_of(pixels.shape) != 3:
            return {"": self}
        full = replace(self, more_flags=(*self.more_flags, *self.full_chroma_flags))
        return {"4:2:0": self, "4:4:4": full}


JPEG: Final = Format(
    "jpeg", "JPEG", ".jpg", cv2.IMWRITE_JPEG_QUALITY, 65_500, (cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
)  # fmt: skip
WEBP: Final = Format("webp", "WebP", ".webp", cv2.IMWRITE_WEBP_QUALITY, 16_383)
FORMATS: Final = (JPEG, WEBP)


@dataclass(frozen=True, slots=True)
class ReferenceFile:
    """One file in memory."""

    quality: int
    data: bytes
    encode_ms: float


@dataclass(slots=True)
class Reference:
    """One picture in one format: files by quality, each created once, on first use."""

    format: Format
    pixels: Pixels
    files: dict[int, ReferenceFile] = field(default_factory=dict)

    def at_quality(self, quality: int) -> ReferenceFile:
        """Return the file of this quality."""
        if quality not in self.files:
            flags = [self.format.quality_flag, quality, *self.format.more_flags]
            start = time.perf_counter()
            done, data = cv2.imencode(self.format.suffix, self.pixels, flags)
            encode_ms = 1e3 * (time.perf_counter() - start)
            # `refusal` has ruled out pictures that the format does not support.
            assert done, f"{self.format.name} refused {self.pixels.shape}"
            self.files[quality] = ReferenceFile(quality, data.tobytes(), encode_ms)
        return self.files[quality]

    def nearest(self, want_bytes: int) -> ReferenceFile:
        """Return the file whose size is nearest to `want_bytes`, found by bisection.

        Size grows with quality except for a few bytes, so the result may miss the nearest file by
        one step of quality.
        """
        low, high = QUALITIES[0], QUALITIES[-1]
        while high - low > 1:
            middle = (low + high) // 2
            if len(self.at_quality(middle).data) < want_bytes:
                low = middle
            else:
                high = middle
        ends = (self.at_quality(low), self.at_quality(high))
        return min(ends, key=lambda file: abs(len(file.data) - want_bytes))

    def decode(self, file: ReferenceFile) -> tuple[Pixels, float]:
        """Decode `file` to the shape of the original; return the picture and the time in ms."""
        flag = cv2.IMREAD_COLOR if channels_of(self.pixels.shape) == 3 else cv2.IMREAD_GRAYSCALE
        buffer = np.frombuffer(file.data, np.uint8)
        start = time.perf_counter()
        decoded = cast(Pixels, cv2.imdecode(buffer, flag))
        return decoded.reshape(self.pixels.shape), 1e3 * (time.perf_counter() - start)


def refusal(kind: Format, pixels: Pixels) -> str | None:
    """Return why the format does not support the picture; None if it does."""
    if pixels.dtype != np.uint8:
        return "supports only 8 bits per sample"
    if channels_of(pixels.shape) not in (1, 3):
        return "supports only 1 or 3 channels"
    if max(pixels.shape[:2]) > kind.max_side:
        return f"supports at most {kind.max_side} pixels per side"
    return None
