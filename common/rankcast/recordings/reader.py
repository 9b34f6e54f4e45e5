"""RecordingReader: the messages of all segments of a recording, in the order of recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from rankcast.errors import RecordingError
from rankcast.recordings.segment import (
    Damage,
    RecordedMessage,
    SegmentReader,
    StartIndex,
    segments_of,
)
from rankcast.wire import OFFLINE, Limits

MAX_INDEXES: Final = 4
"""Segments whose key frames are remembered."""


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """What was found out about a segment when it was read to its end."""

    path: Path
    size_bytes: int
    damage: Damage
    complete: bool
    """False if its recorder was killed, or still writes it."""


class _OpenSegment:
    """A segment that is being read, and its next message."""

    def __init__(self, path: Path, limits: Limits, index: int) -> None:
        self.index = index
        self.reader = SegmentReader(path, limits)
        self._messages = self.reader.messages()
        self.next: RecordedMessage | None = None
        try:
            self.advance()
        except BaseException:
            self.close()
            raise

    def advance(self) -> None:
        self.next = next(self._messages, None)

    def restart(self, offset: int) -> None:
        self._messages = self.reader.messages(offset)
        self.advance()

    def close(self) -> None:
        self.reader.close()

    @property
    def facts(self) -> SegmentFacts:
        reader = self.reader
        return SegmentFacts(reader.path, reader.size, reader.damage, reader.complete)


class RecordingReader:
    """Reads a recording: FILE.mcap, and after it FILE-0001.mcap and so on, as far as they exist.

    At most two or three segments are open, where the cameras go over from one to the next.

    Parameters
    ----------
    path : Path
        Of the first segment, which need not exist any more. A later segment is read alone.
    limits : Limits, optional
        Of a packet.
    stopped : callable, optional
        Asked while key frames are looked for, which reads a whole file; True ends that.

    Raises
    ------
    RecordingError
        If there is no such file.
    """

    def __init__(
        self,
        path: Path,
        limits: Limits = OFFLINE,
        *,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.path = path
        self.segments = [segment for _, segment in segments_of(path)]
        """Files of the recording when it was opened."""
        if not self.segments:
            raise RecordingError(f"{path}: cannot be read: No such file or directory")
        self.finished: list[SegmentFacts] = []
        """Of the segments that the latest iteration read to their end."""
        self._limits = limits
        self._stopped = stopped
        self._generation = 0
        """Of the iteration that may go on; it counts up when that is ended."""
        self._ended_by = ""
        self._open: list[_OpenSegment] = []
        self._indexes: dict[int, StartIndex] = {}

    def __enter__(self) -> RecordingReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all files, which ends an iteration; may be called twice."""
        self._end_iteration("this recording is closed")

    def _end_iteration(self, why: str) -> None:
        self._generation += 1
        self._ended_by = why
        for segment in self._open:
            segment.close()
        self._open = []

    def __iter__(self) -> Iterator[RecordedMessage]:
        """Yield all messages; see `messages`."""
        return self.messages()

    def messages(
        self, start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[RecordedMessage]:
        """Yield the messages in the order of recording; a new iteration ends the one before.

        Parameters
        ----------
        start_ns : int, optional
            UTC at the recorder, `RecordedMessage.t_recorded_ns`. The frames since the latest key
            frame of each camera before that time come first: those from then on build on them.
        end_ns : int, optional
            The first time that is left out.

        Raises
        ------
        RecordingError
            If a segment cannot be read or is of another program, or if another iteration has
            begun. A segment without a byte, of a recorder that was killed in its first moment, is
            passed over.
        """
        self._end_iteration("another iteration of this recording has begun")
        self.finished = []
        starts: dict[str, tuple[int, int]] = {}
        if start_ns is not None:
            starts = self._starts_before(start_ns)
        for index, message in self._merged(starts):
            if end_ns is not None and message.t_recorded_ns >= end_ns:
                return
            if start_ns is not None and message.t_recorded_ns < start_ns:
                start = starts.get(message.camera)
                if message.kind != "frames" or start is None or (index, message.offset) < start:
                    continue
            yield message

    def first(self) -> RecordedMessage | None:
        """Return the first message; None if nothing was recorded."""
        for path in self.segments:
            segment = self._opened(path)
            if segment is not None:
                segment.close()
                if segment.next is not None:
                    return segment.next
        return None

    def _starts_before(self, t_ns: int) -> dict[str, tuple[int, int]]:
        """Return for each camera the segment and the offset of its latest key frame before."""
        last = 0
        for index in range(len(self.segments)):
            segment = self._opened(self.segments[index])
            if segment is not None:
                segment.close()
                if segment.next is not None and segment.next.t_recorded_ns <= t_ns:
                    last = index
        starts = {}
        # A camera may have gone on in the segment before, until its next key frame.
        for index in range(max(0, last - 1), last + 1):
            for camera, offset in self._index_of(index).latest(t_ns).items():
                starts[camera] = index, offset
        return starts

    def _index_of(self, number: int) -> StartIndex:
        found = self._indexes.get(number)
        if found is None:
            with SegmentReader(self.segments[number], self._limits) as reader:
                found = StartIndex(self._unless_stopped(reader))
            while len(self._indexes) >= MAX_INDEXES:
                self._indexes.pop(next(iter(self._indexes)))
            self._indexes[number] = found
        return found

    def _unless_stopped(self, messages: Iterable[RecordedMessage]) -> Iterator[RecordedMessage]:
        for message in messages:
            if self._stopped():
                raise RecordingError(f"{self.path}: reading was stopped")
            yield message

    def _merged(
        self, starts: Mapping[str, tuple[int, int]]
    ) -> Iterator[tuple[int, RecordedMessage]]:
        """Yield the messages of segments, those of one run of the recorder in order of time."""
        generation = self._generation
        first = min((index for index, _ in starts.values()), default=0)
        waiting = iter(range(first, len(self.segments)))
        active: list[_OpenSegment] = []
        upcoming = self._next_segment(waiting, starts)
        while active or upcoming is not None:
            oldest = min(active, key=_time_of, default=None)
            if upcoming is not None and (
                oldest is None
                or (
                    upcoming.reader.run == oldest.reader.run != ""
                    and _time_of(upcoming) <= _time_of(oldest)
                )
            ):
                active.append(upcoming)
                upcoming = self._next_segment(waiting, starts)
                continue
            assert oldest is not None
            if oldest.next is not None:
                yield oldest.index, oldest.next
                if generation != self._generation:
                    raise RecordingError(f"{self.path}: {self._ended_by}")
                oldest.advance()
            if oldest.next is None:
                oldest.close()
                active.remove(oldest)
                self._open.remove(oldest)
                self.finished.append(oldest.facts)

    def _next_segment(
        self, waiting: Iterator[int], starts: Mapping[str, tuple[int, int]]
    ) -> _OpenSegment | None:
        for index in waiting:
            segment = self._opened(self.segments[index], index)
            if segment is not None:
                self._open.append(segment)
                offsets = [offset for start, offset in starts.values() if start == index]
                if offsets and index == min(start for start, _ in starts.values()):
                    segment.restart(min(offsets))
                return segment
        return None

    def _opened(self, path: Path, index: int = 0) -> _OpenSegment | None:
        """Open a segment; None if it is empty, or was removed meanwhile by its recorder."""
        try:
            return _OpenSegment(path, self._limits, index)
        except RecordingError as exc:
            if isinstance(exc.__cause__, FileNotFoundError) or self._is_empty(path):
                return None
            raise

    def _is_empty(self, path: Path) -> bool:
        """Return whether the recorder was killed as it created a segment after the first one."""
        try:
            return len(self.segments) > 1 and path.stat().st_size == 0
        except OSError:
            return False


def _time_of(segment: _OpenSegment) -> int:
    return 0 if segment.next is None else segment.next.t_recorded_ns
