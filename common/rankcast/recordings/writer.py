"""RecordingWriter: records the packets of cameras into the segments of a recording."""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

from rankcast.errors import NeedKeyframe, RecordingError, SettingsError, one_line
from rankcast.recordings.camera_track import CameraTrack
from rankcast.recordings.recorder_clock import RecorderClock
from rankcast.recordings.recording_options import RecordingOptions
from rankcast.recordings.retention import Retention
from rankcast.recordings.segment import (
    LEDGER_ENCODING,
    PACKET_ENCODING,
    SUFFIX,
    SegmentFile,
    segment_path,
    segments_of,
)
from rankcast.runtime import Worker, doing
from rankcast.wire import RECEIVED_NAME, VERSION, Packet, unpack

RETRY_S: Final = 1.0
"""Pause after a segment could not be created, because the disk is full, say."""
OVERLAP_S: Final = 60.0
"""Longest that a camera goes on in the old segment without sending anything."""
OVERDUE: Final = 2
"""A segment ends at this many times its size and age, key frame or not."""
CLOSE_S: Final = 30.0

_CAMERA: Final = re.compile(RECEIVED_NAME)
_UINT32: Final = 2**32


class RecordingWriter:
    """Writes a recording; the first segment is there when this returns.

    A recording that exists is continued with a further segment: nothing is ever written over. Each
    camera's part of a segment begins with a key frame or a reference packet. While it waits for
    one, its predicted frames go on into the segment before.

    Parameters
    ----------
    path : Path
        Of the first segment, ``FILE.mcap``; the next ones are ``FILE-0001.mcap`` and so on.
    options : RecordingOptions, optional
    clock : RecorderClock, optional
    now_s : callable, optional
        Monotonic clock.

    Raises
    ------
    SettingsError
        If the name does not end in ``.mcap``.
    RecordingError
        If the first segment cannot be created.

    Notes
    -----
    For one thread. Another one of its own waits for the disk once a second.
    """

    def __init__(
        self,
        path: Path,
        options: RecordingOptions | None = None,
        *,
        clock: RecorderClock | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        if path.suffix != SUFFIX:
            raise SettingsError(f"got recording {path}, want a name that ends in {SUFFIX}")
        if not path.parent.is_dir():
            raise RecordingError(f"{path}: its folder does not exist: create it or name another")
        self.path = path
        self.fault = ""
        """The latest error, also one that cost no frame; empty if there was none."""
        self._options = options or RecordingOptions()
        self._clock = clock or RecorderClock()
        self._now_s = now_s
        self._run = secrets.token_hex(8)
        self._tracks: dict[str, CameraTrack] = {}
        self._open: list[SegmentFile] = []
        """At most two: the newest one last."""
        self._durable_closed = 0
        self._started_s = 0.0
        self._retry_s = float("-inf")
        self._idle_s = now_s()
        self._unsynced = 0
        existing = segments_of(path)
        self._number = existing[-1][0] if existing else -1
        self._retention = Retention(path, self._options.limits)
        self._begin_segment()
        self._stopping = threading.Event()
        self._syncer = Worker(
            "rankcast-record-sync", self._sync_each_second, task=f"waiting for the disk of {path}"
        )
        if not self._options.sync_frames:
            self._syncer.start()

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    @property
    def recorded(self) -> int:
        """Frames in the kernel, which survive the end of this process; no references, no status."""
        return sum(track.recorded for track in self._tracks.values())

    def recorded_of(self, camera: str) -> int:
        """Return the frames of one camera in the kernel."""
        track = self._tracks.get(camera)
        return 0 if track is None else track.recorded

    @property
    def durable(self) -> int:
        """Frames on the disk, which survive a power cut: at most `recorded`."""
        return self._durable_closed + sum(segment.durable for segment in list(self._open))

    @property
    def segment(self) -> Path | None:
        """File of the newest segment; None while there is none, because the disk is full, say."""
        return self._open[-1].path if self._open else None

    @property
    def open_bytes(self) -> int:
        """Size of the segments that are being written."""
        return sum(segment.bytes for segment in self._open)

    def wants_start(self, camera: str) -> bool:
        """Return True if a key frame or reference of `camera` lets its next segment begin.

        Until then its predicted frames are recorded into the old segment, or refused if there is
        none: ask the sender for a key frame, or write `Decoder.reference_packet()`.
        """
        track = self._tracks.get(camera)
        if track is None or track.segment is None or not self._open:
            return True
        return track.segment is not self._open[-1] or self._is_due()

    def write(
        self,
        camera: str,
        data: bytes | bytearray | memoryview,
        packet: Packet | None = None,
        *,
        t_recorded_ns: int | None = None,
    ) -> None:
        """Record one packet; it survives the end of this process when this returns.

        Parameters
        ----------
        camera : str
        data : bytes-like
            The packet, as it was sent.
        packet : Packet, optional
            The same, parsed; completed or not.
        t_recorded_ns : int, optional
            Time of the clock of this writer at which the packet came; now by default.

        Raises
        ------
        NeedKeyframe
            If the packet is predicted and the recording has nothing before it that it builds on:
            it is not recorded, and neither are those up to the next key frame or reference.
        RecordingError
            If it could not be written; the next ones are tried again, from a key frame on.
        WireError
            If `data` is no packet.
        """
        self.idle()
        packet = unpack(data) if packet is None else packet
        track = self._track(camera)
        header = packet.header
        if not header.kind.is_picture:
            self._append(self._newest(), f"{camera}/status", PACKET_ENCODING, data,
                         header.sequence, header.t_capture_utc_ns, t_recorded_ns)  # fmt: skip
            return
        segment = self._segment_for(track, packet)
        t_capture_ns = track.capture_utc_ns(header)
        self._append(
            segment, f"{camera}/frames", PACKET_ENCODING, data, header.sequence, t_capture_ns,
            t_recorded_ns,
        )  # fmt: skip
        self._enter(track, segment)
        track.written_s = self._now_s()
        if track.add(header):
            segment.frames += 1
            self._unsynced += 1
            if 0 < self._options.sync_frames <= self._unsynced:
                self._sync()

    def lose(self, camera: str, cause: str, count: int = 1) -> None:
        """Count frames of `camera` that were not recorded; the ledger in the recording has them."""
        self._track(camera).lost[cause] += count

    def losses(self, camera: str) -> Mapping[str, int]:
        """Return the frames of `camera` that were not recorded, by cause."""
        return dict(self._track(camera).lost)

    def idle(self) -> None:
        """Do what is due once a second: ledger, retention; call it also while nothing arrives."""
        now_s = self._now_s()
        if now_s - self._idle_s < 1:
            return
        self._idle_s = now_s
        self._write_ledgers()
        for old in self._open[:-1]:
            within = [track for track in self._tracks.values() if track.segment is old]
            if all(now_s - track.written_s > OVERLAP_S for track in within):
                self._end_segment(old)
        self._tidy()

    def close(self) -> None:
        """Write the last ledger and the index, and wait for the disk; may be called twice.

        Raises
        ------
        RecordingError
            If the disk may have lost some of the recording.
        """
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._write_ledgers()
        failure: RecordingError | None = None
        for segment in list(self._open):
            try:
                self._finish(segment)
            except RecordingError as exc:
                failure = failure or exc
        self._syncer.join(CLOSE_S)
        if failure is not None:
            raise failure

    def _track(self, camera: str) -> CameraTrack:
        track = self._tracks.get(camera)
        if track is None:
            if not _CAMERA.fullmatch(camera):
                raise SettingsError(
                    f"got camera name {camera!r:.60}, want 1 to 35 of a-z, 0-9, _ and -"
                )
            track = self._tracks[camera] = CameraTrack(camera)
        return track

    def _segment_for(self, track: CameraTrack, packet: Packet) -> SegmentFile:
        """Return the segment that a picture goes to; begin a new one where it is due."""
        if packet.header.kind.is_start:
            newest = self._newest()
            if self._is_due() and (track.segment is newest or self._is_overdue()):
                return self._rotate(newest)
            return newest
        if self._is_overdue():
            for segment in list(self._open):
                self._end_segment(segment)
        if track.segment is None or not track.continues(packet.header):
            track.segment = None
            raise NeedKeyframe(
                f"frame {packet.header.sequence} of {track.camera} is predicted from one that is "
                "not recorded: the recording goes on at the next key frame"
            )
        return track.segment

    def _newest(self) -> SegmentFile:
        if not self._open:
            if self._now_s() - self._retry_s < RETRY_S:
                raise RecordingError(self.fault)
            self._begin_segment()
        return self._open[-1]

    def _is_due(self, times: int = 1) -> bool:
        if not self._open:
            return False
        newest, options = self._open[-1], self._options
        return (
            newest.suspect
            or newest.bytes >= times * options.segment_bytes
            or self._now_s() - self._started_s >= times * options.segment_s
        )

    def _is_overdue(self) -> bool:
        return self._is_due(OVERDUE) and not self._open[-1].suspect

    def _rotate(self, newest: SegmentFile) -> SegmentFile:
        if self._now_s() - self._retry_s < RETRY_S:
            return newest
        try:
            self._begin_segment()
        except RecordingError:  # noted; the old segment serves as long as it can
            return newest
        for segment in self._open[:-2]:
            self._end_segment(segment)
        return self._open[-1]

    def _begin_segment(self) -> None:
        self._clock.follow()
        started = datetime.fromtimestamp(self._clock.now_ns() // 10**9, UTC)
        while True:
            self._number += 1
            facts = {
                "run": self._run,
                "segment": str(self._number),
                "started": f"{started:%Y-%m-%dT%H:%M:%SZ}",
                "wire_version": str(VERSION),
            }
            path = segment_path(self.path, self._number)
            try:
                with doing(f"creating {path}"):
                    segment = SegmentFile(path, "rankcast", facts)
            except FileExistsError:  # created by somebody else meanwhile
                continue
            except RecordingError as exc:
                self._number -= 1
                self._retry_s, self.fault = self._now_s(), one_line(exc)
                raise
            self._open.append(segment)
            self._started_s = self._now_s()
            return

    def _enter(self, track: CameraTrack, segment: SegmentFile) -> None:
        """Note where a camera's frames go; a segment that no camera writes to any more ends."""
        track.segment = segment
        for old in self._open[:-1]:
            if not any(other.segment is old for other in self._tracks.values()):
                self._end_segment(old)

    def _append(
        self,
        segment: SegmentFile,
        topic: str,
        encoding: str,
        data: bytes | bytearray | memoryview,
        sequence: int,
        t_publish_ns: int | None,
        t_log_ns: int | None = None,
    ) -> None:
        t_log_ns = self._clock.now_ns() if t_log_ns is None else t_log_ns
        try:
            self._retention.check_room()
            with doing(f"writing {segment.path}"):
                segment.write(topic, encoding, sequence % _UINT32, t_log_ns,
                              t_log_ns if t_publish_ns is None else t_publish_ns, data)  # fmt: skip
        except RecordingError as exc:
            self._retry_s, self.fault = self._now_s(), one_line(exc)
            if segment.messages:
                self._end_segment(segment)
            else:
                self._forget(segment)
                segment.discard()
                self._number -= 1
            raise

    def _end_segment(self, segment: SegmentFile) -> None:
        """Finish a segment while the recording goes on."""
        try:
            self._finish(segment)
        except RecordingError as exc:
            self.fault = one_line(exc)

    def _finish(self, segment: SegmentFile) -> None:
        self._forget(segment)
        try:
            with doing(f"finishing {segment.path}"):
                segment.finish()
        finally:
            self._durable_closed += segment.durable
            self._retention.add(segment.path)

    def _forget(self, segment: SegmentFile) -> None:
        if segment in self._open:
            self._open.remove(segment)
        for track in self._tracks.values():
            if track.segment is segment:
                track.segment = None

    def _write_ledgers(self) -> None:
        """Write what changed since the last time: one message for each camera."""
        for track in self._tracks.values():
            ledger = {"recorded": track.recorded, "lost": dict(track.lost)}
            if ledger == track.ledger or not self._open:
                continue
            facts = {**ledger, "clock_ahead_ms": round(self._clock.ahead_ns() / 1e6)}
            segment = track.segment or self._open[-1]
            with suppress(RecordingError):  # noted; the next message of the camera reports it
                self._append(segment, f"{track.camera}/ledger", LEDGER_ENCODING,
                             json.dumps(facts).encode("ascii"), 0, None)  # fmt: skip
                track.ledger = ledger

    def _tidy(self) -> None:
        try:
            self._retention.tidy(self.open_bytes)
        except RecordingError as exc:
            self.fault = one_line(exc)

    def _sync_each_second(self) -> None:
        while not self._stopping.wait(1.0):
            self._sync()

    def _sync(self) -> None:
        """Wait for the disk; a segment of which it may have lost something is ended soon."""
        self._unsynced = 0
        for segment in list(self._open):
            try:
                segment.sync()
            except OSError as exc:
                segment.suspect = True
                self.fault = f"{segment.path}: the disk may have lost frames: {one_line(exc)}"
