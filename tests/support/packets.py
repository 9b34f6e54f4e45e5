"""Packets made by hand for the tests of the wire format, valid and malformed."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import msgpack

STREAM_ID = bytes(range(8))
PICTURE = (
    "layer", "codec", "shape", "dtype", "significant_bits", "cfa", "rank", "model_id",
)  # fmt: skip
"""The elements of the picture in the order of docs/wire.md."""
FIELDS = (
    "params", "picture", "checksum", "device_frame_id", "device_time_ns", "meta", "x",
)  # fmt: skip
"""The msgpack fields in the order of docs/wire.md."""
NUMBERS = (
    "sequence", "frame", "ref_sequence", "t_capture_mono_ns", "t_capture_utc_ns", "squared_error",
    "energy_ppb",
)  # fmt: skip

_PLAIN: dict[str, Any] = {
    "kind": 0, "stream_id": STREAM_ID, "sequence": 5, "frame": 6, "ref_sequence": None,
    "layer": 0, "codec": 0, "params": [], "shape": [2, 3], "dtype": 1, "significant_bits": 0,
    "cfa": 0, "t_capture_mono_ns": 7, "t_capture_utc_ns": 8, "device_frame_id": None,
    "device_time_ns": None, "squared_error": 0, "energy_ppb": None, "rank": [], "model_id": None,
    "checksum": None, "meta": None, "x": None,
}  # fmt: skip


def leb128(value: int) -> bytes:
    """Return an unsigned LEB128 number of any size."""
    groups = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes(group | 128 for group in groups[:-1]) + bytes(groups[-1:])


def start(**changes: Any) -> bytes:
    """Return kind, stream and numbers of a raw 2 x 3 grey picture, with `changes`.

    In a predicted frame, which has a `ref_sequence`, t_capture_utc_ns is the drift, not negative.
    """
    value = {**_PLAIN, **changes}
    predicted = value["ref_sequence"] is not None
    numbers = [
        value["sequence"],
        (value["frame"] - value["sequence"]) % 2**64,
        *([(value["sequence"] - value["ref_sequence"]) % 2**64] if predicted else []),
        value["t_capture_mono_ns"],
        value["t_capture_utc_ns"] * (2 if predicted else 1),
        0 if value["squared_error"] is None else value["squared_error"] + 1,
        0 if value["energy_ppb"] is None else 10**9 - value["energy_ppb"] + 1,
    ]
    return bytes((value["kind"],)) + value["stream_id"] + b"".join(map(leb128, numbers))


def header(**changes: Any) -> list[Any]:
    """Return the msgpack fields of a raw 2 x 3 grey picture, with `changes`.

    Without a codec and a shape there is no picture.
    """
    assert set(changes) <= {*_PLAIN, "picture"}
    value = {**_PLAIN, **changes}
    picture = None
    if (value["codec"], value["shape"]) != (None, None):
        picture = [value[name] for name in PICTURE]
    value.setdefault("picture", picture)
    if value["params"] == []:
        value["params"] = None
    return [value[name] for name in FIELDS]


def assemble(
    head: Any,
    body: bytes = b"\1\2\3\4\5\6",
    *,
    magic: bytes = b"RKC",
    version: int = 2,
    begin: bytes | None = None,
    head_bytes: int | None = None,
) -> bytes:
    """Build a packet from its fields (or msgpack bytes) and body, with a valid CRC.

    `begin` is what `start` returns; `head_bytes` the length of the fields that is stated.
    """
    packed = head if isinstance(head, bytes) else msgpack.packb(head)
    begin = start() if begin is None else begin
    length = leb128(len(packed) if head_bytes is None else head_bytes)
    content = begin + length + packed + body
    return magic + struct.pack("<BI", version, zlib.crc32(content)) + content


def packet(body: bytes = b"\1\2\3\4\5\6", **changes: Any) -> bytes:
    """Build a packet of a raw 2 x 3 grey picture with `changes` to its header.

    Fields at the end that are nil are left out.
    """
    in_start = {"kind", "stream_id", *NUMBERS}
    begin = start(**{name: value for name, value in changes.items() if name in in_start})
    fields = header(**changes)
    while fields and fields[-1] is None:
        fields.pop()
    return assemble(fields or b"", body, begin=begin)


def packets_of(path: Path) -> list[bytes]:
    """Return the packets of a golden stream, each of which follows its length."""
    data, packets, position = path.read_bytes(), [], 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "little")
        packets.append(data[position + 4 : position + 4 + size])
        position += 4 + size
    return packets
