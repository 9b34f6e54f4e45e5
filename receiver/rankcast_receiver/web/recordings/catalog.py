"""RecordingCatalog: the recordings of a folder, and what each of them holds."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

from rankcast.errors import RecordingError
from rankcast.recordings import (
    SUFFIX,
    RecordedMessage,
    SegmentReader,
    SegmentSummary,
    read_last_time,
    read_summary,
    time_of,
)
from rankcast.wire import Limits

MOST_FILES: Final = 20_000
"""Most files of a folder that are looked at."""
MOST_KEPT: Final = 20_000
MOST_SCANNED_BYTES: Final = 64 << 20
"""A file without an index is read up to here to count its frames."""
PIECE_BYTES: Final = 1 << 20
"""Read at the end of such a file besides the largest packet, which may be cut off there."""
_SEGMENT: Final = re.compile(r"(.+)-\d{4,12}")


@dataclass(frozen=True, slots=True)
class _File:
    """A segment of a recording."""

    path: Path
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a segment holds."""

    summary: SegmentSummary | None
    complete: bool
    error: str = ""
    counted: bool = True
    """False if the file was not read to its end: frames are those so far."""
    ends: bool = True
    """False if the last time is that so far, too."""


class RecordingCatalog:
    """Lists the recordings of a folder; a file is read again only when it has changed.

    Parameters
    ----------
    folder : Path
    limits : Limits
        Of a packet.
    stopped : callable
        True ends reading.

    Notes
    -----
    Called in one thread at a time. A name of a client is only compared with those of the files
    that are there: no path is made of it, and links are no recordings.
    """

    def __init__(self, folder: Path, limits: Limits, stopped: Callable[[], bool]) -> None:
        self._folder, self._limits, self._stopped = folder, limits, stopped
        self._known: dict[Path, tuple[_File, _Facts]] = {}
        self._cut = False
        """True if the file that is read was not read to its end."""

    def list_all(self) -> list[dict[str, Any]]:
        """Describe all recordings, the newest first.

        Raises
        ------
        RecordingError
            If the folder cannot be listed.
        """
        found = self._found()
        described = [self._described(name, files) for name, files in found.items()]
        return sorted(described, key=lambda one: one["modified_utc"], reverse=True)

    def describe(self, name: str) -> dict[str, Any] | None:
        """Describe one recording; None if there is none of this name."""
        files = self._found().get(name)
        return None if files is None else self._described(name, files)

    def path_of(self, name: str) -> Path | None:
        """Return the path of a recording, for a reader; None if there is none of this name."""
        return self._folder / name if name in self._found() else None

    def _found(self) -> dict[str, list[_File]]:
        """Return the files of each recording."""
        found: dict[str, list[_File]] = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in islice(entries, MOST_FILES):
                    if not entry.name.endswith(SUFFIX) or not _is_plain(entry.name):
                        continue
                    if not entry.is_file(follow_symlinks=False):
                        continue
                    status = entry.stat(follow_symlinks=False)
                    file = _File(self._folder / entry.name, status.st_size, status.st_mtime_ns)
                    found.setdefault(_recording_of(entry.name), []).append(file)
        except OSError as exc:
            raise RecordingError(
                f"the folder of recordings cannot be listed: {exc.strerror}"
            ) from exc
        return found

    def _described(self, name: str, files: list[_File]) -> dict[str, Any]:
        all_facts = [self._facts(file) for file in sorted(files, key=lambda one: one.path)]
        known = [facts.summary for facts in all_facts if facts.summary is not None]
        times = [one for one in known if one.t_last_ns]
        begin_ns = min((one.t_first_ns for one in times), default=None)
        readable = len(known) == len(all_facts)
        counted = readable and all(facts.counted for facts in all_facts)
        ends = readable and all(facts.ends for facts in all_facts)
        end_ns = max((one.t_last_ns for one in times), default=None) if ends else None
        cameras = dict.fromkeys(camera for one in known for camera in one.frames)
        return {
            "name": name,
            "bytes": sum(file.size for file in files),
            "modified_utc": _utc(max(file.modified_ns for file in files)),
            "cameras": list(cameras),
            "begin_utc": None if begin_ns is None else _utc(begin_ns),
            "duration_s": None if begin_ns is None or end_ns is None else (end_ns - begin_ns) / 1e9,
            "frames": sum(sum(one.frames.values()) for one in known) if counted else None,
            "complete": all(facts.complete for facts in all_facts),
            "error": "; ".join(facts.error for facts in all_facts if facts.error)[:500],
        }

    def _facts(self, file: _File) -> _Facts:
        known = self._known.get(file.path)
        if known is not None and known[0] == file:
            return known[1]
        if len(self._known) >= MOST_KEPT:
            self._known.clear()
        facts = self._read(file)
        self._known[file.path] = file, facts
        return facts

    def _read(self, file: _File) -> _Facts:
        name = file.path.name
        try:
            summary = read_summary(file.path)
            if summary is not None:
                return _Facts(summary, complete=True)
            with SegmentReader(file.path, self._limits) as reader:
                self._cut = False
                summary = _counted(self._first_of(reader))
                damage = (
                    ""
                    if not reader.damage.count
                    else (f"{name}: {reader.damage.count} damaged places")
                )
            if not self._cut:
                return _Facts(summary, complete=False, error=damage)
            last_ns = read_last_time(file.path, self._limits.max_packet_bytes + PIECE_BYTES)
            ends = last_ns is not None and last_ns >= summary.t_last_ns
            if last_ns is not None and ends:
                summary = replace(summary, t_last_ns=last_ns)
            return _Facts(summary, complete=False, error=damage, counted=False, ends=ends)
        except RecordingError as exc:
            reason = str(exc).removeprefix(f"{file.path}: ")
            return _Facts(None, complete=False, error=f"{name}: {reason}")
        except OSError as exc:
            return _Facts(None, complete=False, error=f"{name}: cannot be read: {exc.strerror}")

    def _first_of(self, reader: SegmentReader) -> Iterable[RecordedMessage]:
        for message in reader:
            if message.offset > MOST_SCANNED_BYTES or self._stopped():
                self._cut = True
                return
            yield message


def _counted(messages: Iterable[RecordedMessage]) -> SegmentSummary:
    frames: dict[str, int] = {}
    first_ns = last_ns = 0
    for message in messages:
        first_ns = first_ns or message.t_recorded_ns
        last_ns = message.t_recorded_ns
        if message.kind == "frames":
            frames[message.camera] = frames.get(message.camera, 0) + 1
    return SegmentSummary(frames, first_ns, last_ns)


def _recording_of(name: str) -> str:
    """Return the name of the recording that a file belongs to."""
    segment = _SEGMENT.fullmatch(name.removesuffix(SUFFIX))
    return name if segment is None else segment[1] + SUFFIX


def _is_plain(name: str) -> bool:
    """Return False for a name that cannot be shown or sent."""
    return name.isprintable() and name.isascii()


def _utc(t_ns: int) -> str:
    try:
        return time_of(t_ns).isoformat(timespec="milliseconds")
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC).isoformat(timespec="milliseconds")
