"""The bytes of an MCAP file as Rankcast writes it: https://mcap.dev/spec.

Every message has a chunk of its own, which begins with the record of its channel, so that it can be
read when everything around it is lost, and is followed by its message index.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

MAGIC: Final = b"\x89MCAP0\r\n"
PROFILE: Final = "rankcast"
METADATA_NAME: Final = "rankcast"

RECORD_HEAD: Final = struct.Struct("<BQ")
"""Opcode, and the length of what follows."""
MESSAGE_HEAD: Final = struct.Struct("<HIQQ")
"""Channel, sequence, log_time, publish_time; the message itself follows."""
CHUNK_HEAD: Final = struct.Struct("<QQQII")
"""Start and end time, size and CRC-32 of the records, length of the name of their compression."""
UINT64: Final = struct.Struct("<Q")
PLAIN_CHUNK_HEAD: Final = struct.Struct("<QQQIIQ")
"""The same without compression, with the size of the records again."""
MESSAGE_INDEX: Final = struct.Struct("<HIQQ")
"""Of one message: channel, length of the array, log_time, offset in the records of the chunk."""
CHANNEL_HEAD: Final = struct.Struct("<HH")
FOOTER: Final = struct.Struct("<QQI")
CHUNK_START: Final = RECORD_HEAD.size + CHUNK_HEAD.size + UINT64.size
"""From the start of an uncompressed chunk to its records."""
MESSAGE_START: Final = RECORD_HEAD.size + MESSAGE_HEAD.size
"""From the start of a message record to the message."""
CRC_AND_MAGIC_BYTES: Final = 4 + len(MAGIC)
"""Of the end of a file, which its own CRC-32 does not cover."""
INDEX_BYTES: Final = RECORD_HEAD.size + MESSAGE_INDEX.size

_CHUNK_INDEX_START: Final = struct.Struct("<QQQQIHQQIQQ")
_STATISTICS: Final = struct.Struct("<QHIIIIQQI")


class Opcode(IntEnum):
    """Kinds of records."""

    HEADER = 0x01
    FOOTER = 0x02
    SCHEMA = 0x03
    CHANNEL = 0x04
    MESSAGE = 0x05
    CHUNK = 0x06
    MESSAGE_INDEX = 0x07
    CHUNK_INDEX = 0x08
    ATTACHMENT = 0x09
    ATTACHMENT_INDEX = 0x0A
    STATISTICS = 0x0B
    METADATA = 0x0C
    METADATA_INDEX = 0x0D
    SUMMARY_OFFSET = 0x0E
    DATA_END = 0x0F


def record(opcode: Opcode, content: bytes) -> bytes:
    """Return a record: opcode, length, content."""
    return RECORD_HEAD.pack(opcode, len(content)) + content


def file_start(library: str) -> bytes:
    """Return what a file begins with: magic and header; `library` names the program."""
    return MAGIC + record(Opcode.HEADER, _text(PROFILE) + _text(library))


def metadata(facts: Mapping[str, str]) -> bytes:
    """Return the metadata record of a recording."""
    return record(Opcode.METADATA, _text(METADATA_NAME) + _text_map(facts))


def channel_record(channel: int, topic: str, encoding: str) -> bytes:
    """Return the record of a channel without a schema."""
    content = CHANNEL_HEAD.pack(channel, 0) + _text(topic) + _text(encoding) + _text_map({})
    return record(Opcode.CHANNEL, content)


def message_chunk(
    channel_record_: bytes,
    channel: int,
    sequence: int,
    t_log_ns: int,
    t_publish_ns: int,
    data: bytes | bytearray | memoryview,
) -> tuple[bytes, bytes]:
    """Return what stands before and after the message in a file that has it in its own chunk."""
    head = (
        channel_record_
        + RECORD_HEAD.pack(Opcode.MESSAGE, MESSAGE_HEAD.size + len(data))
        + MESSAGE_HEAD.pack(channel, sequence, t_log_ns, t_publish_ns)
    )
    records_bytes = len(head) + len(data)
    crc = zlib.crc32(data, zlib.crc32(head))
    before = (
        RECORD_HEAD.pack(Opcode.CHUNK, CHUNK_HEAD.size + UINT64.size + records_bytes)
        + CHUNK_HEAD.pack(t_log_ns, t_log_ns, records_bytes, crc, 0)
        + UINT64.pack(records_bytes)
        + head
    )
    return before, message_index(channel, t_log_ns, len(channel_record_))


def message_index(channel: int, t_log_ns: int, offset: int) -> bytes:
    """Return the message index of a chunk with one message, at `offset` of its records."""
    return RECORD_HEAD.pack(Opcode.MESSAGE_INDEX, MESSAGE_INDEX.size) + MESSAGE_INDEX.pack(
        channel, 16, t_log_ns, offset
    )


def chunk_index(channel: int, t_log_ns: int, start: int, chunk_bytes: int) -> bytes:
    """Return the index record of a chunk with one message, whose message index follows it."""
    records_bytes = chunk_bytes - CHUNK_START
    content = _CHUNK_INDEX_START.pack(
        t_log_ns, t_log_ns, start, chunk_bytes, 10, channel, start + chunk_bytes, INDEX_BYTES, 0,
        records_bytes, records_bytes,
    )  # fmt: skip
    return record(Opcode.CHUNK_INDEX, content)


def statistics(counts: Mapping[int, int], t_first_ns: int, t_last_ns: int) -> bytes:
    """Return the statistics record of a file with one message a chunk.

    Parameters
    ----------
    counts : mapping of int to int
        Messages of each channel.
    t_first_ns, t_last_ns : int
        Least and largest log_time.
    """
    messages = sum(counts.values())
    content = _STATISTICS.pack(
        messages, 0, len(counts), 0, 1, messages, t_first_ns, t_last_ns, 10 * len(counts)
    ) + b"".join(struct.pack("<HQ", channel, count) for channel, count in counts.items())
    return record(Opcode.STATISTICS, content)


def metadata_index(start: int, metadata_bytes: int) -> bytes:
    """Return the index record of the metadata record at `start`."""
    content = struct.pack("<QQ", start, metadata_bytes) + _text(METADATA_NAME)
    return record(Opcode.METADATA_INDEX, content)


def summary_offset(group: Opcode, start: int, group_bytes: int) -> bytes:
    """Return the record that says where the records of a kind are in the summary."""
    return record(Opcode.SUMMARY_OFFSET, struct.pack("<BQQ", group, start, group_bytes))


def data_end() -> bytes:
    """Return the record that ends the messages."""
    return record(Opcode.DATA_END, b"\0\0\0\0")


def footer(summary_start: int, offsets_start: int, crc: int) -> bytes:
    """Return the end of a file; `crc` is the CRC-32 of the summary."""
    start = RECORD_HEAD.pack(Opcode.FOOTER, FOOTER.size) + struct.pack(
        "<QQ", summary_start, offsets_start
    )
    return start + struct.pack("<I", zlib.crc32(start, crc)) + MAGIC


def _text(text: str) -> bytes:
    data = text.encode("utf-8")
    return struct.pack("<I", len(data)) + data


def _text_map(values: Mapping[str, str]) -> bytes:
    content = b"".join(_text(name) + _text(value) for name, value in values.items())
    return struct.pack("<I", len(content)) + content
