"""ControlLink: the requests to one sender through its ZeroMQ control channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import zmq

from rankcast.boot_clock import boot_s
from rankcast.net import ControlClient, CurveClient, LinkState
from rankcast.wire import Limits
from rankcast_receiver.clock import SenderClock
from rankcast_receiver.net.sender_requests import SenderRequests

_NO_PACKETS: Final = Limits(max_packet_bytes=0)
"""No reply to a viewer contains a picture, unless it asks for an original."""


class ControlLink(SenderRequests):
    """Pings, key-frame requests, credit and reports to one sender, from the receive thread.

    Parameters
    ----------
    context : zmq.Context
    endpoint : str
        Numeric address of the control channel.
    clocks : callable
        Returns the clocks that receive the results of pings, each by the name of one camera of its
        station; "" names the station that answers.
    curves : sequence of CurveClient, optional
        Keys, the same as for the frames.
    reply_limits : Limits
        Of packets in replies to requests of the user.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        endpoint: str,
        clocks: Callable[[], Mapping[str, SenderClock]],
        *,
        curves: Sequence[CurveClient] = (),
        reply_limits: Limits = _NO_PACKETS,
        now_s: Callable[[], float] = boot_s,
    ) -> None:
        self._channel = ControlClient(
            endpoint, curves, limits=reply_limits, context=context, now_s=now_s
        )
        super().__init__(self._channel, endpoint, clocks, now_s=now_s)

    @property
    def refused(self) -> bool:
        """True if nothing listens at this address, or nothing that speaks this protocol."""
        return self._channel.link.state in (LinkState.REFUSED, LinkState.PROTOCOL_REFUSED)

    @property
    def answered(self) -> bool:
        """True once a reply has arrived through the current connection."""
        return self._channel.link.answered

    @property
    def sockets(self) -> list[zmq.Socket[Any]]:
        """All sockets, for a poller; they change when `tick` returns True."""
        return self._channel.sockets
