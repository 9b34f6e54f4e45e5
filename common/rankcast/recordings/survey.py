"""Survey: what a recording holds, read once from its first byte to its last."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rankcast.codec import CODECS
from rankcast.errors import WireError
from rankcast.recordings.reader import RecordingReader, SegmentFacts
from rankcast.recordings.segment import RecordedMessage
from rankcast.wire import OFFLINE, Kind, Limits, unpack

MAX_GAPS: Final = 100
"""Most gaps that are listed for a camera; all are counted."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames that the sender published and the recording does not have."""

    after_sequence: int
    missing: int
    t_recorded_ns: int
    """Of the frame behind the gap."""


@dataclass(slots=True)
class CameraSurvey:
    """What a recording holds of one camera."""

    name: str
    frames: int = 0
    key_frames: int = 0
    references: int = 0
    packet_bytes: int = 0
    """Of all frames."""
    statuses: int = 0
    streams: int = 0
    """Starts of the sender."""
    refused: int = 0
    """Packets that this version cannot read."""
    missing: int = 0
    """Frames in all gaps."""
    gap_count: int = 0
    gaps: list[Gap] = field(default_factory=list)
    """The first ones."""
    t_first_ns: int | None = None
    t_last_ns: int | None = None
    """When the first and the last frame were recorded."""
    codec: str = ""
    shape: tuple[int, ...] | None = None
    bits: int = 0
    """Bits a sample that carry the picture."""
    lost: Counter[str] = field(default_factory=Counter)
    """Frames that the recorder lost, by cause, as its ledgers say."""
    _stream_id: bytes = b""
    _sequence: int = -1
    _ledger: dict[str, Any] = field(default_factory=dict)

    @property
    def fps(self) -> float | None:
        """Mean frames a second; None with less than two frames."""
        if self.t_first_ns is None or self.t_last_ns is None or self.t_last_ns <= self.t_first_ns:
            return None
        return (self.frames - 1) / (self.t_last_ns - self.t_first_ns) * 1e9

    def add(self, message: RecordedMessage, limits: Limits) -> None:
        """Count one message of this camera."""
        if message.kind == "ledger":
            self._add_ledger(message)
        elif message.kind == "status":
            self.statuses += 1
        else:
            self._add_frame(message, limits)

    def _add_frame(self, message: RecordedMessage, limits: Limits) -> None:
        try:
            header = unpack(message.data, limits).header
        except WireError:
            self.refused += 1
            return
        same = header.stream_id == self._stream_id
        if header.kind is Kind.REFERENCE:
            self.references += 1
            if same and header.sequence <= self._sequence:
                return
        if not same:
            self.streams += 1
        elif header.sequence > self._sequence + 1:
            gap = Gap(self._sequence, header.sequence - self._sequence - 1, message.t_recorded_ns)
            self.missing += gap.missing
            self.gap_count += 1
            if len(self.gaps) < MAX_GAPS:
                self.gaps.append(gap)
        self._stream_id, self._sequence = header.stream_id, header.sequence
        self.frames += 1
        self.key_frames += header.kind is Kind.KEY
        self.packet_bytes += len(message.data)
        self.t_first_ns = message.t_recorded_ns if self.t_first_ns is None else self.t_first_ns
        self.t_last_ns = message.t_recorded_ns
        if header.shape is not None:
            self.shape = header.shape
            self.bits = header.significant_bits or 8 * header.dtype_bytes
            codec = CODECS.get(header.codec or 0)
            self.codec = f"id {header.codec}" if codec is None else codec.name

    def _add_ledger(self, message: RecordedMessage) -> None:
        try:
            ledger = json.loads(bytes(message.data))
            recorded = int(ledger["recorded"])
            lost = {str(cause)[:64]: int(count) for cause, count in ledger["lost"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return
        before = self._ledger
        if recorded < before.get("recorded", 0):  # another run of the recorder
            before = {}
        for cause, count in lost.items():
            self.lost[cause] += max(0, count - before.get("lost", {}).get(cause, 0))
        self._ledger = {"recorded": recorded, "lost": lost}


@dataclass(frozen=True, slots=True)
class Survey:
    """What a recording holds."""

    cameras: list[CameraSurvey]
    segments: list[SegmentFacts]
    t_first_ns: int | None
    t_last_ns: int | None
    """When the first and the last message were recorded."""

    @property
    def frames(self) -> int:
        """Frames of all cameras."""
        return sum(camera.frames for camera in self.cameras)

    @property
    def bytes(self) -> int:
        """Size of all segments."""
        return sum(segment.size_bytes for segment in self.segments)


def survey_recording(path: Path, limits: Limits = OFFLINE) -> Survey:
    """Read a recording and count what it holds; every CRC-32 is checked.

    Raises
    ------
    RecordingError
        If it cannot be read or is of another program.
    """
    cameras: dict[str, CameraSurvey] = {}
    first_ns = last_ns = None
    with RecordingReader(path, limits) as reader:
        for message in reader:
            camera = cameras.get(message.camera)
            if camera is None:
                camera = cameras[message.camera] = CameraSurvey(message.camera)
            camera.add(message, limits)
            first_ns = message.t_recorded_ns if first_ns is None else first_ns
            last_ns = message.t_recorded_ns
        segments = sorted(reader.finished, key=lambda one: reader.segments.index(one.path))
    return Survey(list(cameras.values()), segments, first_ns, last_ns)
