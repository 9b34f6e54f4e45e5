"""What records of MCAP say, and whether their lengths agree with what they contain."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Final

from rankcast.recordings.segment import mcap_format as mcap
from rankcast.recordings.segment.mcap_format import Opcode

PLACED: Final = frozenset(
    {
        Opcode.HEADER, Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE, Opcode.CHUNK,
        Opcode.MESSAGE_INDEX, Opcode.ATTACHMENT, Opcode.METADATA, Opcode.DATA_END,
    }
)  # fmt: skip
"""What stands before the index of a file: any other opcode is taken for damage."""
END_BYTES: Final = mcap.RECORD_HEAD.size + mcap.FOOTER.size + len(mcap.MAGIC)
_COMPRESSIONS: Final = (b"zstd", b"lz4")


def is_framed(opcode: int, content: bytes) -> bool:
    """Return whether a record is one that stands before the index, and its lengths agree.

    One damaged byte of an opcode or a length is noticed.
    """
    if opcode == Opcode.CHUNK:
        return _is_framed_chunk(content)
    if opcode == Opcode.MESSAGE_INDEX:
        return len(content) >= 6 and 6 + _uint32(content, 2) == len(content)
    if opcode == Opcode.DATA_END:
        return len(content) == 4
    if opcode == Opcode.MESSAGE:
        return len(content) >= mcap.MESSAGE_HEAD.size
    if opcode == Opcode.HEADER:
        return _ends(content, 0, texts=2)
    if opcode == Opcode.SCHEMA:
        return _ends(content, 2, texts=3)
    if opcode == Opcode.CHANNEL:
        return _ends(content, mcap.CHANNEL_HEAD.size, texts=3)
    if opcode == Opcode.METADATA:
        return _ends(content, 0, texts=2)
    return opcode == Opcode.ATTACHMENT and len(content) >= 36 and _crc_is_right(content)


def profile_of(content: bytes) -> str | None:
    """Return the profile that a header record states; None if it is malformed."""
    try:
        profile, at = _text_at(content, 0)
        _text_at(content, at)  # the name of the program
    except (struct.error, UnicodeDecodeError):
        return None
    return profile


def metadata_of(content: bytes) -> Mapping[str, str] | None:
    """Return what the metadata record of a recording says; None if it is malformed.

    Nothing if it is another metadata record.
    """
    try:
        name, at = _text_at(content, 0)
        end = at + 4 + _uint32(content, at)
        at += 4
        found = {}
        while at < end:
            key, at = _text_at(content, at)
            found[key], at = _text_at(content, at)
    except (struct.error, UnicodeDecodeError):
        return None
    return found if name == mcap.METADATA_NAME else {}


def is_end(data: bytes, summary_start: int, summary_crc: int) -> bool:
    """Return whether `data` is the end of a file whose index begins at `summary_start`."""
    opcode, size = mcap.RECORD_HEAD.unpack_from(data)
    start, _, crc = mcap.FOOTER.unpack_from(data, mcap.RECORD_HEAD.size)
    return (
        (opcode, size) == (Opcode.FOOTER, mcap.FOOTER.size)
        # 0 in a file without an index, and where no CRC was computed.
        and start in (summary_start, 0)
        and crc in (summary_crc, 0)
        and data.endswith(mcap.MAGIC)
    )


def _is_framed_chunk(content: bytes) -> bool:
    if len(content) < mcap.CHUNK_HEAD.size + mcap.UINT64.size:
        return False
    _, _, size, _, name_bytes = mcap.CHUNK_HEAD.unpack_from(content)
    at = mcap.CHUNK_HEAD.size + name_bytes
    if name_bytes and content[mcap.CHUNK_HEAD.size : at] not in _COMPRESSIONS:
        return False
    if at + mcap.UINT64.size > len(content):
        return False
    (records_bytes,) = mcap.UINT64.unpack_from(content, at)
    rest = len(content) - at - mcap.UINT64.size
    return bool(records_bytes == rest and (name_bytes or size == rest))


def _ends(content: bytes, at: int, *, texts: int) -> bool:
    """Return whether the record ends with the last of its texts, or of its bytes with a length."""
    for _ in range(texts):
        if at + 4 > len(content):
            return False
        at += 4 + _uint32(content, at)
    return at == len(content)


def _crc_is_right(content: bytes) -> bool:
    crc = _uint32(content, len(content) - 4)
    return crc == 0 or crc == zlib.crc32(memoryview(content)[:-4])


def _uint32(content: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", content, at)[0])


def _text_at(content: bytes, at: int) -> tuple[str, int]:
    end = at + 4 + _uint32(content, at)
    if end > len(content):
        raise struct.error("text beyond its record")
    return content[at + 4 : end].decode("utf-8"), end
