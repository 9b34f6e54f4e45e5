"""Options of the encoder of `svd-patch`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

from pydantic import Field, field_validator, model_validator

from rankcast.codec.options import CodecOptions
from rankcast.pool import MAX_THREADS

_BITRATE: Final = re.compile(
    r"\s*(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<prefix>[kmg]?)"
    r"(?:(?P<bytes>(?-i:B)(?:/s|ps)?|bytes?(?:/s)?)|(?:bits?/s|b/s|bps))?\s*",
    re.ASCII | re.IGNORECASE,
)
"""Case does not matter except for B, which means bytes, also in `MBps`."""
_FACTOR: Final = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
DEFAULT_QUALITY: Final = 75
FULL_RANK: Final = 8
"""Rows and columns of a core; a lower rank drops some of them."""

EFFORTS: Final = ("fast", "default", "best")
"""In the order of the numbers that the core knows them by."""


def parse_bitrate(text: str) -> float:
    """Parse a text such as ``8 Mbit/s`` to bits a second.

    Raises
    ------
    ValueError
        If it is not a number with an optional k, M or G and an optional bit/s, b/s or bps, or is
        a rate in bytes.
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
    """Options of the encoder; `quality`, `step`, `psnr` and `bitrate` exclude each other."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (("quality", "step", "psnr", "bitrate"),)
    exclusive_defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({"quality": DEFAULT_QUALITY})

    quality: int | None = Field(default=None, ge=1, le=100)
    """1 to 100 as in JPEG; 100 is a step of 0.25. 75 unless one of the other three is given."""
    step: float | None = Field(default=None, ge=0.25, le=32768)
    """Quantiser step in grey levels."""
    psnr: float | None = Field(default=None, ge=10, le=100)
    """Target PSNR of every frame in dB, on the full scale of the dtype, over all samples. Where
    chroma or rank limit it, frames come within about 0.2 dB of that limit."""
    bitrate: str | float | None = None
    """Target bit rate: bits a second as a number, or a text such as ``8 Mbit/s``."""
    min_bitrate: str | float = 0.0
    """Lowest bit rate to which a sender may lower `bitrate` while viewers lose frames on the way;
    0: never."""
    buffer_s: float = Field(default=0.2, ge=0.01, le=60)
    """Size of the leaky bucket in seconds of `bitrate`: how far a burst may run ahead. A bucket of
    fewer than three frames leaves some of the rate unused."""
    colour: Literal["ycc420", "ycc444"] = "ycc420"
    gop: int = Field(default=250, ge=1, le=1_000_000)
    """Most frames from one key frame to the next; 1 turns temporal prediction off."""
    keyframe_interval_s: float = Field(default=0, ge=0, le=86_400)
    """Most seconds of capture time from one key frame to the next; 0 sets no limit."""
    refs: Literal[1, 2] = 1
    """2: every second frame serves no other as a reference, so that it can be dropped."""
    rank: int = Field(default=FULL_RANK, ge=1, le=FULL_RANK)
    """Leading rows and columns kept of every 8 x 8 core; of larger cores in proportion."""
    significant_bits: int = Field(default=0, ge=0, le=16)
    """Bits that carry a 16-bit picture, 8 to 16. 0: as the camera states, or else the least of
    8, 10, 12, 14 and 16 that holds the largest sample so far."""
    effort: Literal["fast", "default", "best"] = "default"
    """Processor time that the encoder takes for fewer bytes; decoders do not notice."""
    denoise: bool = False
    """Code what stands still as its mean over time: fewer bytes of a noisy sensor at fine steps."""
    threads: int | None = Field(default=None, ge=1, le=MAX_THREADS)
    """Most threads; by default those that the process may use."""

    @field_validator("bitrate")
    @classmethod
    def _bitrate(cls, value: str | float | None) -> float | None:
        if value is None:
            return None
        bits = parse_bitrate(value) if isinstance(value, str) else float(value)
        if not 1e3 <= bits <= 1e12:
            raise ValueError(f"got {bits:g} bit/s, want 1 kbit/s to 1 Tbit/s")
        return bits

    @field_validator("min_bitrate")
    @classmethod
    def _min_bitrate(cls, value: str | float) -> float:
        bits = parse_bitrate(value) if isinstance(value, str) else float(value)
        if bits and not 1e3 <= bits <= 1e12:
            raise ValueError(f"got {bits:g} bit/s, want 0 (never) or 1 kbit/s to 1 Tbit/s")
        return bits

    @model_validator(mode="after")
    def _rates_are_in_order(self) -> SvdPatchOptions:
        lowest, highest = self.min_bitrate, self.bits_per_second
        if highest is not None and isinstance(lowest, float) and lowest > highest:
            raise ValueError(f"got min_bitrate {lowest:g} above bitrate {highest:g}: give less")
        return self

    @model_validator(mode="after")
    def _noise_is_no_target(self) -> SvdPatchOptions:
        if self.denoise and self.psnr is not None:
            raise ValueError(
                "got denoise with psnr, which counts noise as picture: "
                "give quality, step or bitrate instead"
            )
        return self

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
