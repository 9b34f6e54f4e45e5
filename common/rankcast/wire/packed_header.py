"""The bytes of a header: kind and stream, numbers in LEB128, and fields in msgpack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgpack

from rankcast.errors import LimitError, SettingsError, WireError
from rankcast.frame import CFA_PATTERNS, MAX_CHANNELS, Scalar
from rankcast.wire.fields import (
    is_scalar,
    optional_uint,
    string_map,
    uint,
    unpack_msgpack,
)
from rankcast.wire.header import (
    MAX_META_BYTES,
    PPB,
    STREAM_ID_BYTES,
    Header,
    Kind,
    packed_meta_bytes,
)
from rankcast.wire.leb128 import NumberReader, pack_number
from rankcast.wire.limits import Limits

MAX_FIELDS_BYTES: Final = 8192
FIELD_COUNT: Final = 7
PICTURE_COUNT: Final = 8
MAX_MODEL_ID_BYTES: Final = 32
_MASK: Final = (1 << 64) - 1
_START_BYTES: Final = 1 + STREAM_ID_BYTES


def pack_header(header: Header) -> bytes:
    """Serialise a header; that of a predicted frame must be short.

    Raises
    ------
    SettingsError
        If the user metadata is not a flat map of scalars or exceeds 4 KiB.
    ValueError
        If a predicted frame was not shortened by its `Chain`, or the stream id is no such one.
    """
    if len(header.stream_id) != STREAM_ID_BYTES:
        raise ValueError(
            f"got a stream id of {len(header.stream_id)} bytes, want {STREAM_ID_BYTES}"
        )
    if (header.kind is Kind.PREDICTED) != header.is_short:
        raise ValueError(f"got a header of kind {header.kind.name}, want predicted ones short")
    fields = _pack_fields(header)
    numbers = [header.sequence, (header.frame - header.sequence) & _MASK]
    if header.ref_sequence is not None:
        numbers.append((header.sequence - header.ref_sequence) & _MASK)
    drift = header.utc_drift_ns
    numbers += [
        header.t_capture_mono_ns,
        header.t_capture_utc_ns if drift is None else _zigzag(drift),
        0 if header.squared_error is None else header.squared_error + 1,
        0 if header.energy_ppb is None else PPB - header.energy_ppb + 1,
        len(fields),
    ]
    start = bytes((header.kind,)) + header.stream_id
    return b"".join((start, *map(pack_number, numbers), fields))


def _pack_fields(header: Header) -> bytes:
    picture = None
    if header.codec is not None:
        picture = (
            header.layer, header.codec, header.shape, header.dtype_bytes, header.significant_bits,
            header.cfa, header.rank, header.model_id,
        )  # fmt: skip
    fields = [
        header.params or None, picture, header.checksum, header.device_frame_id,
        header.device_time_ns, _packable_meta(header.meta), dict(header.x) or None,
    ]  # fmt: skip
    while fields and fields[-1] is None:
        fields.pop()
    if not fields:
        return b""
    packed: bytes = msgpack.packb(fields)
    if len(packed) > MAX_FIELDS_BYTES:
        raise SettingsError(
            f"got header fields of {len(packed)} bytes, the limit is {MAX_FIELDS_BYTES}"
        )
    return packed


def _packable_meta(meta: Mapping[str, Scalar]) -> dict[str, Scalar] | None:
    return dict(meta) if packed_meta_bytes(meta) else None


def _zigzag(value: int) -> int:
    return 2 * value if value >= 0 else -2 * value - 1


def parse_header(data: memoryview, limits: Limits) -> tuple[Header, int]:
    """Parse the header at the start of `data` and check every field.

    Returns
    -------
    Header
        Short if it is that of a predicted frame.
    int
        Bytes of the header; the body follows.

    Raises
    ------
    WireError
        If a field has the wrong type or is out of range. Subclass: LimitError.
    """
    if len(data) < _START_BYTES:
        raise WireError(f"got a header of {len(data)} bytes, its kind or stream_id is missing")
    if data[0] > Kind.REFERENCE:
        raise WireError(f"kind is {data[0]}, want 0 to {int(Kind.REFERENCE)}")
    kind = Kind(data[0])
    predicted = kind is Kind.PREDICTED
    numbers = NumberReader(data[_START_BYTES:])
    sequence = numbers.read("sequence")
    frame = (sequence + numbers.read("frame")) & _MASK
    ref_sequence = (sequence - numbers.read("ref_sequence")) & _MASK if predicted else None
    t_mono_ns = numbers.read("t_capture_mono_ns")
    utc = numbers.read("t_capture_utc_ns")
    squared_error = numbers.read("squared_error")
    lost = numbers.read("energy_ppb")
    if lost > PPB + 1:
        raise WireError(f"energy_ppb is {PPB + 1 - lost}, want an integer from 0 to {PPB}")
    fields_bytes = numbers.read("the length of the fields")
    if fields_bytes > MAX_FIELDS_BYTES:
        raise LimitError(
            f"got header fields of {fields_bytes} bytes, the limit is {MAX_FIELDS_BYTES}"
        )
    begin = _START_BYTES + numbers.position
    end = begin + fields_bytes
    if end > len(data):
        raise WireError(f"got {len(data) - begin} bytes for header fields of {fields_bytes}")
    header = Header(
        kind=kind,
        stream_id=bytes(data[1:_START_BYTES]),
        sequence=sequence,
        frame=frame,
        ref_sequence=ref_sequence,
        t_capture_mono_ns=t_mono_ns,
        t_capture_utc_ns=0 if predicted else utc,
        utc_drift_ns=(utc >> 1) ^ -(utc & 1) if predicted else None,
        squared_error=squared_error - 1 if squared_error else None,
        energy_ppb=PPB + 1 - lost if lost else None,
        **_parse_fields(data[begin:end], limits),
    )
    if kind.is_start and header.codec is None:
        raise WireError(f"kind {kind.name} without a picture, want one")
    if not kind.is_picture and (header.codec is not None or header.params):
        raise WireError(f"kind {kind.name} with a picture or params, want neither")
    return header, end


def _parse_fields(data: memoryview, limits: Limits) -> dict[str, Any]:
    """Parse the msgpack part; those at the end that are nil may be missing."""
    values = unpack_msgpack(data, "header") if len(data) else ()
    if type(values) is not tuple or len(values) > FIELD_COUNT:
        got = len(values) if type(values) is tuple else type(values).__name__
        raise WireError(f"got a header of {got} fields, want an array of at most {FIELD_COUNT}")
    padded: list[object] = [*values, *[None] * (FIELD_COUNT - len(values))]
    params, picture, checksum, device_frame_id, device_time, meta, x = padded
    return {
        "params": () if params is None else _numbers(params, "params"),
        "checksum": optional_uint(checksum, "checksum", 2**32 - 1),
        "device_frame_id": optional_uint(device_frame_id, "device_frame_id"),
        "device_time_ns": optional_uint(device_time, "device_time_ns"),
        "meta": _meta(meta),
        "x": string_map(x, "x"),
        **({} if picture is None else _parse_picture(picture, limits)),
    }


def _parse_picture(values: object, limits: Limits) -> dict[str, Any]:
    if type(values) is not tuple or len(values) != PICTURE_COUNT:
        got = len(values) if type(values) is tuple else type(values).__name__
        raise WireError(f"got a picture of {got} elements, want an array of {PICTURE_COUNT}")
    layer, codec, shape, dtype_bytes, significant_bits, cfa, rank, model_id = values
    dtype_bytes = uint(dtype_bytes, "dtype", 2, least=1)
    return {
        "layer": uint(layer, "layer", 255),
        "codec": uint(codec, "codec", 65_535),
        "shape": _shape(shape, limits),
        "dtype_bytes": dtype_bytes,
        "significant_bits": uint(significant_bits, "significant_bits", 8 * dtype_bytes),
        "cfa": uint(cfa, "cfa", len(CFA_PATTERNS) - 1),
        "rank": _uints(rank, "rank", limits.max_side),
        "model_id": _model_id(model_id),
    }


def _uints(value: object, name: str, most: int) -> tuple[int, ...]:
    if type(value) is not tuple:
        raise WireError(f"{name} is {type(value).__name__}, want an array")
    return tuple(uint(item, name, most) for item in value)


def _numbers(value: object, name: str) -> tuple[int | float, ...]:
    if type(value) is not tuple or any(type(item) not in (int, float) for item in value):
        raise WireError(f"{name} is {value!r:.40}, want an array of numbers")
    return value


def _shape(value: object, limits: Limits) -> tuple[int, ...]:
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
