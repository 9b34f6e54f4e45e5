"""Sink `record` behind a durable consumer: what a server keeps until it is recorded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.errors import RecordingError, SinkError
from rankcast.recorder import AnyRecorder, FreeSpace, RecordedTail
from rankcast.runtime import LogLimiter
from rankcast.wire import unpack
from rankcast_receiver.sinks.record import RecordSink
from rankcast_receiver.stream import CameraPacket

log = logging.getLogger(__name__)

RETRY_S: Final = 1.0
POLL_S: Final = 0.1


class DurableRecordSink(RecordSink):
    """Records what a server keeps until it is recorded.

    Frames that the recording has are not written again: those that a recorder which was killed had
    written and not acknowledged. Where the disk takes nothing, the sink waits, and with it the
    stream at the server.

    Parameters
    ----------
    open_recorder : callable
        Opens the recording, whose next segment goes on behind the last one.
    open_tail : callable
        Reads where the recording ended.
    losses, space
        See `RecordSink`.
    on_recorded : callable
        Called with each packet that is in the kernel.
    stopped : callable
        Returns True once the receiver is to end.

    Raises
    ------
    RankcastError
        If the recording cannot be created.
    """

    def __init__(
        self,
        open_recorder: Callable[[], AnyRecorder],
        open_tail: Callable[[], RecordedTail],
        losses: Callable[[], Mapping[str, Mapping[str, int]]],
        space: FreeSpace | None = None,
        *,
        on_recorded: Callable[[CameraPacket], None],
        stopped: Callable[[], bool],
    ) -> None:
        self._tail = open_tail()
        super().__init__(open_recorder(), losses, space)
        self._open_recorder, self._open_tail = open_recorder, open_tail
        self._on_recorded, self._stopped = on_recorded, stopped
        self._resumed: set[str] = set()
        self._kept_before = 0
        self._log_limiter = LogLimiter(60.0)

    @property
    def kept(self) -> int:
        """Frames in the kernel, which survive the end of this process."""
        return self._kept_before + self._recorder.recorded

    def put(self, packet: CameraPacket) -> None:
        """Record one packet, however long the disk takes nothing; see PacketSink.

        Raises
        ------
        SinkError
            If the receiver ends meanwhile: the server delivers the packet again.
        """
        while True:
            try:
                if not self._is_there(packet):
                    self._recorder.put(packet.camera, packet.data, packet.packet)
            except RecordingError as exc:
                self._wait_for_disk(exc)
                continue
            self._on_recorded(packet)
            return

    def _is_there(self, packet: CameraPacket) -> bool:
        """Return True for a frame that is recorded; go on behind the last one that is."""
        if not packet.is_picture:
            return False
        camera, header = packet.camera, packet.packet.header
        if self._tail.has(camera, header):
            return True
        if camera not in self._resumed:
            reference = None if header.kind.is_start else self._tail.reference(camera)
            if reference is not None:
                self._recorder.put(camera, reference, unpack(reference))
            self._resumed.add(camera)
        return False

    def _wait_for_disk(self, exc: RecordingError) -> None:
        """Wait, and go on with another segment behind what is recorded."""
        if self._log_limiter.may_log():
            log.warning("%s: it waits, and the server keeps what comes meanwhile", exc)
        kept = self._recorder.recorded
        with suppress(RecordingError):
            self._recorder.close()
        while True:
            until_s = boot_s() + RETRY_S
            while boot_s() < until_s:
                if self._stopped():
                    raise SinkError(str(exc)) from exc
                time.sleep(POLL_S)
            try:
                self._tail, self._recorder = self._open_tail(), self._open_recorder()
            except RecordingError as again:
                log.debug("%s", again)
                continue
            self._kept_before += kept
            self._resumed.clear()
            return
