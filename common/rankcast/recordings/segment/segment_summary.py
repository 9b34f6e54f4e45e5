"""SegmentSummary: what the index at the end of a complete file says, without reading the file."""

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
_TIMES: Final = struct.Struct("<QHIIIIQQI")
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
