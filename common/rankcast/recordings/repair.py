"""Repair: a segment that is whole again, of all packets that are intact."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rankcast.atomic_file import fsync_folder, os_reason
from rankcast.errors import RecordingError
from rankcast.recordings.segment import (
    Damage,
    RecordedMessage,
    SegmentFile,
    SegmentReader,
    encoding_of,
    is_locked,
)
from rankcast.wire import OFFLINE, Limits

DAMAGED_SUFFIX: Final = ".damaged"


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a repair found in one segment, and what it did."""

    path: Path
    frames: int
    """Packets with a picture that are in the segment now."""
    messages: int
    size_bytes: int
    """Before the repair."""
    damage: Damage
    kept: Path | None
    """Where the segment is as it was; None if it was sound and is as it was."""

    @property
    def lost(self) -> bool:
        """True if anything was lost, a torn message at the end included."""
        return bool(self.damage.lost_places or self.damage.torn_bytes)


def repair_segment(
    path: Path, limits: Limits = OFFLINE, *, progress: Callable[[int], None] | None = None
) -> RepairReport:
    """Replace a segment by one with everything in it that is intact, unless it is sound.

    The new file takes its name at once when it is complete and on the disk; the old one is kept
    under the name with ``.damaged``.

    Parameters
    ----------
    path : Path
    limits : Limits, optional
        Of a packet.
    progress : callable, optional
        Called with the place in the file now and then.

    Raises
    ------
    RecordingError
        If the file cannot be read or is none of a recording, if nothing in it is intact, if a
        recorder still writes it, or if the new file cannot be written.
    """
    with SegmentReader(path, limits, salvage=True) as reader:
        if is_locked(reader.fileno()):
            raise RecordingError(f"{path}: is being recorded: stop its recorder first")
        if reader.has_end():
            frames = messages = 0
            for message in reader:
                frames += message.kind == "frames"
                messages += 1
                if progress is not None:
                    progress(message.offset)
            if reader.complete and not reader.damage:
                return RepairReport(path, frames, messages, reader.size, reader.damage, None)
        return _rewritten(reader, progress)


def _rewritten(reader: SegmentReader, progress: Callable[[int], None] | None) -> RepairReport:
    path = reader.path
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    frames = messages = 0
    out: SegmentFile | None = None
    try:
        for message in reader:
            if out is None:
                out = SegmentFile(temporary, "rankcast repair", reader.facts, buffered=True)
            _copy(message, out)
            frames += message.kind == "frames"
            messages += 1
            if progress is not None:
                progress(message.offset)
        if out is None:
            if reader.damage.lost_places or not reader.is_ours:
                raise RecordingError(f"{path}: nothing in it can be read")
            out = SegmentFile(temporary, "rankcast repair", reader.facts, buffered=True)
        out.finish()
        if not out.has_index:
            raise RecordingError(f"{path}: the repaired file cannot be written: free some space")
        reader.close()  # Windows renames no open file
        kept = _exchange(path, temporary)
    except BaseException:
        if out is not None:
            out.discard()
        raise
    return RepairReport(path, frames, messages, reader.size, reader.damage, kept)


def _copy(message: RecordedMessage, out: SegmentFile) -> None:
    out.write(
        f"{message.camera}/{message.kind}", encoding_of(message.kind), message.sequence,
        message.t_recorded_ns, message.t_capture_ns, message.data,
    )  # fmt: skip


def _exchange(path: Path, new: Path) -> Path:
    """Give `new` the name `path`, and what was there another name; return it."""
    kept = path.with_name(path.name + DAMAGED_SUFFIX)
    number = 1
    while os.path.lexists(kept):  # of an earlier repair
        number += 1
        kept = path.with_name(f"{path.name}{DAMAGED_SUFFIX}{number}")
    try:
        with suppress(OSError):
            shutil.copystat(path, new)  # its age decides how long it is kept
        try:
            os.link(path, kept)
        except OSError:  # a file system without links
            os.rename(path, kept)
        os.replace(new, path)
        fsync_folder(path.parent)
    except OSError as exc:
        raise RecordingError(f"{path}: cannot be replaced: {os_reason(exc)}") from exc
    return kept
