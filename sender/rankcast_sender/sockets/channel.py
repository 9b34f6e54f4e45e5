"""Channel: one camera on the XPUB socket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rankcast.runtime import Mailbox
from rankcast.wire import Status
from rankcast_sender.sockets.credit_gate import CreditGate


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
    on_status: Callable[[bytes], None] = lambda _: None
    """Called with each status and end that is published."""
    packets: Mailbox[bytes] = field(default_factory=lambda: Mailbox(1, newest_wins=False))
    gate: CreditGate | None = None
    """Holds packets back for viewers that keep every frame; None in real time."""
    sent: int = 0
    """Packets handed to libzmq: the sequence of the next one."""
    viewers: int = 0
    closing: bool = False
    """Set once no more packets will be queued."""
    ended: bool = False
    """Set once every packet has been sent; the channel then publishes its end message."""
