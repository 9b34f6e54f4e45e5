"""ServerPath: the frames of one camera that are on their way to a NATS server."""

from __future__ import annotations

from collections import deque
from typing import Final

from rankcast.nats.client import NatsConnection

SPARE_FRAMES: Final = 2


class ServerPath:
    """Says when the server takes less than one camera makes.

    Parameters
    ----------
    connection : NatsConnection
    queue_messages : int
        Frames that the server may not have taken yet ...
    window_bytes : int
        ... once they are more bytes than this.
    """

    def __init__(self, connection: NatsConnection, queue_messages: int, window_bytes: int) -> None:
        self._connection = connection
        self._queue_messages = queue_messages
        self._window_bytes = window_bytes
        self._ends: deque[int] = deque()
        """Of each frame: the count of bytes at which the server has all of it."""
        self.is_full = False
        """True while the server is behind; any thread may read this, but nothing else."""

    @property
    def is_over(self) -> bool:
        """True if not even what was begun before it was full can follow."""
        return self.is_full and len(self._ends) >= self._queue_messages + SPARE_FRAMES

    def sent(self) -> None:
        """Note that a frame was handed to the connection."""
        self._ends.append(self._connection.sent_bytes)
        self.judge()

    def clear(self) -> None:
        """Forget what was on its way, because the connection ended."""
        self._ends.clear()
        self.judge()

    def judge(self) -> None:
        """Compare what was sent with what the server has taken."""
        taken = self._connection.taken_bytes
        while self._ends and self._ends[0] <= taken:
            self._ends.popleft()
        self.is_full = (
            len(self._ends) >= self._queue_messages
            and self._connection.waiting_bytes >= self._window_bytes
        )
