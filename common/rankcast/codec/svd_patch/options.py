"""Options of the encoder of `svd-patch`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from rankcast.codec.protocol import CodecOptions
from rankcast.kernels import MAX_THREADS

_BITRATE = re.compile(
    r"\s*(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<prefix>[kmg]?)"
    r"(?:(?P<bytes>(?-i:B)(?:/s|ps)?|bytes?(?:/s)?)|(?:bits?/s|b/s|bps))?\s*",
    re.ASCII | re.IGNORECASE,
)
"""Capitals and small letters are the same, but for B, which stands for bytes, in `MBps` too."""
_FACTOR = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
DEFAULT_QUALITY = 75
FULL_RANK = 8
"""Rows and columns of a core; a lower rank leaves some out."""


def parse_bitrate(text: str) -> float:
    """Bits a second of a text like ``8 Mbit/s``.

    Raises
    ------
    ValueError
        If it is no number with an optional k, M or G and an optional bit/s, b/s or bps, or one of
        bytes.
    """
    match = _BITRATE.fullmatch(text)
    if match is None:
        raise ValueError(f"got bit rate {text!r:.40}, want a number such as '8 Mbit/s'")
    number, prefix = float(match["number"]), match["prefix"]
    if match["bytes"]:
        raise ValueError(
            f"got bit rate {text!r:.40}, which is in bytes: "
            f"want bits, such as '{8 * number:g} {prefix}bit/s'"
        )
    return number * _FACTOR[prefix.lower()]


class SvdPatchOptions(CodecOptions):
    """One of `quality`, `step`, `psnr` and `bitrate`; the rest is independent."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (("quality", "step", "psnr", "bitrate"),)
    exclusive_defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({"quality": DEFAULT_QUALITY})

    quality: int | None = Field(default=None, ge=1, le=100)
    """1..100 with the habit of JPEG, 100 is a step of 0.25; 75 unless another of the four is
    given."""
    step: float | None = Field(default=None, ge=0.25, le=32768)
    """Quantiser step in grey levels."""
    psnr: float | None = Field(default=None, ge=10, le=100)
    """Wanted PSNR of every frame in dB, on the full scale of the dtype, over all samples; what
    chroma or rank do not allow is approached to about 0.2 dB."""
    bitrate: str | float | None = None
    """Wanted bits a second: a number or a text such as ``8 Mbit/s``."""
    buffer_s: float = Field(default=0.2, ge=0.01, le=60)
    """Seconds of `bitrate` that the leaky bucket holds: how far a burst may run ahead. With fewer
    than three frames in it they cannot use all of the rate."""
    colour: Literal["ycc420", "ycc444"] = "ycc420"
    gop: int = Field(default=250, ge=1, le=1_000_000)
    """Frames from one key frame to the next at most; 1 turns prediction over time off."""
    keyframe_interval_s: float = Field(default=0, ge=0, le=86_400)
    """Seconds of capture time from one key frame to the next at most; 0 is no limit."""
    refs: Literal[1, 2] = 1
    """2: every second frame is a reference of none, so that it can be dropped."""
    rank: int = Field(default=FULL_RANK, ge=1, le=FULL_RANK)
    """Leading rows and columns kept of every 8 x 8 core, in proportion of larger ones."""
    significant_bits: int = Field(default=0, ge=0, le=16)
    """Bits that carry a 16-bit picture, 8 to 16; 0: what the camera says, else 8, 10, 12, 14 or 16,
    as the largest sample so far needs."""
    threads: int | None = Field(default=None, ge=1, le=MAX_THREADS)
    """Threads at most; the default is what the process may use."""

    @field_validator("bitrate")
    @classmethod
    def _bitrate(cls, value: str | float | None) -> float | None:
        if value is None:
            return None
        bits = parse_bitrate(value) if isinstance(value, str) else float(value)
        if not 1e3 <= bits <= 1e12:
            raise ValueError(f"got {bits:g} bit/s, want 1 kbit/s to 1 Tbit/s")
        return bits

    @field_validator("significant_bits")
    @classmethod
    def _significant_bits(cls, value: int) -> int:
        if 0 < value < 8:
            raise ValueError(f"got {value}, want 0 or 8 to 16")
        return value

    @property
    def bits_per_second(self) -> float | None:
        """`bitrate` as a number."""
        return self.bitrate if isinstance(self.bitrate, float) else None
