"""SinkRunner: delivers to one sink through a bounded queue and keeps its ledger."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from rankcast.boot_clock import boot_ns
from rankcast.errors import NeedKeyframe, SinkError
from rankcast.frame import Frame
from rankcast.numerics import Histogram
from rankcast.runtime import (
    SINK,
    SKIPPED_AS_OLD,
    STOPPED,
    WAITING_FOR_KEYFRAME,
    Ledger,
    LogLimiter,
    Mailbox,
    MailboxClosed,
    PacketBacklog,
    Pulse,
    doing,
)
from rankcast_receiver.sinks.sink import PacketSink, Sink, Wants
from rankcast_receiver.stream import CameraPacket, Decoded

log = logging.getLogger(__name__)

KEEP_ITEMS: Final = 8
"""Where every frame counts: decoded frames that wait for a slow sink. More of them wait as packets,
which are smaller, in the queue of the receiver and at the sender."""
IDLE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class _Item:
    """A frame or a packet, and when it was queued."""

    content: Frame | CameraPacket
    t_put_ns: int
    """Monotonic time at which the frame was decoded."""


class SinkRunner:
    """Delivers frames or packets to one sink, in the thread that calls `run`.

    Parameters
    ----------
    name : str
        Name of the sink.
    open_sink : callable
        Opens the sink, in the same thread.
    live : bool
        True: one frame per camera is queued and a newer one replaces it; packets have a longer
        queue, which drops the oldest. False: `put` blocks while the queue is full.
    most_frames : int
        `run` ends after this many delivered frames or packets; 0 is unlimited.
    wants : str
        What the sink accepts: ``frames`` or ``packets``.
    replaced_as : str
        Cause under which packets count that a live queue drops.
    takes_references : bool
        The sink wants the reference packets that were made here, too.
    """

    def __init__(
        self,
        name: str,
        open_sink: Callable[[], Sink | PacketSink],
        *,
        live: bool,
        most_frames: int = 0,
        wants: Wants = "frames",
        replaced_as: str = SKIPPED_AS_OLD,
        takes_references: bool = False,
    ) -> None:
        self.name = name
        self.wants: Wants = wants
        self.ledger = Ledger()
        self.latency = Histogram()
        self.age = Histogram()
        self.clock_error_ns: int | None = None
        """Largest clock error in `latency` and `age`; None while they are empty."""
        self.kept = 0
        """Frames that the sink saved, showed or recorded; it may skip some on purpose."""
        self.full = False
        """True once `run` has ended: at the frame limit, or as the sink quit, failed or closed."""
        self.quit = False
        """True when the user quit the sink."""
        self.pulse = Pulse(f"sink {name}")
        self._open_sink = open_sink
        self._live = live
        self._most_frames = most_frames
        self._waiting: Mailbox[_Item] | PacketBacklog[_Item] = (
            PacketBacklog(
                _packet_bytes, counts=_frames, blocks=not live, on_replaced=self._count_replaced
            )
            if wants == "packets"
            else Mailbox(KEEP_ITEMS, newest_wins=live)
        )
        self._replaced = 0
        self._replaced_as = replaced_as
        self._takes_references = takes_references
        self._replaced_packets: Counter[str] = Counter()
        """Of each camera, since the sink was told."""
        self._lock = threading.Lock()
        self._log_limiter = LogLimiter()
        self._stopped: Callable[[], bool] = lambda: False

    @property
    def waiting_bytes(self) -> int:
        """Size of the packets that wait for a sink of packets."""
        waiting = self._waiting
        return waiting.waiting_bytes if isinstance(waiting, PacketBacklog) else 0

    def stop_when(self, stopped: Callable[[], bool]) -> None:
        """Make `run` end once `stopped` returns True; for the runner of the main thread."""
        self._stopped = stopped

    def put(self, decoded: Decoded) -> None:
        """Queue what the sink wants from one decoded batch; called in the decode thread."""
        now_ns = boot_ns()
        if self.wants == "packets":
            for packet in decoded.messages:
                self._hand_over(_Item(packet, now_ns))
            if self._takes_references and decoded.reference is not None:
                self._hand_over(_Item(decoded.reference, now_ns))
        elif decoded.frame is not None:
            self._hand_over(_Item(decoded.frame, now_ns))

    def abandon(self) -> None:
        """Make `run` end after the current frame; whatever waits is counted as stopped."""
        self.ledger.lose(STOPPED, self._waiting.discard())

    def close(self) -> None:
        """Let `run` finish what waits, then end."""
        self._waiting.close()

    def run(self) -> None:
        """Open the sink and feed it until the runner is closed.

        Raises
        ------
        SinkError
            If the sink cannot be opened, or accepts something other than declared.
        """
        self.pulse.beat()  # a folder or window that never opens must be detected too
        try:
            with doing(f"opening sink {self.name}"):
                sink = self._open_sink()
            try:
                if sink.wants != self.wants:
                    raise SinkError(f"sink {self.name} takes {sink.wants}, not {self.wants}")
                with doing(f"writing to sink {self.name}"):
                    self._feed(sink)
            finally:
                try:
                    with doing(f"closing sink {self.name}"):
                        sink.close()
                finally:
                    if sink.wants == self.wants:
                        self._look_at(sink)
        finally:
            self.pulse.rest()
            self.full = True
            self.ledger.lose(STOPPED, self._waiting.discard())

    def _hand_over(self, item: _Item) -> None:
        frames, waiting = _frames(item), self._waiting
        self.ledger.enter(frames)
        if isinstance(waiting, PacketBacklog):
            taken = waiting.put(item)
        else:
            taken = waiting.put(item, item.content.camera)
        if not taken:
            self.ledger.lose(STOPPED, frames)
        replaced, self._replaced = waiting.replaced - self._replaced, waiting.replaced
        self.ledger.lose(self._replaced_as, replaced)
        if replaced and self._replaced_as == SINK and self._log_limiter.may_log():
            log.error("%s: too slow for the stream, %d packets lost", self.name, waiting.replaced)

    def _count_replaced(self, item: _Item) -> None:
        with self._lock:
            self._replaced_packets[item.content.camera] += _frames(item)

    def _tell_replaced(self, sink: PacketSink) -> None:
        """Tell a sink of packets what it will never get."""
        with self._lock:
            replaced, self._replaced_packets = self._replaced_packets, Counter()
        for camera, count in replaced.items():
            sink.lose(camera, self._replaced_as, count)

    def _feed(self, sink: Sink | PacketSink) -> None:
        delivered = 0
        while not self._stopped():
            self.pulse.beat()
            if self.wants == "packets":
                self.pulse.rest()  # a disk that hangs must not cost the live view its process
            if not sink.idle():
                self.quit = True
                return
            self._look_at(sink)
            try:
                item = self._waiting.get(IDLE_S)
            except MailboxClosed:
                return
            if item is None or not self._deliver(sink, item):
                continue
            delivered = self.ledger.passed()
            if self._most_frames and delivered >= self._most_frames:
                return

    def _deliver(self, sink: Sink | PacketSink, item: _Item) -> bool:
        """Pass one item to the sink; return False if the sink failed on it."""
        put = cast(Callable[[object], bool], sink.put)  # `run` has checked `wants`
        now_ns = boot_ns()
        frames = _frames(item)
        cause = SINK
        taken = False
        try:
            kept = put(item.content)
            taken = True
            if self.wants == "frames":
                self.kept += kept
        except SinkError as exc:
            if self._log_limiter.may_log():
                log.error("%s: %s", self.name, exc)
        except NeedKeyframe as exc:
            cause = WAITING_FOR_KEYFRAME
            log.debug("%s: %s", self.name, exc)
        finally:
            # The frame is accounted for even after an unexpected error.
            self.ledger.lose(cause, 0 if taken else frames)
        if taken and isinstance(item.content, Frame):
            self._measure(item.content, item.t_put_ns, now_ns)
        return taken and frames > 0

    def _look_at(self, sink: Sink | PacketSink) -> None:
        if self.wants == "packets":
            packets = cast(PacketSink, sink)
            self._tell_replaced(packets)
            self.kept = packets.kept

    def _measure(self, frame: Frame, t_decoded_ns: int, now_ns: int) -> None:
        captured_ns = frame.t_capture_here_ns
        if captured_ns is None:  # the clock of the sender is unknown, and so is the age
            return
        self.age.add((now_ns - captured_ns) / 1e6)
        self.latency.add((t_decoded_ns - captured_ns) / 1e6)
        self.clock_error_ns = max(self.clock_error_ns or 0, frame.clock_error_ns)


def _frames(item: _Item) -> int:
    return int(isinstance(item.content, Frame) or item.content.is_picture)


def _packet_bytes(item: _Item) -> int:
    return len(item.content.data) if isinstance(item.content, CameraPacket) else 0
