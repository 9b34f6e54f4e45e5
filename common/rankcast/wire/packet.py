"""Bytes to packet and back: docs/wire.md in code.

No sockets here, and nothing is allocated before the size that asks for it was checked.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

import msgpack
import numpy as np

from rankcast.errors import LimitError, SettingsError, UnknownVersionError, WireError
from rankcast.frame import CFA_PATTERNS, MAX_CHANNELS, Scalar

MAGIC: Final = b"RKC\xa5"
VERSION: Final = 1
PREFIX: Final = struct.Struct("<4sBBHII")
MAX_HEADER_BYTES: Final = 8192
MAX_META_BYTES: Final = 4096
MAX_LIST: Final = 64
MAX_NESTING: Final = 16
STREAM_ID_BYTES: Final = 16
MAX_MODEL_ID_BYTES: Final = 32
UINT64_MAX: Final = 2**64 - 1
PPB: Final = 1_000_000_000

_EMPTY: Mapping[str, Scalar] = MappingProxyType({})


class Kind(IntEnum):
    """What a packet is."""

    KEY = 0
    PREDICTED = 1
    STATUS = 2
    END = 3

    @property
    def is_picture(self) -> bool:
        """Key and predicted frames carry a picture; status and end do not."""
        return self <= Kind.PREDICTED


@dataclass(frozen=True, slots=True)
class Limits:
    """What a packet may ask for at most.

    ``OFFLINE`` is for files, the default for what comes from the network.
    """

    max_packet_bytes: int = 32 * 1024 * 1024
    max_side: int = 65_535
    max_samples: int = 2**27
    """Height x width x channels: 128 million, above a 100-megapixel sensor."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Refuse a picture of `shape` that is larger than the limits allow.

        Raises
        ------
        LimitError
        """
        height, width = shape[:2]
        channels = shape[2] if len(shape) == 3 else 1
        if max(height, width) > self.max_side:
            raise LimitError(
                f"got a picture of {height} x {width}, the limit is {self.max_side} a side"
            )
        if height * width * channels > self.max_samples:
            raise LimitError(
                f"got {height} x {width} x {channels} samples, the limit is {self.max_samples}"
            )


OFFLINE: Final = Limits(max_packet_bytes=128 * 1024 * 1024)


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
    meta: Mapping[str, Scalar] = field(default_factory=lambda: _EMPTY)
    x: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """The dtype of the samples."""
        return np.dtype(np.uint8) if self.dtype_bytes == 1 else np.dtype(np.uint16)

    @property
    def samples(self) -> int:
        """Height x width x channels; 0 without a picture."""
        return math.prod(self.shape) if self.shape else 0

    @property
    def psnr_db(self) -> float | None:
        """The encoder's own PSNR on the full scale of the dtype, or None if it gave none."""
        if self.squared_error is None or not self.samples:
            return None
        if self.squared_error == 0:
            return float("inf")
        peak = (1 << (8 * self.dtype_bytes)) - 1
        return float(10 * np.log10(peak * peak * self.samples / self.squared_error))

    @property
    def energy(self) -> float | None:
        """Share of the sum of squared singular values that was kept, 0..1; None is unknown."""
        return None if self.energy_ppb is None else self.energy_ppb / PPB


FIELD_COUNT: Final = len(fields(Header))


@dataclass(frozen=True, slots=True)
class Packet:
    """A parsed packet; the body is a view into the buffer that came in."""

    header: Header
    body: memoryview
    size: int
    """Bytes of the whole packet."""


def pack(header: Header, body: bytes | bytearray | memoryview = b"") -> bytes:
    """Serialise one packet.

    Raises
    ------
    SettingsError
        If the user metadata is no flat map of scalars or above 4 KiB.
    """
    packed = msgpack.packb(
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
    crc = zlib.crc32(body, zlib.crc32(packed))
    prefix = PREFIX.pack(MAGIC, VERSION, 0, len(packed), len(body), crc)
    return b"".join((prefix, packed, body))


def packed_meta_bytes(meta: Mapping[str, Scalar]) -> int:
    """Bytes that user metadata adds to a packet, at most 4 KiB; none where it is empty.

    Raises
    ------
    SettingsError
        If it is no flat map of scalars or above that.
    """
    if not meta:
        return 0
    for key, value in meta.items():
        if not isinstance(key, str) or not _is_scalar(value):
            raise SettingsError(
                f"got metadata {key!r} = {value!r}, want string keys and None, bool, int, "
                "float, str or bytes"
            )
    try:
        size = len(msgpack.packb(dict(meta)))
    except OverflowError as exc:
        raise SettingsError("got a metadata integer outside -2^63..2^64-1") from exc
    except UnicodeEncodeError as exc:
        raise SettingsError(f"got metadata text that is no valid Unicode: {exc.reason}") from exc
    if size > MAX_META_BYTES or len(meta) > MAX_LIST:
        raise SettingsError(
            f"got {len(meta)} metadata entries of {size} bytes, the limits are "
            f"{MAX_LIST} and {MAX_META_BYTES}"
        )
    return size


def _packable_meta(meta: Mapping[str, Scalar]) -> dict[str, Scalar] | None:
    return dict(meta) if packed_meta_bytes(meta) else None


def unpack(buffer: bytes | bytearray | memoryview, limits: Limits = OFFLINE) -> Packet:
    """Parse one packet and check every field of its header.

    Parameters
    ----------
    buffer : bytes-like
        The whole packet and nothing else. The body of the result is a view of it.
    limits : Limits

    Raises
    ------
    WireError
        If it is no packet. Children: UnknownVersionError, LimitError.
    """
    view = memoryview(buffer).cast("B")
    if len(view) > limits.max_packet_bytes:
        raise LimitError(
            f"got a packet of {len(view)} bytes, the limit is {limits.max_packet_bytes}"
        )
    if len(view) < PREFIX.size:
        raise WireError(f"got {len(view)} bytes, a packet has at least {PREFIX.size}")
    magic, version, flags, header_bytes, body_bytes, crc = PREFIX.unpack_from(view)
    if magic != MAGIC:
        raise WireError(f"got magic {magic.hex()}, want {MAGIC.hex()}: this is no Rankcast packet")
    if version != VERSION:
        raise UnknownVersionError(
            f"got wire version {version}, this is version {VERSION}: update the older end"
        )
    if flags:
        raise WireError(f"got flags {flags:#04x}, version {VERSION} has none")
    if header_bytes > MAX_HEADER_BYTES:
        raise LimitError(f"got a header of {header_bytes} bytes, the limit is {MAX_HEADER_BYTES}")
    want = PREFIX.size + header_bytes + body_bytes
    if len(view) != want:
        raise WireError(f"got {len(view)} bytes, the prefix promises {want}")
    if zlib.crc32(view[PREFIX.size :]) != crc:
        raise WireError(f"CRC-32 differs from {crc:08x}: the packet was damaged on its way")
    body_start = PREFIX.size + header_bytes
    header = _parse_header(view[PREFIX.size : body_start], limits)
    return Packet(header, view[body_start:].toreadonly(), len(view))


def unpack_msgpack(data: memoryview, what: str) -> Any:
    """Unpack foreign msgpack with a limit on every length; `what` names it in the WireError."""
    try:
        value = msgpack.unpackb(
            data,
            use_list=False,
            max_str_len=MAX_META_BYTES,
            max_bin_len=MAX_META_BYTES,
            max_array_len=MAX_LIST,
            max_map_len=MAX_LIST,
            max_ext_len=0,
            ext_hook=_refuse_extension,
        )
    except (ValueError, msgpack.UnpackException) as exc:
        # StackError, FormatError, ExtraData, exceeded lengths and broken UTF-8 all land here.
        reason = str(exc) or type(exc).__name__
        raise WireError(f"{what} is no msgpack within the limits: {reason}") from exc
    # msgpack itself takes 1024 levels: more than repr, and so every message, survives.
    level = [value]
    for _ in range(MAX_NESTING + 1):
        level = [
            item
            for outer in level
            if type(outer) in (tuple, dict)
            for item in (outer.values() if type(outer) is dict else outer)
        ]
        if not level:
            return value
    raise WireError(f"{what} is no msgpack within the limits: more than {MAX_NESTING} levels")


def _refuse_extension(code: int, _data: bytes) -> None:
    # An extension of length 0 passes max_ext_len.
    raise ValueError(f"extension type {code}")


def _parse_header(data: memoryview, limits: Limits) -> Header:
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
        ref_sequence=_optional_uint(ref_sequence, "ref_sequence"),
        layer=uint(layer, "layer", 255),
        codec=_optional_uint(codec, "codec", 65_535),
        params=_numbers(params, "params"),
        shape=_shape(shape, limits),
        dtype_bytes=dtype_bytes,
        significant_bits=uint(significant_bits, "significant_bits", 8 * dtype_bytes),
        cfa=uint(cfa, "cfa", len(CFA_PATTERNS) - 1),
        t_capture_mono_ns=uint(t_mono, "t_capture_mono_ns"),
        t_capture_utc_ns=uint(t_utc, "t_capture_utc_ns"),
        device_frame_id=_optional_uint(device_frame_id, "device_frame_id"),
        device_time_ns=_optional_uint(device_time, "device_time_ns"),
        squared_error=_optional_uint(squared_error, "squared_error"),
        energy_ppb=_optional_uint(energy_ppb, "energy_ppb", PPB),
        rank=_uints(rank, "rank", limits.max_side),
        model_id=_model_id(model_id),
        checksum=_optional_uint(checksum, "checksum", 2**32 - 1),
        meta=_meta(meta),
        x=string_map(x, "x"),
    )
    if kind.is_picture and (header.codec is None or header.shape is None):
        raise WireError("a picture without codec or shape")
    if not kind.is_picture and (header.codec is not None or header.shape is not None):
        raise WireError(f"kind {kind.name} with codec {header.codec} and shape {header.shape}")
    if (kind is Kind.PREDICTED) != (header.ref_sequence is not None):
        raise WireError(f"kind {kind.name} with ref_sequence {header.ref_sequence}")
    return header


def uint(value: object, name: str, most: int = UINT64_MAX, *, least: int = 0) -> int:
    """Return `value` if it is an integer in least..most, else raise WireError."""
    # `type is int`, because bool is an int to isinstance.
    if type(value) is not int or not least <= value <= most:
        raise WireError(f"{name} is {value!r:.40}, want an integer {least} to {most}")
    return value


def _optional_uint(value: object, name: str, most: int = UINT64_MAX) -> int | None:
    return None if value is None else uint(value, name, most)


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


def _is_scalar(value: object) -> bool:
    return value is None or type(value) in (bool, int, float, str, bytes)


def string_map(value: object, name: str) -> Mapping[str, Any]:
    """Return `value` if it is a map with string keys (nil is empty), else raise WireError."""
    if value is None:
        return _EMPTY
    if type(value) is not dict or any(type(key) is not str for key in value):
        raise WireError(f"{name} is {type(value).__name__}, want a map with string keys")
    return MappingProxyType(value)


def _meta(value: object) -> Mapping[str, Scalar]:
    meta = string_map(value, "meta")
    if not all(_is_scalar(item) for item in meta.values()):
        raise WireError("meta holds something that is no scalar")
    if meta and (size := len(msgpack.packb(dict(meta)))) > MAX_META_BYTES:
        raise LimitError(f"got metadata of {size} bytes, the limit is {MAX_META_BYTES}")
    return meta
