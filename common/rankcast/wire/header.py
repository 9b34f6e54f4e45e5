"""The packet header in memory; `packed_header` has its bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

import msgpack
import numpy as np

from rankcast.errors import SettingsError
from rankcast.frame import Scalar
from rankcast.wire.fields import EMPTY, MAX_ELEMENTS, MAX_VALUE_BYTES, is_scalar

MAX_META_BYTES: Final = MAX_VALUE_BYTES
STREAM_ID_BYTES: Final = 8
PPB: Final = 1_000_000_000


class Kind(IntEnum):
    """Kind of a packet."""

    KEY = 0
    PREDICTED = 1
    STATUS = 2
    END = 3
    REFERENCE = 4

    @property
    def is_picture(self) -> bool:
        """True if the packet contains a picture, unlike status and end."""
        return self not in (Kind.STATUS, Kind.END)

    @property
    def is_start(self) -> bool:
        """True if the packet decodes without any earlier one: a key frame or a reference."""
        return self in (Kind.KEY, Kind.REFERENCE)


@dataclass(frozen=True, slots=True)
class Header:
    """The header fields of docs/wire.md.

    That of a predicted frame comes short from a packet: `Chain` completes it.
    """

    kind: Kind
    stream_id: bytes
    sequence: int
    frame: int = 0
    ref_sequence: int | None = None
    layer: int = 0
    codec: int | None = None
    params: tuple[int | float, ...] = ()
    shape: tuple[int, ...] | None = None
    dtype_bytes: int = 1
    significant_bits: int = 0
    cfa: int = 0
    t_capture_mono_ns: int = 0
    t_capture_utc_ns: int = 0
    device_frame_id: int | None = None
    device_time_ns: int | None = None
    squared_error: int | None = None
    energy_ppb: int | None = None
    rank: tuple[int, ...] = ()
    model_id: bytes | None = None
    checksum: int | None = None
    meta: Mapping[str, Scalar] = field(default_factory=lambda: EMPTY)
    x: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    utc_drift_ns: int | None = None
    """Of a short header only, in place of `t_capture_utc_ns`: its difference to what the clocks of
    the reference promise. Fields that were left out have their defaults."""

    @property
    def is_short(self) -> bool:
        """True if the header lacks what it shares with that of its reference."""
        return self.utc_drift_ns is not None

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """The dtype of the samples: uint8 or uint16."""
        return np.dtype(np.uint8) if self.dtype_bytes == 1 else np.dtype(np.uint16)

    @property
    def samples(self) -> int:
        """Height x width x channels; 0 without a picture."""
        return math.prod(self.shape) if self.shape else 0

    @property
    def psnr_db(self) -> float | None:
        """The encoder's own PSNR on the full scale of the dtype; None if it did not state one."""
        if self.squared_error is None or not self.samples:
            return None
        if self.squared_error == 0:
            return float("inf")
        peak = (1 << (8 * self.dtype_bytes)) - 1
        return float(10 * np.log10(peak * peak * self.samples / self.squared_error))

    @property
    def energy(self) -> float | None:
        """Kept share of the sum of squared singular values, 0 to 1; None if unknown."""
        return None if self.energy_ppb is None else self.energy_ppb / PPB


def packed_meta_bytes(meta: Mapping[str, Scalar]) -> int:
    """Count the bytes that user metadata adds to a packet: at most 4 KiB, 0 if it is empty.

    Raises
    ------
    SettingsError
        If it is not a flat map of scalars or exceeds 4 KiB.
    """
    if not meta:
        return 0
    for key, value in meta.items():
        if not isinstance(key, str) or not is_scalar(value):
            raise SettingsError(
                f"got metadata {key!r} = {value!r}, want string keys and None, bool, int, "
                "float, str or bytes"
            )
    try:
        size_bytes = len(msgpack.packb(dict(meta)))
    except OverflowError as exc:
        raise SettingsError("got a metadata integer outside -2^63 to 2^64-1") from exc
    except UnicodeEncodeError as exc:
        raise SettingsError(f"got metadata text that is not Unicode: {exc.reason}") from exc
    if size_bytes > MAX_META_BYTES or len(meta) > MAX_ELEMENTS:
        raise SettingsError(
            f"got {len(meta)} metadata entries of {size_bytes} bytes, the limits are "
            f"{MAX_ELEMENTS} and {MAX_META_BYTES}"
        )
    return size_bytes
