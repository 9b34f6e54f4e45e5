"""Originals: answers `original` requests in a separate thread."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rankcast.encoder import Encoder
from rankcast.errors import RankcastError
from rankcast.runtime import LogLimiter, Mailbox, Worker
from rankcast.wire import STREAM_ID_BYTES, Reply
from rankcast_sender.control.controlled_camera import ControlledCamera

log = logging.getLogger(__name__)

MAX_WAITING: Final = 4
"""Most queued requests, because each one costs the encoding of a whole picture."""
FRAME_TIMEOUT_S: Final = 2.0
"""Longest wait for a camera that has no frame yet."""
WINDOW_S: Final = 10.0
WINDOW_BYTES: Final = 64 * 1024 * 1024
"""Limit on the originals sent within the window. libzmq keeps unread replies in memory, invisible
to us, until it drops the client's connection; the window is twice that timeout."""


@dataclass(frozen=True, slots=True)
class _Request:
    camera: ControlledCamera
    request_id: int
    finish: Callable[[Reply], None]


class Originals:
    """Encode the newest frame of a camera losslessly, one request at a time.

    The separate thread keeps the stream running while a large picture is encoded.

    Parameters
    ----------
    max_packet_bytes : int
        Larger packets are refused here, because clients would refuse them.
    now_s : callable
        Monotonic clock.
    """

    def __init__(
        self, max_packet_bytes: int, *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_packet_bytes = max_packet_bytes
        self._now_s = now_s
        self._sent: deque[tuple[float, int]] = deque()
        self._box: Mailbox[_Request] = Mailbox(MAX_WAITING, newest_wins=False)
        self._stopped = threading.Event()
        self._failures_log = LogLimiter()
        self.worker = Worker("rankcast-original", self._run, self._box.close)
        """The thread; it ends after `stop`, once it has encoded the picture that it is at."""

    def start(self) -> None:
        """Start the thread."""
        self.worker.start()

    def ask(
        self, camera: ControlledCamera, request_id: int, finish: Callable[[Reply], None]
    ) -> bool:
        """Queue a request for the newest frame of `camera`; return False if the queue is full."""
        if len(self._box) >= MAX_WAITING:
            return False
        return self._box.put(_Request(camera, request_id, finish))

    def stop(self) -> None:
        """Ask the thread to end, without waiting; queued requests get no reply."""
        self._stopped.set()
        self._box.discard()

    def _run(self) -> None:
        for request in self._box:
            if not self._stopped.is_set():
                request.finish(self._answer(request))

    def _answer(self, request: _Request) -> Reply:
        try:
            return self._code(request)
        except Exception as exc:  # such as MemoryError: the next request must find this thread
            if self._failures_log.may_log():
                log.exception("%s: cannot encode an original", request.camera.name)
            why = f"encoding failed with {type(exc).__name__}: the log of the sender has details"
            return Reply(request.request_id, False, why)

    def _left_bytes(self) -> int:
        while self._sent and self._now_s() - self._sent[0][0] > WINDOW_S:
            self._sent.popleft()
        return WINDOW_BYTES - sum(size for _, size in self._sent)

    def _code(self, request: _Request) -> Reply:
        if self._left_bytes() <= 0:
            why = (
                f"originals of {WINDOW_BYTES >> 20} MiB were sent within {WINDOW_S:g} s, "
                "which is the limit: try again in a few seconds"
            )
            return Reply(request.request_id, False, why)
        frame = request.camera.newest_frame(FRAME_TIMEOUT_S, self._stopped.is_set)
        if frame is None:
            why = f"{request.camera.name} has no frame to send: its state is {request.camera.state}"
            return Reply(request.request_id, False, why)
        encoder = Encoder("lossless")
        encoder.stream_id = bytes(STREAM_ID_BYTES)
        encoder.max_packet_bytes = self._max_packet_bytes
        try:
            packet = encoder.encode(frame)
        except RankcastError as exc:
            return Reply(request.request_id, False, str(exc))
        self._sent.append((self._now_s(), len(packet)))
        return Reply(request.request_id, True, result={"frame": frame.frame}, packet=packet)
