"""StartIndex: where the key frames of a segment are, to begin reading at a time."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable

from rankcast.recordings.segment.recorded_message import RecordedMessage


class StartIndex:
    """Times and places of the key frames and references of each camera in one segment.

    Holds 16 bytes for each of them.
    """

    def __init__(self, messages: Iterable[RecordedMessage]) -> None:
        self._times: dict[str, array[int]] = {}
        self._offsets: dict[str, array[int]] = {}
        for message in messages:
            if message.is_start:
                self._times.setdefault(message.camera, array("Q")).append(message.t_recorded_ns)
                self._offsets.setdefault(message.camera, array("Q")).append(message.offset)

    def latest(self, t_ns: int) -> dict[str, int]:
        """Return for each camera the offset of its latest key frame at or before a time."""
        found = {}
        for camera, times in self._times.items():
            at = bisect_right(times, t_ns)
            if at:
                found[camera] = self._offsets[camera][at - 1]
        return found
