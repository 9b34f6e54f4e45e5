"""Credit: how far a sender may go, for a receiver that keeps every frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast_receiver.net.connection import Connection
from rankcast_receiver.stream import CameraKey, PacketQueue, Taken

WINDOW_FRAMES: Final = 64
WINDOW_SHARE: Final = 0.8
"""Share of the queue that the windows of all cameras fill; the rest is for frames that a sender may
send without credit, and for frames larger than those before."""
RENEW_S: Final = 1.0
"""A keeper that sends no credit for long is taken for dead, however little it takes."""


@dataclass(frozen=True, slots=True)
class _Granted:
    stream_id: bytes
    until: int
    at_s: float


class Credit:
    """Grants credit to the cameras of one sender, from the receive thread.

    Parameters
    ----------
    queue : PacketQueue
        Knows what the decoder has taken; wakes the receive thread when more credit is due.
    sender : int
        Number of the sender in `queue`.
    token : bytes
        Token of this keeper in its subscriptions.
    """

    def __init__(
        self,
        queue: PacketQueue,
        sender: int,
        token: bytes,
        *,
        now_s: Callable[[], float] = boot_s,
    ) -> None:
        self._queue = queue
        self._sender = sender
        self._token = token
        self._now_s = now_s
        self._granted: dict[str, _Granted] = {}
        self._sessions = 0

    def tick(self, connection: Connection) -> None:
        """Grant what is due."""
        control, now_s = connection.control, self._now_s()
        if control is None:
            return
        if connection.sessions != self._sessions:
            self._sessions = connection.sessions
            self._granted.clear()  # the sender has forgotten it
        cameras = self._queue.taken(self._sender)
        for camera, taken in cameras.items():
            window = self._window(taken, len(cameras))
            quarter = max(1, window // 4)
            until = taken.next_sequence + window
            granted = self._granted.get(camera)
            if (
                granted is not None
                and granted.stream_id == taken.stream_id
                and until < granted.until + quarter
                and now_s < granted.at_s + RENEW_S
            ):
                continue
            if control.grant(camera, self._token, taken.stream_id, until):
                self._granted[camera] = _Granted(taken.stream_id, until, now_s)
                key = CameraKey(self._sender, camera)
                self._queue.wake_at(key, taken.next_sequence + quarter)

    def _window(self, taken: Taken, cameras: int) -> int:
        """Return how many frames of one camera may be under way; together they fit the queue."""
        by_bytes = WINDOW_SHARE * self._queue.bytes_per_sender / max(1, taken.largest_bytes)
        by_packets = WINDOW_SHARE * self._queue.packets_per_sender
        return max(1, min(WINDOW_FRAMES, int(min(by_bytes, by_packets) / cameras)))
