"""Sink `record`: packets as they came, in a recording, all the time or around events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.errors import RecordingError, SinkError
from rankcast.recorder import AnyRecorder, FreeSpace
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
    ) -> None:
        self._recorder = recorder
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
        try:
            self._recorder.put(packet.camera, packet.data, packet.packet)
        except RecordingError as exc:
            raise SinkError(str(exc)) from exc

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
