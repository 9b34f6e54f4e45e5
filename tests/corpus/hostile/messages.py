"""What hostile files are made of: seeds with a change, and packets put together by hand."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack

from rankcast.wire import Chain, Header, Kind, Packet, pack, unpack
from support import packets
from support.intake import split_messages

CORPUS = Path(__file__).resolve().parents[1]
HUGE = (8192, 16384)
"""As many samples as the limits allow."""

Files = Iterator[tuple[str, bytes]]
"""Paths below `malicious`, and what stands there."""


def frames(packet: bytes, topic: bytes = b"cam/frames") -> bytes:
    """A message of a frame."""
    return topic + b"\0" + packet


def seed(target: str, name: str) -> list[Packet]:
    """Packets of the frames in a seed, predicted ones with the picture of their key frame."""
    data = (CORPUS / "seeds" / target / f"{name}.seq").read_bytes()
    chain, found = Chain(), []
    for message in split_messages(data):
        packet = unpack(message.partition(b"\0")[2])
        header, drift_ns = chain.complete(packet.header), packet.header.utc_drift_ns
        chain.add(header)
        if drift_ns is not None:
            header = replace(header, t_capture_utc_ns=0, utc_drift_ns=drift_ns)
        found.append(replace(packet, header=header))
    return found


def changed(packet: Packet, body: bytes | None = None, **changes: Any) -> bytes:
    """The message of a packet with another body or header, its CRC right."""
    header: Header = replace(packet.header, **changes)
    return frames(pack(header, bytes(packet.body) if body is None else body))


def nested(depth: int) -> bytes:
    """msgpack of arrays within each other."""
    return b"\x91" * depth + b"\xc0"


def with_field(name: str, packed: bytes) -> bytes:
    """A packet one field of which, or one element of its picture, is this msgpack."""
    values = packets.header()
    if name not in packets.FIELDS:
        at = packets.FIELDS.index("picture")
        packed = _array(values[at], packets.PICTURE.index(name), packed)
        name = "picture"
    return packets.assemble(_array(values, packets.FIELDS.index(name), packed))


def _array(values: list[Any], index: int, packed: bytes) -> bytes:
    parts = [msgpack.packb(value) for value in values]
    parts[index] = packed
    return b"\xdc" + struct.pack(">H", len(parts)) + b"".join(parts)


def status_message(body: bytes, topic: bytes = b"cam/status") -> bytes:
    """A status with this body, packed by hand."""
    header = Header(Kind.STATUS, packets.STREAM_ID, 4, 5)
    return frames(pack(header, body), topic)
