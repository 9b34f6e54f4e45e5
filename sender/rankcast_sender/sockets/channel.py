"""Channel: one camera on the XPUB socket."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from rankcast.boot_clock import boot_ns
from rankcast.runtime import Mailbox
from rankcast.wire import MAIN, Replay, Status, split_stream
from rankcast_sender.sockets.credit_gate import CreditGate


@dataclass(frozen=True, slots=True)
class NewStream:
    """The packets that follow are those of another stream."""

    stream_id: bytes
    next_sequence: int
    replay: Replay | None = None
    """What is played, if the packets are those of a recording."""
    broken: bool = False
    """True if it is the stream as before, and what follows does not go on from the last packet."""


@dataclass(frozen=True, slots=True)
class StreamPause:
    """The stream has ended; another one may follow on the same channel."""


@dataclass(frozen=True, slots=True)
class NumberedPacket:
    """A packet whose sequence is not the next one, as frames of a recording may be missing."""

    data: bytes
    """Empty: nobody watches, so that only the sequence advances."""
    sequence: int


Outgoing: TypeAlias = bytes | NumberedPacket | NewStream | StreamPause


def frames_in(item: Outgoing) -> int:
    """Return how many frames are lost with an item that is not sent."""
    if isinstance(item, NewStream | StreamPause):
        return 0
    return 1 if isinstance(item, bytes) or item.data else 0


class Joins(Protocol):
    """What lets a viewer join in the middle of a chain; called in the thread of the socket."""

    def sent(self, data: bytes, sequence: int) -> None:
        """Note a packet that was handed to libzmq."""

    def restarted(self) -> None:
        """Note that the packets which follow are those of another stream."""

    def joined(self, topic: bytes) -> bytes | None:
        """Return a catch-up for the viewer that has subscribed to this individual topic.

        It goes on with the next packet. None if there is none, or it comes later by
        `XpubThread.catch_up`.
        """

    def joined_plainly(self, peer: bytes) -> None:
        """Note that a viewer of this key or address has subscribed and cannot get a catch-up."""


@dataclass(eq=False)
class Channel:
    """One camera on the socket: its identity, its callbacks, its packets and its viewers.

    The callbacks run in the thread of the socket.
    """

    name: str
    stream_id: bytes
    status: Callable[[int], Status]
    """Returns the status to publish; called with the number of viewers."""
    on_sent: Callable[[], None]
    """Called for each packet that was handed to libzmq."""
    on_lost: Callable[[int], None]
    """Called with the number of packets left unsent at the end."""
    on_join: Callable[[bytes], None]
    """Called with the topic when a viewer subscribes to the frames."""
    on_unsent: Callable[[], None] | None = None
    """Called in place of `on_sent` for a packet that a server in between did not take; None: it
    counts as sent, as those that are lost on the way do."""
    on_status: Callable[[bytes], None] = lambda _: None
    """Called with each status and end that is published."""
    packets: Mailbox[Outgoing] = field(default_factory=lambda: Mailbox(1, newest_wins=False))
    joins: Joins | None = None
    """Sends catch-ups to viewers that join; None: they wait for a key frame."""
    clocks_ns: Callable[[], tuple[int, int]] = lambda: (boot_ns(), time.time_ns())
    """Returns the clock since boot and the UTC clock that a status states."""
    topic_of: Callable[[bytes], bytes] = lambda _: b""
    """Returns the individual topic of the viewer with a token; empty if there is none. Any thread
    may call it."""
    gate: CreditGate | None = None
    """Holds packets back for viewers that keep every frame; None in real time."""
    sent: int = 0
    """The sequence of the next packet: in a live stream, the packets handed to libzmq."""
    replay: Replay | None = None
    """What is played, if the packets are those of a recording: viewers that join need the status,
    which says it, before any packet."""
    viewers: int = 0
    congested: Callable[[], bool] = lambda: False
    """Returns True while nothing more should be coded, because what carries it is behind."""
    closing: bool = False
    """Set once no more packets will be queued."""
    ended: bool = False
    """Set once every packet has been sent; the channel then publishes its end message."""
    paused: bool = False
    """Set after a `StreamPause`, until another stream begins."""
    withheld: bool = False
    """Set while nothing of it is published, because the socket would send it to all viewers."""
    silent: bool = False
    """Set while no status is published, because there is no such stream at present."""

    @property
    def is_substream(self) -> bool:
        """Whether who subscribes to everything must not get it."""
        return split_stream(self.name)[1] != MAIN

    def begin(self, stream: NewStream) -> None:
        """Go on with another stream: its id, its numbers, and what is played."""
        is_other = stream.stream_id != self.stream_id
        if is_other and self.gate is not None:
            self.gate.restart(stream.next_sequence)
        if (is_other or stream.broken) and self.joins is not None:
            self.joins.restarted()
        self.stream_id, self.sent = stream.stream_id, stream.next_sequence
        self.replay = stream.replay
        self.paused = False
