"""Sink `record`: packets as they came, in a recording, all the time or around events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.errors import RecordingError, SinkError
from rankcast.recorder import AnyRecorder, FreeSpace, RecordedTail
from rankcast.wire import unpack
from rankcast_receiver.stream import CameraPacket

LOSSES_S: Final = 1.0
"""Interval at which losses on the way are added to the ledger of the recording."""


class RecordSink:
    """Records every packet, with the status messages and what was lost.

    Parameters
    ----------
    recorder : AnyRecorder
        Owned: `close` closes it.
    losses : callable
        Returns the packets of each camera that never came to a sink, by cause.
    space : FreeSpace, optional
        Of its disk; looked at while it records.
    tail : RecordedTail, optional
        Where the recording ended before: frames that it has are not recorded again.
    on_recorded : callable, optional
        Called with each packet that is in the kernel.

    Raises
    ------
    RankcastError
        If the recording cannot be created.
    """

    name = "record"
    wants: Final = "packets"

    def __init__(
        self,
        recorder: AnyRecorder,
        losses: Callable[[], Mapping[str, Mapping[str, int]]],
        space: FreeSpace | None = None,
        tail: RecordedTail | None = None,
        on_recorded: Callable[[CameraPacket], None] = lambda _: None,
    ) -> None:
        self._recorder = recorder
        self._tail = tail
        self._on_recorded = on_recorded
        self._resumed: set[str] = set()
        self._space = space
        self._losses = losses
        self._told: dict[str, Counter[str]] = {}
        self._told_s = boot_s()
        self._closed = False

    @property
    def kept(self) -> int:
        """Frames in the kernel, which survive the end of this process."""
        return self._recorder.recorded

    def put(self, packet: CameraPacket) -> None:
        """Record one packet; see PacketSink."""
        tail = self._tail
        try:
            if tail is None or not self._is_there(packet, tail):
                self._recorder.put(packet.camera, packet.data, packet.packet)
        except RecordingError as exc:
            raise SinkError(str(exc)) from exc
        self._on_recorded(packet)

    def _is_there(self, packet: CameraPacket, tail: RecordedTail) -> bool:
        """Return True for a frame that is recorded; go on behind the last one that is."""
        if not packet.is_picture:
            return False
        camera = packet.camera
        if tail.has(camera, packet.packet.header):
            return True
        if camera not in self._resumed:
            self._resumed.add(camera)
            reference = tail.reference(camera)
            if reference is not None and not packet.packet.header.kind.is_start:
                self._recorder.put(camera, reference, unpack(reference))
        return False

    def lose(self, camera: str, cause: str, count: int) -> None:
        """Note frames that were lost in the queue before this sink; see PacketSink."""
        self._recorder.lose(camera, cause, count)

    def idle(self) -> bool:
        """Begin and end events and segments; see Sink."""
        if boot_s() - self._told_s >= LOSSES_S:
            self._told_s = boot_s()
            self._note_losses()
        self._recorder.idle()
        if self._space is not None:
            self._space.look()
        return True

    def close(self) -> None:
        """Finish the recording; see Sink.

        Raises
        ------
        SinkError
            If the disk may have lost some of it.
        """
        if self._closed:
            return
        self._closed = True
        self._note_losses()
        try:
            self._recorder.close()
        except RecordingError as exc:
            raise SinkError(str(exc)) from exc

    def _note_losses(self) -> None:
        for camera, lost in self._losses().items():
            told = self._told.setdefault(camera, Counter())
            for cause, count in lost.items():
                if count > told[cause]:
                    self._recorder.lose(camera, cause, count - told[cause])
                    told[cause] = count
