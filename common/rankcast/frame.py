"""Frame: pixels with identity, clocks and user metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rankcast.errors import SettingsError, UnsupportedImageError

Pixels: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""Samples, uint8 or uint16; a union of both types would need casts in all arithmetic."""
Scalar: TypeAlias = bool | int | float | str | bytes | None

MAX_CHANNELS: Final = 64
CFA_PATTERNS: Final = ("", "RGGB", "BGGR", "GRBG", "GBRG")
_UINT64_MAX: Final = 2**64 - 1
_INT64_MIN: Final = -(2**63)

_NO_META: Final[Mapping[str, Scalar]] = MappingProxyType({})
_SCALARS: Final = (bool, int, float, str, bytes)


def full_scale(dtype: np.dtype[Any]) -> int:
    """Return the largest value of `dtype`: 255 or 65535, the peak of every PSNR here."""
    return int(np.iinfo(dtype).max)


def channels_of(shape: tuple[int, ...]) -> int:
    """Return the number of channels of an image of `shape` (H, W) or (H, W, C)."""
    return 1 if len(shape) == 2 else shape[2]


def plain_scalar(value: Any) -> Any:
    """Convert a numpy scalar to a Python one; return anything else unchanged."""
    if isinstance(value, np.floating):
        return float(value)  # longdouble has no other conversion
    return value.item() if isinstance(value, np.generic) else value


def check_count(value: Any, name: str, most: int = _UINT64_MAX) -> int:
    """Check a counter, id or time that is sent as an unsigned integer.

    Parameters
    ----------
    value : int or numpy integer
    name : str
        Named in the error.
    most : int

    Returns
    -------
    int

    Raises
    ------
    SettingsError
        If it is not an integer, a bool or out of range.
    """
    number = value
    # A bool is an int to isinstance; a frame numbered True is a mistake.
    if (
        type(value) is not int
        and isinstance(value, int | np.integer)
        and not isinstance(value, bool)
    ):
        number = int(value)
    if type(number) is not int or not 0 <= number <= most:
        raise SettingsError(f"got {name} = {value!r:.40}, want an integer from 0 to {most}")
    return number


def check_meta(meta: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Check that user metadata can be sent; see `Frame.meta`.

    Returns
    -------
    dict
        A copy, with numpy scalars converted to Python ones.

    Raises
    ------
    SettingsError
        If it is not a flat mapping of text to scalars.
    """
    if not isinstance(meta, Mapping):
        raise SettingsError(f"got metadata of type {type(meta).__name__}, want a mapping")
    checked = {key: plain_scalar(value) for key, value in meta.items()}
    for key, value in checked.items():
        if type(key) is not str or not (value is None or type(value) in _SCALARS):
            raise SettingsError(
                f"got metadata {key!r:.40} = {value!r:.40}, want string keys and None, bool, int, "
                "float, str or bytes"
            )
        if type(value) is int and not _INT64_MIN <= value <= _UINT64_MAX:
            raise SettingsError("got a metadata integer outside -2^63..2^64-1")
    return checked


def check_pixels(pixels: Pixels) -> Pixels:
    """Reject arrays that are not images, and convert subclasses of ndarray to plain arrays.

    Parameters
    ----------
    pixels : ndarray, shape (H, W) or (H, W, C), uint8 or uint16
        May be read-only, not contiguous, a memory map or an ``np.matrix``.

    Returns
    -------
    ndarray
        The same memory as a plain array.

    Raises
    ------
    UnsupportedImageError
        If Rankcast does not support this shape, dtype or number of channels, or if the array is
        masked, because the values of masked samples are undefined.
    """
    if not isinstance(pixels, np.ndarray):
        raise UnsupportedImageError(f"got {type(pixels).__name__}, want a numpy array")
    if type(pixels) is not np.ndarray:  # asked first: `np.ma` is loaded by its first use
        if isinstance(pixels, np.ma.MaskedArray):
            raise UnsupportedImageError(
                "got a masked array, want a plain one: choose a value for masked samples, "
                "array.filled(0)"
            )
        pixels = np.asarray(pixels)
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
    return pixels


@dataclass(frozen=True, slots=True)
class Coding:
    """How a received picture was coded, as its packet states it."""

    codec: str
    packet_bytes: int
    rank: tuple[int, ...] = ()
    """Kept singular values (or basis columns) of each channel; empty if not applicable."""
    energy: float | None = None
    """Share of the sum of squared singular values that was kept, 0..1."""
    psnr_db: float | None = None
    """The encoder's own PSNR on the full scale of the dtype; infinite when lossless."""
    key: bool = True

    @property
    def lossy(self) -> bool:
        """False only if the encoder guarantees that every bit is preserved."""
        return self.psnr_db != float("inf")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of one camera, with its identity, clocks and metadata.

    A source creates frames, an encoder turns them into packets, and a subscriber turns these back
    into frames. Frames can be pickled and copied.

    The pixels are read-only, because a frame may wait in several queues at once. To draw on a
    received frame, take a copy, ``image = frame.pixels.copy()``, or let the receiver make one for
    every frame: ``Subscriber(..., writable=True)``.

    Raises
    ------
    UnsupportedImageError
        If Rankcast does not support such pixels or that number of significant bits.
    SettingsError
        If a counter, id or time is not an unsigned integer of 64 bits, or the metadata are not
        a flat mapping of text to scalars. Integers of numpy are integers; bools are not.
    """

    pixels: Pixels
    """(H, W) or (H, W, C), uint8 or uint16; colour is BGR."""
    frame: int = 0
    """Number of the grabbed frame, from 0; gaps are losses before the encoder."""
    t_capture_mono_ns: int = 0
    """Capture time on the sender's clock since boot, `rankcast.boot_clock.boot_ns`."""
    t_capture_utc_ns: int = 0
    """Capture time on the UTC clock of the sender."""
    significant_bits: int = 0
    """Bits that carry the picture; 0 means all bits of the dtype."""
    cfa: str = ""
    """Colour filter array of a mosaic, one of ``CFA_PATTERNS``; empty when there is none."""
    device_frame_id: int | None = None
    device_time_ns: int | None = None
    meta: Mapping[str, Scalar] = field(default_factory=lambda: _NO_META)
    """User metadata; at most 64 entries and 4 KiB once packed."""
    camera: str = ""
    """Name of the camera at the receiver; empty at the source."""
    stream: str = "main"
    """Which stream of the camera it came by: ``main`` or the name of a substream."""
    sequence: int = 0
    """Number of the published frame, set by the encoder; consecutive at the sender."""
    stream_id: bytes = b""
    """Random 128-bit id of the sender's run."""
    coding: Coding | None = None
    """Set at the receiver."""
    t_capture_here_ns: int | None = None
    """Capture time on the receiver's clock since boot (`rankcast.boot_clock.boot_ns`), set by the
    receiver; None while the offset of the sender's clock is unknown."""
    clock_error_ns: int = 0
    """Error bound of `t_capture_here_ns`; 0 if both ends run on one machine."""
    writable: bool = False
    """True: the pixels belong to this frame alone and may be modified in place."""

    def __post_init__(self) -> None:
        pixels = check_pixels(self.pixels)
        for name in _COUNTS:
            self._store_count(name, getattr(self, name))
        for name in _OPTIONAL_COUNTS:
            if getattr(self, name) is not None:
                self._store_count(name, getattr(self, name))
        if self.meta:
            object.__setattr__(self, "meta", check_meta(self.meta))
        bits = pixels.dtype.itemsize * 8
        try:
            self._store_count("significant_bits", self.significant_bits, bits)
        except SettingsError:
            raise UnsupportedImageError(
                f"got {self.significant_bits!r:.40} significant bits, want 0 to {bits}"
            ) from None
        if self.cfa not in CFA_PATTERNS:
            raise UnsupportedImageError(
                f"got colour filter array {self.cfa!r}, want one of {', '.join(CFA_PATTERNS[1:])}"
            )
        if self.writable:
            if not pixels.flags.writeable:
                pixels = pixels.copy()
        elif pixels.flags.writeable:
            pixels = pixels.view()
            pixels.flags.writeable = False
        object.__setattr__(self, "pixels", pixels)

    def _store_count(self, name: str, value: Any, most: int = _UINT64_MAX) -> None:
        number = check_count(value, name, most)
        if number is not value:
            object.__setattr__(self, name, number)

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor: a mapping proxy cannot be pickled, and arrays come back writable.
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values["meta"] = dict(self.meta)
        return _rebuilt, (values,)

    @property
    def bits(self) -> int:
        """Significant bits, with 0 replaced by those of the dtype."""
        return self.significant_bits or self.pixels.dtype.itemsize * 8


_COUNTS: Final = (
    "frame", "t_capture_mono_ns", "t_capture_utc_ns", "sequence", "clock_error_ns",
)  # fmt: skip
_OPTIONAL_COUNTS: Final = ("device_frame_id", "device_time_ns")


def _rebuilt(values: dict[str, Any]) -> Frame:
    return Frame(**values)
