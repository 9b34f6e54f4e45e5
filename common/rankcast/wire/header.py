"""The packet header: 23 fields, in memory and as the msgpack array of docs/wire.md."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any, Final

import msgpack
import numpy as np

from rankcast.errors import LimitError, SettingsError, WireError
from rankcast.frame import CFA_PATTERNS, MAX_CHANNELS, Scalar
from rankcast.wire.fields import (
    EMPTY,
    MAX_ELEMENTS,
    MAX_VALUE_BYTES,
    is_scalar,
    optional_uint,
    string_map,
    uint,
    unpack_msgpack,
)
from rankcast.wire.limits import Limits

MAX_HEADER_BYTES: Final = 8192
MAX_META_BYTES: Final = MAX_VALUE_BYTES
STREAM_ID_BYTES: Final = 16
MAX_MODEL_ID_BYTES: Final = 32
PPB: Final = 1_000_000_000


class Kind(IntEnum):
    """Kind of a packet."""

    KEY = 0
    PREDICTED = 1
    STATUS = 2
    END = 3

    @property
    def is_picture(self) -> bool:
        """True if the packet contains a picture, unlike status and end."""
        return self <= Kind.PREDICTED


@dataclass(frozen=True, slots=True)
class Header:
    """The 23 header fields of docs/wire.md, in their order."""

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


FIELD_COUNT: Final = len(fields(Header))


def pack_header(header: Header) -> bytes:
    """Serialise the header.

    Raises
    ------
    SettingsError
        If the user metadata is not a flat map of scalars or exceeds 4 KiB.
    """
    packed: bytes = msgpack.packb(
        [
            int(header.kind), header.stream_id, header.sequence, header.frame,
            header.ref_sequence, header.layer, header.codec, header.params, header.shape,
            header.dtype_bytes, header.significant_bits, header.cfa,
            header.t_capture_mono_ns, header.t_capture_utc_ns,
            header.device_frame_id, header.device_time_ns, header.squared_error,
            header.energy_ppb, header.rank, header.model_id, header.checksum,
            _packable_meta(header.meta), dict(header.x) or None,
        ]
    )  # fmt: skip
    if len(packed) > MAX_HEADER_BYTES:
        raise SettingsError(f"got a header of {len(packed)} bytes, the limit is {MAX_HEADER_BYTES}")
    return packed


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


def _packable_meta(meta: Mapping[str, Scalar]) -> dict[str, Scalar] | None:
    return dict(meta) if packed_meta_bytes(meta) else None


def parse_header(data: memoryview, limits: Limits) -> Header:
    """Parse a header and check every field.

    Raises
    ------
    WireError
        If a field has the wrong type or is out of range. Subclass: LimitError.
    """
    values = unpack_msgpack(data, "header")
    if type(values) is not tuple or len(values) != FIELD_COUNT:
        got = len(values) if type(values) is tuple else type(values).__name__
        raise WireError(f"got a header of {got} elements, want an array of {FIELD_COUNT}")
    (
        kind, stream_id, sequence, frame, ref_sequence, layer, codec, params, shape,
        dtype_bytes, significant_bits, cfa, t_mono, t_utc, device_frame_id, device_time,
        squared_error, energy_ppb, rank, model_id, checksum, meta, x,
    ) = values  # fmt: skip
    kind = Kind(uint(kind, "kind", Kind.END))
    if type(stream_id) is not bytes or len(stream_id) != STREAM_ID_BYTES:
        raise WireError(f"stream_id is not {STREAM_ID_BYTES} bytes")
    dtype_bytes = uint(dtype_bytes, "dtype", 2, least=1)
    header = Header(
        kind=kind,
        stream_id=stream_id,
        sequence=uint(sequence, "sequence"),
        frame=uint(frame, "frame"),
        ref_sequence=optional_uint(ref_sequence, "ref_sequence"),
        layer=uint(layer, "layer", 255),
        codec=optional_uint(codec, "codec", 65_535),
        params=_numbers(params, "params"),
        shape=_shape(shape, limits),
        dtype_bytes=dtype_bytes,
        significant_bits=uint(significant_bits, "significant_bits", 8 * dtype_bytes),
        cfa=uint(cfa, "cfa", len(CFA_PATTERNS) - 1),
        t_capture_mono_ns=uint(t_mono, "t_capture_mono_ns"),
        t_capture_utc_ns=uint(t_utc, "t_capture_utc_ns"),
        device_frame_id=optional_uint(device_frame_id, "device_frame_id"),
        device_time_ns=optional_uint(device_time, "device_time_ns"),
        squared_error=optional_uint(squared_error, "squared_error"),
        energy_ppb=optional_uint(energy_ppb, "energy_ppb", PPB),
        rank=_uints(rank, "rank", limits.max_side),
        model_id=_model_id(model_id),
        checksum=optional_uint(checksum, "checksum", 2**32 - 1),
        meta=_meta(meta),
        x=string_map(x, "x"),
    )
    if kind.is_picture and (header.codec is None or header.shape is None):
        raise WireError(f"kind {kind.name} without a codec or shape, want both")
    if not kind.is_picture and (header.codec is not None or header.shape is not None):
        raise WireError(
            f"kind {kind.name} with codec {header.codec} and shape {header.shape}, want neither"
        )
    if (kind is Kind.PREDICTED) != (header.ref_sequence is not None):
        raise WireError(
            f"kind {kind.name} with ref_sequence {header.ref_sequence}, want one in predicted "
            "frames only"
        )
    return header


def _uints(value: object, name: str, most: int) -> tuple[int, ...]:
    if type(value) is not tuple:
        raise WireError(f"{name} is {type(value).__name__}, want an array")
    return tuple(uint(item, name, most) for item in value)


def _numbers(value: object, name: str) -> tuple[int | float, ...]:
    if type(value) is not tuple or any(type(item) not in (int, float) for item in value):
        raise WireError(f"{name} is {value!r:.40}, want an array of numbers")
    return value


def _shape(value: object, limits: Limits) -> tuple[int, ...] | None:
    if value is None:
        return None
    if type(value) is not tuple or len(value) not in (2, 3):
        raise WireError(f"shape is {value!r:.40}, want 2 or 3 integers")
    shape = tuple(uint(side, "shape", least=1) for side in value)
    if len(shape) == 3 and shape[2] > MAX_CHANNELS:
        raise LimitError(f"got {shape[2]} channels, the limit is {MAX_CHANNELS}")
    limits.check_shape(shape)
    return shape


def _model_id(value: object) -> bytes | None:
    if value is None:
        return None
    if type(value) is not bytes or not 1 <= len(value) <= MAX_MODEL_ID_BYTES:
        raise WireError(f"model_id is not 1 to {MAX_MODEL_ID_BYTES} bytes")
    return value


def _meta(value: object) -> Mapping[str, Scalar]:
    meta = string_map(value, "meta")
    if not all(is_scalar(item) for item in meta.values()):
        raise WireError("meta contains a value that is not nil, bool, int, float, str or bin")
    if meta and (size_bytes := len(msgpack.packb(dict(meta)))) > MAX_META_BYTES:
        raise LimitError(f"got metadata of {size_bytes} bytes, the limit is {MAX_META_BYTES}")
    return meta
