"""Originals: the newest frame of a camera coded losslessly, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rankcast.encoder import Encoder
from rankcast.errors import RankcastError
from rankcast.runtime import Mailbox, MailboxClosed, Worker
from rankcast.wire import STREAM_ID_BYTES, Reply

if TYPE_CHECKING:
    from rankcast_sender.publisher import Publisher

MAX_WAITING: Final = 4
FRAME_TIMEOUT_S: Final = 2.0
"""A camera that gives nothing for so long has no newest frame."""
WINDOW_S: Final = 10.0
WINDOW_BYTES: Final = 64 * 1024 * 1024
"""Handed out within the window. What its client does not read waits in memory, and libzmq does not
tell: twice the time after which a connection that takes nothing is cut off."""
STOP_TIMEOUT_S: Final = 30.0
"""A large picture takes seconds, and compiled code cannot be interrupted."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    camera: Publisher
    request_id: int
    finish: Callable[[Reply], None]


class Originals:
    """Codes one frame at a time: who asks for many waits, and the stream goes on.

    Parameters
    ----------
    max_packet_bytes : int
        Larger packets are refused, because clients would refuse them.
    """

    def __init__(
        self, max_packet_bytes: int, *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_packet_bytes = max_packet_bytes
        self._now_s = now_s
        self._handed_out: deque[tuple[float, int]] = deque()
        self._box: Mailbox[_Wanted] = Mailbox(MAX_WAITING, newest_wins=False)
        self._stopped = threading.Event()
        self._worker = Worker("rankcast-original", self._run, self._box.close)

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def ask(self, camera: Publisher, request_id: int, finish: Callable[[Reply], None]) -> bool:
        """Have `finish` called with the newest frame of `camera`; False when too many wait."""
        if len(self._box) >= MAX_WAITING:
            return False
        return self._box.put(_Wanted(camera, request_id, finish))

    def close(self) -> None:
        """Stop; what waits is not finished."""
        self._stopped.set()
        self._box.discard()
        self._worker.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        while True:
            try:
                wanted = self._box.get()
            except MailboxClosed:
                return
            if wanted is not None and not self._stopped.is_set():
                wanted.finish(self._code(wanted))

    def _left_bytes(self) -> int:
        while self._handed_out and self._now_s() - self._handed_out[0][0] > WINDOW_S:
            self._handed_out.popleft()
        return WINDOW_BYTES - sum(size for _, size in self._handed_out)

    def _code(self, wanted: _Wanted) -> Reply:
        if self._left_bytes() <= 0:  # before the work of coding one
            why = (
                f"{WINDOW_BYTES >> 20} MiB of originals were given out within {WINDOW_S:g} s, "
                "which is the limit: ask again a little later"
            )
            return Reply(wanted.request_id, False, why)
        frame = wanted.camera.newest(FRAME_TIMEOUT_S, self._stopped.is_set)
        if frame is None:
            why = f"{wanted.camera.name} gave no frame (it is {wanted.camera.state})"
            return Reply(wanted.request_id, False, why)
        encoder = Encoder("lossless")
        encoder.stream_id = bytes(STREAM_ID_BYTES)
        encoder.max_packet_bytes = self._max_packet_bytes
        try:
            packet = encoder.encode(frame)
        except RankcastError as exc:
            return Reply(wanted.request_id, False, str(exc))
        self._handed_out.append((self._now_s(), len(packet)))
        return Reply(wanted.request_id, True, result={"frame": frame.frame}, packet=packet)
