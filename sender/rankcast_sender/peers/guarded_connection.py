"""GuardedConnection: what one connection has sent, and how much of it libzmq still holds."""

from __future__ import annotations

from typing import Final

from rankcast_sender.peers.tcp_connection import TcpConnection
from rankcast_sender.peers.watch import Watch

SUDDEN_S: Final = 10.0
"""A connection is closed for what piled up in it; its key is refused as well only if that came
within this time, because use that is within all limits may add up to it in hours."""
UNKNOWN_S: Final = 5.0
"""With keys, a connection that has sent nothing for so long counts for its address."""


class GuardedConnection:
    """Counts the bytes of one connection.

    What was taken out of the socket, and a little for heartbeats, is subtracted from what the
    kernel received, and never more than that: a peer saves up nothing by being quiet, nor by
    messages that are accounted for with more than they take on the wire.

    Parameters
    ----------
    watch : Watch
    descriptor : int
    tcp : TcpConnection or None
        None if the system could not tell.
    now_s : float
    """

    def __init__(
        self, watch: Watch, descriptor: int, tcp: TcpConnection | None, now_s: float
    ) -> None:
        self.watch = watch
        self.descriptor = descriptor
        self.peer = None if tcp is None else tcp.peer
        """Address and port of the other end; None if the system could not tell so far."""
        self.since_s = now_s
        self.ended = False
        """Shut down; libzmq has not noticed yet."""
        # What is read of a new connection before the guard learns of it counts for it. So does what
        # is left of an older one with its descriptor, but never more than it has sent itself.
        self._taken = watch.seen.get(descriptor, 0)
        self._first_taken = max(self._taken, watch.left_taken.get(descriptor, 0))
        self._looked_s = now_s
        self._received = 0
        self._accounted = 0.0
        self._marked_s = now_s
        self._marks = 0, 0
        """Bytes received at the last mark and at the one before; marks are `SUDDEN_S` / 2 apart."""

    def update(self, taken: int, tcp: TcpConnection, now_s: float) -> int:
        """Note the state of the connection.

        Parameters
        ----------
        taken : int
            Bytes taken out of the socket, counted before `tcp` was.
        tcp : TcpConnection
        now_s : float

        Returns
        -------
        int
            What it has sent since the last look.
        """
        self.peer = tcp.peer
        used = taken - self._taken + (now_s - self._looked_s) * self.watch.keep_alive_bytes_s
        self._accounted = min(self._accounted + used, tcp.received)
        self._taken = self.watch.seen[self.descriptor] = taken
        self._looked_s = now_s
        sent, self._received = tcp.received - self._received, tcp.received
        if now_s >= self._marked_s + SUDDEN_S / 2:
            self._marked_s, self._marks = now_s, (tcp.received, self._marks[0])
        return sent

    @property
    def unread(self) -> int:
        """Bytes that libzmq holds, and the owner of the socket has not read."""
        return round(self._received - self._accounted)

    @property
    def is_mute(self) -> bool:
        """Return True if nothing that it may have sent was read so far."""
        return self.watch.taken[self.descriptor] == self._first_taken

    def leave(self) -> None:
        """Note that it has ended: what was read so far is not of the next with its descriptor."""
        self.watch.left_taken[self.descriptor] = self.watch.taken[self.descriptor]

    @property
    def is_sudden(self) -> bool:
        """Return True if it sent most of what is unread, or of what is allowed, a moment ago."""
        recent = self._received - self._marks[1]
        return recent >= min(self.unread, self.watch.allowance_bytes)

    @property
    def user(self) -> str:
        """User id of its key; empty without keys, and before its first message was read."""
        return self.watch.users.get(self.descriptor, "")

    @property
    def address(self) -> str:
        """Address of the other end; empty if the system could not tell."""
        return self.peer[0] if self.peer else ""

    def owner(self, now_s: float) -> str:
        """Return the key or address that it counts for; empty with keys, while it is new."""
        if self.watch.ban is None:
            return self.address
        return self.user or (self.address if now_s > self.since_s + UNKNOWN_S else "")
