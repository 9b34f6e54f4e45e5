"""BlackBox: records what a sender publishes, beside the stream, with or without viewers."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rankcast.encoder import EncodedPacket
from rankcast.errors import NeedKeyframe, RankcastError, RecordingError, one_line
from rankcast.recorder import AnyRecorder, FreeSpace, Triggers, open_recorder
from rankcast.runtime import (
    SINK,
    STOPPED,
    WAITING_FOR_KEYFRAME,
    Ledger,
    LogLimiter,
    MailboxClosed,
    PacketBacklog,
    Worker,
    doing,
)
from rankcast.settings import RecordTable
from rankcast.wire import Header, Kind, Packet, unpack
from rankcast_sender.camera import Camera

log = logging.getLogger(__name__)

IDLE_S: Final = 0.05
OPEN_S: Final = 30.0
"""Longest wait for the file to be created."""
BLACK_BOX_STOP_S: Final = 30.0
"""Longest wait for a slow disk to take what is queued."""
_NO_BODY: Final = memoryview(b"")


@dataclass(frozen=True, slots=True)
class _Item:
    tape: Tape
    data: bytes
    header: Header | None
    """Of a picture; None for a status or an end."""


class Tape:
    """The recording of one camera; see `rankcast_sender.camera.Tape`."""

    def __init__(self, camera: Camera, backlog: PacketBacklog[_Item]) -> None:
        self.camera = camera
        self.ledger = Ledger()
        self.recorded = 0
        self._backlog = backlog
        self._ended = False
        self._lock = threading.Lock()
        self._abandoned = False

    @property
    def lost(self) -> Mapping[str, int]:
        """Frames that are not recorded although they were published, by cause."""
        return self.ledger.balance().lost

    def offer(self, packet: EncodedPacket) -> None:
        """Queue a picture that was published, without waiting; from the encode thread."""
        with self._lock:
            self.ledger.enter()
            if not self._backlog.put(_Item(self, packet.data, packet.header)):
                self.ledger.lose(STOPPED)

    def note(self, data: bytes) -> None:
        """Queue a status or an end, without waiting; from the thread of the socket."""
        if self._ended:
            return  # the end is published again and again
        self._ended = data[8] == Kind.END
        self._backlog.put(_Item(self, data, None))

    def settle(self, cause: str, recorder: AnyRecorder) -> None:
        """Count a picture that `recorder` took or, with a cause, did not; from its thread."""
        with self._lock:
            if self._abandoned:
                return  # it came back after all, but its frame has been counted as lost
            if cause:
                self.ledger.lose(cause)
            else:
                self.ledger.passed()
            self.recorded = recorder.recorded_of(self.camera.name)

    def look_at(self, recorder: AnyRecorder) -> None:
        """Take over how many frames are recorded; from the thread of `recorder`."""
        with self._lock:
            if not self._abandoned:
                self.recorded = recorder.recorded_of(self.camera.name)

    def abandon(self) -> None:
        """Count the frames that are under way as stopped, for good; the backlog is empty."""
        with self._lock:
            self._abandoned = True
            self.ledger.lose(STOPPED, max(0, self.ledger.balance().under_way))


class BlackBox:
    """Records the packets of all cameras of a sender in a thread of its own.

    It never holds up the stream: what a slow disk does not take is dropped and counted.

    Parameters
    ----------
    table : RecordTable
    """

    def __init__(self, table: RecordTable) -> None:
        self.triggers = Triggers() if table.events else None
        """What starts the recording of an event; None if it records all the time."""
        self._table = table
        self._space = FreeSpace(Path(table.file).parent)
        self._tapes: dict[str, Tape] = {}
        self._replaced: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._backlog: PacketBacklog[_Item] = PacketBacklog(
            lambda item: len(item.data),
            counts=lambda item: int(item.header is not None),
            on_replaced=self._count_replaced,
        )
        self._started = False
        self._opened = threading.Event()
        self._ended = threading.Event()
        self._log_limiter = LogLimiter()
        self._told = False
        self._worker = Worker(
            "rankcast-record", self._run, self._end, task=f"recording to {table.file}"
        )

    def add(self, camera: Camera) -> None:
        """Record a camera; call it before `start`."""
        self._tapes[camera.name] = camera.tape = Tape(camera, self._backlog)

    def start(self) -> None:
        """Start the thread, and wait until the file is created.

        Raises
        ------
        RankcastError
            If nothing can be written there.
        """
        self._started = True
        self._worker.start()
        if not self._opened.wait(OPEN_S):
            raise RecordingError(
                f"{self._table.file}: not created within {OPEN_S:g} s: check the disk"
            )
        if self._worker.error is not None:
            self._worker.join(OPEN_S)

    @property
    def error(self) -> BaseException | None:
        """The exception that ended the thread; None unless it failed."""
        return self._worker.error

    @property
    def waiting_bytes(self) -> int:
        """Size of the packets that wait for the disk."""
        return self._backlog.waiting_bytes

    @property
    def free_bytes(self) -> int | None:
        """Free space of the disk a few seconds ago; None while unknown."""
        return self._space.bytes

    def check(self) -> None:
        """Log once that the recording has ended; the stream goes on, and `close` fails."""
        if self.error is not None and not self._told:
            self._told = True
            log.error(
                "recording to %s has ended: %s; the stream goes on without it",
                self._table.file, one_line(self.error),
            )  # fmt: skip

    def close(self, timeout_s: float = BLACK_BOX_STOP_S) -> None:
        """Record what is queued, as far as half the time allows, and finish the recording.

        Raises
        ------
        RankcastError
            If the disk may have lost some of it or hangs, or the thread has failed.
        """
        self._backlog.close()
        if not self._started:
            return
        if not self._ended.wait(timeout_s / 2):
            self._drop()
        try:
            self._worker.join(timeout_s / 2)
        except RankcastError:
            raise
        except Exception as exc:  # logged by the worker
            raise RecordingError(
                f"recording to {self._table.file} has ended: {one_line(exc)}"
            ) from exc

    def _count_replaced(self, item: _Item) -> None:
        if item.header is None:
            return
        item.tape.ledger.lose(SINK)
        with self._lock:
            self._replaced[item.tape.camera.name] += 1
        if self._log_limiter.may_log():
            log.error("recording: the disk is too slow for the stream, frames are lost")

    def _drop(self) -> None:
        """Count what will never be recorded."""
        self._backlog.discard()
        for tape in self._tapes.values():
            tape.abandon()

    # The methods below run in the thread.

    def _end(self) -> None:
        self._drop()
        self._opened.set()
        self._ended.set()

    def _run(self) -> None:
        with doing(f"creating {self._table.file}"):
            recorder = open_recorder(self._table, self.triggers or Triggers(), self._ask)
        self._opened.set()
        try:
            while self._record_next(recorder):
                pass
        finally:
            with doing(f"finishing {self._table.file}"):
                recorder.close()
            self._look_at(recorder)

    def _record_next(self, recorder: AnyRecorder) -> bool:
        """Record one packet if there is one; return False at the end."""
        try:
            item = self._backlog.get(IDLE_S)
        except MailboxClosed:
            return False
        self._tell_replaced(recorder)
        recorder.idle()
        self._space.look()
        if item is None:
            self._look_at(recorder)
        else:
            self._record(recorder, item)
        return True

    def _record(self, recorder: AnyRecorder, item: _Item) -> None:
        tape, name = item.tape, item.tape.camera.name
        cause = ""
        try:
            if item.header is None:
                recorder.put(name, item.data, unpack(item.data))
                return
            recorder.put(name, item.data, Packet(item.header, _NO_BODY, len(item.data)))
        except NeedKeyframe:
            cause = WAITING_FOR_KEYFRAME
        except RankcastError as exc:
            cause = SINK
            if self._log_limiter.may_log():
                log.error("not recorded: %s", exc)
        if item.header is not None:
            tape.settle(cause, recorder)

    def _tell_replaced(self, recorder: AnyRecorder) -> None:
        if not self._replaced:
            return
        with self._lock:
            replaced, self._replaced = self._replaced, Counter()
        for name, count in replaced.items():
            recorder.lose(name, SINK, count)

    def _look_at(self, recorder: AnyRecorder) -> None:
        for tape in self._tapes.values():
            tape.look_at(recorder)

    def _ask(self, camera: str, wanted: bool) -> None:
        if wanted:
            self._tapes[camera].camera.request_keyframe()
