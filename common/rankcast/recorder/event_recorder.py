"""EventRecorder: keeps the last seconds in memory and records them around events."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from rankcast.atomic_file import check_writable
from rankcast.errors import NeedKeyframe, RankcastError, RecordingError, one_line
from rankcast.recorder.disk_room import DiskRoom
from rankcast.recorder.event_files import event_files, event_path, newest_event
from rankcast.recorder.keyframe_wishes import AskKeyframe, KeyframeWishes
from rankcast.recorder.packet_ring import PacketRing, RingEntry
from rankcast.recorder.recorded_chain import RecordedChain
from rankcast.recorder.triggers import Trigger, Triggers
from rankcast.recordings import (
    RecorderClock,
    RecordingLimits,
    RecordingOptions,
    RecordingWriter,
    Retention,
    segments_of,
)
from rankcast.runtime import SINK, WAITING_FOR_KEYFRAME, LogLimiter
from rankcast.wire import Header, Packet

log = logging.getLogger(__name__)

TIDY_S: Final = 1.0
LOOKED_FOR: Final = 100
"""Frames after which a key of `trigger_meta` that none of them has is reported."""
TIDY_BYTES: Final = 16 * 1024 * 1024
"""The free space is looked at after so many bytes of an event that come from memory at once."""
RETRY_S: Final = 1.0
"""Pause after the file of an event could not be created."""
_FORBIDDEN: Final = re.compile(r"[^a-z0-9_]")


@dataclass(frozen=True, slots=True)
class EventOptions:
    """What of a stream is recorded around events."""

    pre_s: float
    post_s: float
    ring_bytes: int = 256 * 1024 * 1024
    trigger_meta: str = ""
    """Key of the metadata of frames that starts an event when its value becomes true."""
    recording: RecordingOptions = field(default_factory=RecordingOptions)
    """Of the file of each event; its limits hold for all events together."""


class _Event:
    """An event that is being recorded, or will be once the disk takes its file."""

    def __init__(self, trigger: Trigger, until_s: float) -> None:
        self.trigger = trigger
        self.until_s = until_s
        self.writer: RecordingWriter | None = None
        self.retry_s = float("-inf")


class EventRecorder:
    """Records what came before and after each trigger, one file an event.

    A trigger during an event prolongs it. Nothing is decoded: each camera's part begins with a key
    frame, that before the wanted span.

    Parameters
    ----------
    path : Path
        ``FILE.mcap``; the file of an event is ``FILE-UTC-CAUSE.mcap``.
    options : EventOptions
    triggers : Triggers
    ask : callable, optional
        Asks for key frames.
    clock : RecorderClock, optional
    now_s : callable
        Monotonic clock, that of `triggers`.
    free : callable, optional
        Returns the free bytes of a folder's file system.

    Raises
    ------
    RankcastError
        If nothing can be written there.
    """

    def __init__(
        self,
        path: Path,
        options: EventOptions,
        triggers: Triggers,
        ask: AskKeyframe = lambda _camera, _wanted: None,
        *,
        clock: RecorderClock | None = None,
        now_s: Callable[[], float] = time.monotonic,
        free: Callable[[Path], int] | None = None,
    ) -> None:
        check_writable(path)
        self.path = path
        self.events = 0
        """Events with a file."""
        self.fault = ""
        """The latest error; empty if there was none."""
        self._options, self._triggers, self._now_s = options, triggers, now_s
        self._clock = clock or RecorderClock()
        self._ring = PacketRing(options.pre_s, options.ring_bytes)
        self._chains: dict[str, RecordedChain] = {}
        self._lines: dict[str, bool] = {}
        self._without_line = 0
        """Frames until the first one whose metadata has the key of `trigger_meta`."""
        self._event: _Event | None = None
        self._starved: set[str] = set()
        """Cameras that wait for a key frame in the file of the event."""
        self._cut: set[str] = set()
        """Cameras of which a picture is missing there, without the writer knowing of it."""
        self._closed: Counter[str] = Counter()
        """Frames of each camera in the events that are complete."""
        limits, files = options.recording.limits, event_files(path)
        self._room = DiskRoom(path.parent, now_s, free, limits.min_free_bytes)
        self._wishes = KeyframeWishes(ask, self.wants_keyframe, now_s)
        self._retention = Retention(path, limits, segments=files, free=free)
        self._retention.keep(newest_event(files))
        self._tidied_s = now_s()
        self._faults_log = LogLimiter()

    @property
    def recorded(self) -> int:
        """Frames of all events in the kernel, which survive the end of this process."""
        writer = self._writer
        return self._closed.total() + (0 if writer is None else writer.recorded)

    def recorded_of(self, camera: str) -> int:
        """Return those of one camera."""
        writer = self._writer
        return self._closed[camera] + (0 if writer is None else writer.recorded_of(camera))

    def put(self, camera: str, data: bytes | bytearray | memoryview, packet: Packet) -> None:
        """Keep one packet in memory and, during an event, record it.

        Raises
        ------
        NeedKeyframe
            If it is predicted from a frame that never came here: it is lost.
        RecordingError
            If the disk did not take it during an event: it is lost, unless it is a status.
        """
        entry = RingEntry(camera, data, packet, self._clock.now_ns(), self._now_s())
        header = packet.header
        if not header.kind.is_picture:
            self._serve(entry.t_s)
            self._ring.add(entry)
            if self._writer is not None:
                self._record(self._writer, entry)
            return
        chain = self._chains.setdefault(camera, RecordedChain())
        try:
            if not chain.continues(header):
                self.lose(camera, WAITING_FOR_KEYFRAME)
                raise NeedKeyframe(
                    f"frame {header.sequence} of {camera} is predicted from one that did not "
                    "come: events go on at the next key frame"
                )
            chain.add(header)
            self._look_at_line(camera, header)
            self._serve(entry.t_s)  # first: this packet is the one after the trigger
            self._ring.add(entry)
            if self._writer is not None:
                self._record(self._writer, entry)
        finally:
            self._wishes.update((camera,))

    def lose(self, camera: str, cause: str, count: int = 1) -> None:
        """Count frames that never came here; the ledger of an event has those during it."""
        if self._writer is not None:
            self._writer.lose(camera, cause, count)

    def wants_keyframe(self, camera: str) -> bool:
        """Return True if only a key frame of `camera` can be kept or recorded next."""
        chain = self._chains.get(camera)
        if chain is None or chain.broken or self._ring.lacks_start(camera):
            return True
        writer = self._writer
        if writer is None or not (camera in self._cut or writer.wants_start(camera)):
            return False
        return self._room.may_try

    def idle(self) -> None:
        """Begin and end events; call it also while nothing arrives."""
        now_s = self._now_s()
        self._serve(now_s)
        if self._writer is not None:
            self._writer.idle()
        if now_s - self._tidied_s >= TIDY_S:
            self._tidied_s = now_s
            self._tidy()
            self._wishes.update(tuple(self._chains))

    def close(self) -> None:
        """Finish the event that is being recorded.

        Raises
        ------
        RecordingError
            If the disk may have lost some of it.
        """
        self._serve(self._now_s())
        event, self._event = self._event, None
        if event is not None and event.writer is not None:
            self._finish(event.writer)

    @property
    def _writer(self) -> RecordingWriter | None:
        return None if self._event is None else self._event.writer

    def _look_at_line(self, camera: str, header: Header) -> None:
        """Pull the trigger if the line of this camera, an entry of its metadata, has risen."""
        key = self._options.trigger_meta
        if not key:
            return
        if key not in header.meta:
            self._miss_line(key, header)
            return
        high = bool(header.meta[key])
        if high and not self._lines.get(camera, False):
            self._triggers.pull(_FORBIDDEN.sub("_", key.lower())[:32])
        self._lines[camera] = high

    def _miss_line(self, key: str, header: Header) -> None:
        """Say once that no frame has the key: it may be misspelt, or the input not asked for."""
        self._without_line += not self._lines
        if self._without_line == LOOKED_FOR and not self._lines:
            log.warning(
                "no frame of the first %d has metadata %r, which record.trigger_meta names: no "
                "event starts by it; this frame has %s", LOOKED_FOR, key[:64],
                ", ".join(map(repr, sorted(header.meta)))[:200] or "none",
            )  # fmt: skip

    def _serve(self, now_s: float) -> None:
        """Take the triggers that wait; end an event whose time is over."""
        event = self._event
        if event is not None and now_s >= event.until_s:
            self._take_triggers()
            if now_s >= event.until_s:
                self._event = None
                self._ring.held_since_s = float("inf")
                if event.writer is None:
                    log.error("event %s is lost: %s", event.trigger.cause, self.fault)
                else:
                    with suppress(RecordingError):  # logged
                        self._finish(event.writer)
        self._take_triggers()
        event = self._event
        if event is not None and event.writer is None and now_s - event.retry_s >= RETRY_S:
            event.retry_s = now_s
            self._begin(event)

    def _take_triggers(self) -> None:
        while (trigger := self._triggers.take()) is not None:
            until_s = trigger.t_s + self._options.post_s
            if self._event is None:
                self._event = _Event(trigger, until_s)
                continue
            self._event.until_s = max(self._event.until_s, until_s)
            log.info("event %s goes on: %s", self._event.trigger.cause, trigger.cause)

    def _begin(self, event: _Event) -> None:
        """Create the file of an event, and write what is in memory."""
        trigger = event.trigger
        path = event_path(self.path, trigger.t_utc_ns, trigger.cause)
        options = replace(self._options.recording, limits=RecordingLimits())
        try:
            self._make_room()
            writer = RecordingWriter(path, options, clock=self._clock, now_s=self._now_s)
        except RecordingError as exc:
            self._note(exc)
            self._ring.held_since_s = trigger.t_s - self._options.pre_s
            return
        event.writer = writer
        self._retention.keep(())  # the newest event is now the one that is being written
        self._starved.clear()
        self._cut.clear()
        self._ring.held_since_s = float("inf")
        self.events += 1
        written = unchecked_bytes = 0
        for entry in self._ring.since(trigger.t_s - self._options.pre_s):
            try:
                self._record(writer, entry)
            except RankcastError as exc:
                self._note(exc)
                continue
            unchecked_bytes += len(entry.data)
            if unchecked_bytes >= TIDY_BYTES:
                unchecked_bytes = 0
                self._tidy()
            written += entry.packet.header.kind.is_picture
        log.info("event %s: %d frames before it, recording to %s", trigger.cause, written, path)

    def _make_room(self) -> None:
        """Remove the oldest events beyond the limits.

        The newest one goes only if the event that begins can be recorded then.

        Raises
        ------
        RecordingError
            If less space is free than is to be kept.
        """
        self._retention.tidy(0)
        try:
            self._retention.check_room()
        except RecordingError:
            self._retention.give_up_kept()
            self._retention.tidy(0)
            self._retention.check_room()

    def _record(self, writer: RecordingWriter, entry: RingEntry) -> None:
        """Write one packet to the file of an event; count a frame that is lost."""
        header, size = entry.packet.header, len(entry.data)
        picture = header.kind.is_picture
        try:
            self._retention.check_room()
            if picture and entry.camera in self._cut and not header.kind.is_start:
                raise NeedKeyframe(
                    f"frame {header.sequence} of {entry.camera} is predicted from one that is not "
                    "recorded: the event goes on at the next key frame"
                )
            writer.write(entry.camera, entry.data, entry.packet, t_recorded_ns=entry.t_recorded_ns)
        except NeedKeyframe as exc:
            starved = entry.camera in self._starved
            self._starved.add(entry.camera)
            if writer.segment is None and writer.fault and not starved:
                # The disk did not take something before it, such as a status.
                writer.lose(entry.camera, SINK)
                self._room.refused(size)
                raise RecordingError(writer.fault) from exc
            writer.lose(entry.camera, WAITING_FOR_KEYFRAME)
            raise
        except RecordingError:
            self._starved.add(entry.camera)
            if picture:
                self._cut.add(entry.camera)
                writer.lose(entry.camera, SINK)
            self._room.refused(size)
            raise
        self._room.wrote(size)
        self._starved.discard(entry.camera)
        if picture:
            self._cut.discard(entry.camera)

    def _finish(self, writer: RecordingWriter) -> None:
        try:
            writer.close()
        except RecordingError as exc:
            self._note(exc)
            raise
        finally:
            for camera in self._chains:
                self._closed[camera] += writer.recorded_of(camera)
            segments = [segment for _, segment in segments_of(writer.path)]
            for segment in segments:
                self._retention.add(segment)
            self._retention.keep(segments)
        log.info("%s: complete, %d frames", writer.path, writer.recorded)

    def _tidy(self) -> None:
        try:
            self._retention.tidy(0 if self._writer is None else self._writer.open_bytes)
        except RecordingError as exc:
            self._note(exc)

    def _note(self, exc: RankcastError) -> None:
        self.fault = one_line(exc)
        if self._faults_log.may_log():
            log.error("event not recorded completely: %s", self.fault)
