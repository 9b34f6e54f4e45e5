"""SegmentSummary: what the end of a file says, without reading the file."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rankcast.atomic_file import open_without_waiting
from rankcast.recordings.segment import mcap_format as mcap
from rankcast.recordings.segment.channels import parse_channel
from rankcast.recordings.segment.mcap_format import Opcode
from rankcast.recordings.segment.mcap_records import END_BYTES

MOST_BYTES: Final = 1 << 20
"""Of the channels and the statistics, which stand at the beginning of the index."""
PIECE_BYTES: Final = 1 << 18
"""Of the end of a file without an index that are read at once."""
_TIMES: Final = struct.Struct("<QHIIIIQQI")
_INDEX_HEAD: Final = mcap.RECORD_HEAD.pack(Opcode.MESSAGE_INDEX, mcap.MESSAGE_INDEX.size)
_COUNT: Final = struct.Struct("<HQ")


@dataclass(frozen=True, slots=True)
class SegmentSummary:
    """Counts and times of one file."""

    frames: dict[str, int]
    """Of each camera; references that repeat a frame count too."""
    t_first_ns: int
    t_last_ns: int
    """When the first and the last message were recorded, UTC in ns since 1970."""


def read_summary(path: Path) -> SegmentSummary | None:
    """Read the index of a file.

    Returns
    -------
    SegmentSummary or None
        None if the file has none, as after a recorder that was killed, or it is damaged.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with open(path, "rb", opener=open_without_waiting) as file:
        size = file.seek(0, 2)
        if size < END_BYTES:
            return None
        file.seek(size - END_BYTES)
        end = file.read(END_BYTES)
        opcode, _ = mcap.RECORD_HEAD.unpack_from(end)
        start, _, _ = mcap.FOOTER.unpack_from(end, mcap.RECORD_HEAD.size)
        if opcode != Opcode.FOOTER or not end.endswith(mcap.MAGIC):
            return None
        if not 0 < start < size - END_BYTES:
            return None
        file.seek(start)
        data = file.read(min(MOST_BYTES, size - END_BYTES - start))
    try:
        return _parsed(data)
    except struct.error:
        return None


def read_last_time(path: Path, most_bytes: int) -> int | None:
    """Read when the last whole message of a file without an index was recorded.

    Each message is followed by a record that repeats its time, which is looked for from the end of
    the file back: nearly always the first piece has it.

    Parameters
    ----------
    path : Path
    most_bytes : int
        How much of the end is searched: a message that was not written to its end, and may have the
        size of the largest packet, stands behind the record.

    Returns
    -------
    int or None
        UTC in ns since 1970; None if there is no such record.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with open(path, "rb", opener=open_without_waiting) as file:
        end = file.seek(0, 2)
        least = max(0, end - most_bytes)
        after = b""
        while end > least:
            start = max(least, end - PIECE_BYTES)
            file.seek(start)
            data = file.read(end - start) + after
            at = len(data)
            while (at := data.rfind(_INDEX_HEAD, 0, at)) >= 0:
                content = data[at + mcap.RECORD_HEAD.size : at + mcap.INDEX_BYTES]
                if len(content) == mcap.MESSAGE_INDEX.size:
                    _, array_bytes, t_log_ns, _ = mcap.MESSAGE_INDEX.unpack(content)
                    if array_bytes == 16:  # one message
                        return int(t_log_ns)
            after = data[: mcap.INDEX_BYTES - 1]  # a record may lie across two pieces
            end = start
    return None


def _parsed(data: bytes) -> SegmentSummary | None:
    cameras: dict[int, str] = {}
    at = 0
    while at + mcap.RECORD_HEAD.size <= len(data):
        opcode, size = mcap.RECORD_HEAD.unpack_from(data, at)
        at += mcap.RECORD_HEAD.size
        content = data[at : at + size]
        if len(content) < size:
            return None
        at += size
        if opcode == Opcode.CHANNEL:
            facts = parse_channel(content)
            if facts is not None and facts.kind == "frames":
                cameras[facts.id] = facts.camera
        elif opcode == Opcode.STATISTICS:
            *_, first_ns, last_ns, counts_bytes = _TIMES.unpack_from(content)
            counts = content[_TIMES.size :]
            if len(counts) != counts_bytes or counts_bytes % _COUNT.size:
                return None
            found = dict(_COUNT.iter_unpack(counts))
            frames = {camera: found.get(channel, 0) for channel, camera in cameras.items()}
            return SegmentSummary(frames, first_ns, last_ns)
        else:
            return None
    return None
