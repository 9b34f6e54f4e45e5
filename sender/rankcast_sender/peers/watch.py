"""Watch: one bound socket whose connections are guarded, for its owner and for the guard."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from rankcast.net import message_bytes
from rankcast_sender.peers.search_cost import SearchCost
from rankcast_sender.peers.tcp_connection import Scissors, connection_of
from rankcast_sender.peers.wasted_bytes import WastedBytes

ENDED_S: Final = 1.0
"""What a connection sent before it was shut down is read soon, or was lost with it."""
MAX_CONNECTIONS: Final = 64
"""Most connections of one key or, without keys, one address to each socket, unless set."""


Ban = Callable[[str, str], None]
"""Refuses a key; called with its user id and the reason, in any thread."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A connection that the guard has shut down."""

    at_s: float
    peer: tuple[str, int]
    reason: str
    """Why its key is to be refused; empty if it is not, because it took its time."""


@dataclass(eq=False)
class Watch:
    """One bound socket whose connections are guarded."""

    port: int
    allowance_bytes: int
    """Most bytes of one connection that may wait to be read."""
    what: str
    """What the connections should send, for the log."""
    ban: Ban | None = None
    """Refuses the key of a connection that was shut down; None without keys."""
    keep_alive_bytes_s: int = 0
    """Bytes a second that the owner never reads: heartbeats of foreign peers."""
    max_connections: int = MAX_CONNECTIONS
    """Most connections of one key or, without keys, one address."""
    scissors: Scissors | None = None
    """Ends single connections; None where the system cannot."""
    wasted: WastedBytes = field(default_factory=WastedBytes)
    """What was cut off of each address."""
    cost: SearchCost = field(default_factory=SearchCost)
    """What the ends of connections cost."""
    topics_bytes: Callable[[], int] | None = None
    """Tells, in any thread, how many bytes of topics libzmq searches when a connection ends; None:
    none."""
    connections: int = 0
    """Those that are open."""
    attached: int = 0
    """Those that have completed their handshakes, and whose ends were not noticed yet."""
    mute_bytes: int = 0
    """What libzmq may still hold of connections that ended before anything of them was read."""
    on_mute: Callable[[int], None] | None = None
    """Called with it in the thread of the guard while that is too much."""
    users: dict[int, str] = field(default_factory=dict)
    """User id of the latest message of each descriptor, with keys."""
    taken: Counter[int] = field(default_factory=Counter)
    """Bytes taken out of the socket, by descriptor."""
    seen: dict[int, int] = field(default_factory=dict)
    """`taken` as of the latest look of the guard."""
    left_taken: dict[int, int] = field(default_factory=dict)
    """`taken` when the latest connection with a descriptor was found to have ended."""
    accepted_s: dict[int, float] = field(default_factory=dict)
    """When the newest connection with a descriptor was accepted."""
    endings: dict[int, Ending] = field(default_factory=dict)
    """Connections that were shut down, by descriptor; without those used again since."""

    def ending_of(self, descriptor: int) -> Ending | None:
        """Return the end of the connection that a message came from, if the guard has shut it down.

        The message was sent before that.
        """
        ending = self.endings.get(descriptor)
        if ending is None or time.monotonic() > ending.at_s + ENDED_S:
            return None
        with suppress(OSError):
            # A new connection may have the descriptor already, and must not pay for the old one.
            now = connection_of(descriptor, self.port)
            if now is not None and now.peer != ending.peer:
                return None
        return ending

    def took(self, descriptor: int, *parts: int) -> None:
        """Account for a message with parts of so many bytes that was taken out of the socket."""
        keys = self.ban is not None
        self.taken[descriptor] += sum(message_bytes(size, keys=keys) for size in parts)

    def cut(self, descriptor: int, wasted: int, peer: tuple[str, int] | None = None) -> bool:
        """Shut down the connection with this descriptor; False if there is none.

        Parameters
        ----------
        descriptor : int
        wasted : int
            Bytes that it sent too many, which count against its address.
        peer : tuple of str and int, optional
            Its other end; None shuts down whichever has the descriptor.
        """
        found = None
        if self.scissors is not None:
            found = self.scissors.cut(descriptor, self.port, peer)
        if found is None:
            return False
        self.wasted.add(found[0], wasted)
        return True
