"""DroppedMessages: says in the log whose messages are dropped, and how many."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Final

from rankcast.runtime import LogLimiter

log = logging.getLogger(__name__)

LOG_INTERVAL_S: Final = 10.0
MAX_PEERS: Final = 4096
"""Most connections counted apart between two lines."""


class DroppedMessages:
    """Counts messages beyond the budgets of their connections; one line every 10 s at most.

    Parameters
    ----------
    port : int
        Port of the socket.
    """

    def __init__(self, port: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self.count = 0
        """Messages so far."""
        self._port = port
        self._log = LogLimiter(LOG_INTERVAL_S, now_s=now_s)
        self._since: Counter[Hashable] = Counter()
        """Messages of each connection since the last line."""

    def add(self, connection: Hashable, address: str, what: str) -> None:
        """Count a message of a connection; `what` is the name of its budget."""
        self.count += 1
        if connection in self._since or len(self._since) < MAX_PEERS:
            self._since[connection] += 1
        if not self._log.may_log():
            return
        others = len(self._since) - 1
        log.warning(
            "%s exceeds the budget of %s of a connection to port %d: %d dropped since the last "
            "such line%s", address or "a peer that has left", what, self._port,
            self._since[connection], f", and messages of {others} other connections" if others > 0
            else "",
        )  # fmt: skip
        self._since.clear()
