"""Packets made by hand for the tests of the wire format, valid and malformed."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import msgpack

STREAM_ID = bytes(range(16))
FIELDS = (
    "kind", "stream_id", "sequence", "frame", "ref_sequence", "layer", "codec", "params", "shape",
    "dtype", "significant_bits", "cfa", "t_capture_mono_ns", "t_capture_utc_ns",
    "device_frame_id", "device_time_ns", "squared_error", "energy_ppb", "rank", "model_id",
    "checksum", "meta", "x",
)  # fmt: skip
"""The 23 elements in the order of docs/wire.md."""

_PLAIN: dict[str, Any] = {
    "kind": 0, "stream_id": STREAM_ID, "sequence": 5, "frame": 6, "ref_sequence": None,
    "layer": 0, "codec": 0, "params": [], "shape": [2, 3], "dtype": 1, "significant_bits": 0,
    "cfa": 0, "t_capture_mono_ns": 7, "t_capture_utc_ns": 8, "device_frame_id": None,
    "device_time_ns": None, "squared_error": 0, "energy_ppb": None, "rank": [], "model_id": None,
    "checksum": None, "meta": None, "x": None,
}  # fmt: skip


def header(**changes: Any) -> list[Any]:
    """Return the header elements of a raw 2 x 3 grey picture, with `changes`."""
    assert set(changes) <= set(FIELDS)
    return [{**_PLAIN, **changes}[name] for name in FIELDS]


def assemble(
    head: Any,
    body: bytes = b"\1\2\3\4\5\6",
    *,
    magic: bytes = b"RKC\xa5",
    version: int = 1,
    flags: int = 0,
) -> bytes:
    """Build a packet from header elements (or msgpack bytes) and body, with a valid CRC."""
    packed = head if isinstance(head, bytes) else msgpack.packb(head)
    crc = zlib.crc32(packed + body)
    prefix = struct.pack("<4sBBHII", magic, version, flags, len(packed), len(body), crc)
    return prefix + packed + body


def packet(body: bytes = b"\1\2\3\4\5\6", **changes: Any) -> bytes:
    """Build a packet of a raw 2 x 3 grey picture with `changes` to its header."""
    return assemble(header(**changes), body)


def packets_of(path: Path) -> list[bytes]:
    """Return the packets of a golden stream, each of which follows its length."""
    data, packets, position = path.read_bytes(), [], 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "little")
        packets.append(data[position + 4 : position + 4 + size])
        position += 4 + size
    return packets
