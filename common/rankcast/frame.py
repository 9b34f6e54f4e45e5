"""Frame: pixels with identity, clocks and user metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rankcast.errors import UnsupportedImageError

Pixels: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""uint8 or uint16; a union of the two would need a cast at every arithmetic step."""
Scalar: TypeAlias = bool | int | float | str | bytes | None

MAX_CHANNELS = 64
CFA_PATTERNS = ("", "RGGB", "BGGR", "GRBG", "GBRG")
_NO_META: Mapping[str, Scalar] = MappingProxyType({})


def full_scale(dtype: np.dtype[Any]) -> int:
    """Largest value of `dtype`: 255 or 65535, the peak of every PSNR here."""
    return int(np.iinfo(dtype).max)


def channels_of(shape: tuple[int, ...]) -> int:
    """Number of channels of an image of `shape` (H, W) or (H, W, C)."""
    return 1 if len(shape) == 2 else shape[2]


def plain_scalar(value: Any) -> Any:
    """`value`, with numpy's scalars turned into Python's: what a computation gave is welcome."""
    if isinstance(value, np.floating):
        return float(value)  # longdouble has no other way
    return value.item() if isinstance(value, np.generic) else value


def check_pixels(pixels: Pixels) -> None:
    """Refuse arrays that are no image.

    Parameters
    ----------
    pixels : ndarray, shape (H, W) or (H, W, C), uint8 or uint16

    Raises
    ------
    UnsupportedImageError
        If shape, dtype or number of channels is none that Rankcast carries.
    """
    if not isinstance(pixels, np.ndarray):
        raise UnsupportedImageError(f"got {type(pixels).__name__}, want a numpy array")
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize == 2 and not pixels.dtype.isnative:
        raise UnsupportedImageError(
            f"got dtype {pixels.dtype.str}, want native byte order: array.astype(np.uint16)"
        )
    if pixels.dtype != np.uint8 and pixels.dtype != np.uint16:
        raise UnsupportedImageError(f"got dtype {pixels.dtype}, want uint8 or uint16")
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise UnsupportedImageError(
            f"got shape {pixels.shape}, want (H, W) or (H, W, C) with no side of 0"
        )
    if channels_of(pixels.shape) > MAX_CHANNELS:
        raise UnsupportedImageError(f"got {pixels.shape[2]} channels, want at most {MAX_CHANNELS}")


@dataclass(frozen=True, slots=True)
class Coding:
    """How a received picture was coded, as its packet says."""

    codec: str
    packet_bytes: int
    rank: tuple[int, ...] = ()
    """Kept singular values (or basis columns) of each channel; empty where it has no meaning."""
    energy: float | None = None
    """Share of the sum of squared singular values that was kept, 0..1."""
    psnr_db: float | None = None
    """The encoder's own PSNR on the full scale of the dtype; infinite when lossless."""
    key: bool = True

    @property
    def lossy(self) -> bool:
        """False only where the encoder vouches for every bit."""
        return self.psnr_db != float("inf")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of one camera.

    A source makes frames, an encoder turns them into packets, a subscriber hands
    out frames again. The pixels are made read-only: a frame may sit in several queues.
    """

    pixels: Pixels
    """(H, W) or (H, W, C), uint8 or uint16; colour is BGR."""
    frame: int = 0
    """Count of grabbed frames, from 0; holes are losses before the encoder."""
    t_capture_mono_ns: int = 0
    """Monotonic clock of the camera station at capture."""
    t_capture_utc_ns: int = 0
    """UTC clock of the camera station at capture."""
    significant_bits: int = 0
    """Bits that carry the picture; 0 means all bits of the dtype."""
    cfa: str = ""
    """Colour filter array of a mosaic, one of ``CFA_PATTERNS``; empty when there is none."""
    device_frame_id: int | None = None
    device_time_ns: int | None = None
    meta: Mapping[str, Scalar] = field(default_factory=lambda: _NO_META)
    """User metadata; at most 4 KiB once packed."""
    camera: str = ""
    """Name of the camera at the receiver; empty at the source."""
    sequence: int = 0
    """Count of published frames, set by the encoder; has no holes at the sender."""
    stream_id: bytes = b""
    """128 random bits of the sender's start."""
    coding: Coding | None = None
    """Set at the receiver."""
    t_capture_here_ns: int | None = None
    """Capture on the receiver's own monotonic clock, set there; None where nothing is known of the
    sender's clock."""
    clock_error_ns: int = 0
    """How far `t_capture_here_ns` may be off; 0 where both ends run on one machine."""

    def __post_init__(self) -> None:
        check_pixels(self.pixels)
        bits = self.pixels.dtype.itemsize * 8
        if not 0 <= self.significant_bits <= bits:
            raise UnsupportedImageError(
                f"got {self.significant_bits} significant bits, want 0 to {bits}"
            )
        if self.cfa not in CFA_PATTERNS:
            raise UnsupportedImageError(
                f"got colour filter array {self.cfa!r}, want one of {', '.join(CFA_PATTERNS[1:])}"
            )
        if self.pixels.flags.writeable:
            view = self.pixels.view()
            view.flags.writeable = False
            object.__setattr__(self, "pixels", view)

    @property
    def bits(self) -> int:
        """Significant bits, with 0 replaced by those of the dtype."""
        return self.significant_bits or self.pixels.dtype.itemsize * 8
