"""Outbox: what waits to be handed to libzmq, in the thread of the XPUB socket."""

from __future__ import annotations

from collections import deque

import zmq

from rankcast.runtime import MailboxClosed
from rankcast_sender.sockets.channel import (
    Channel,
    NewStream,
    NumberedPacket,
    Outgoing,
    StreamPause,
    frames_in,
)
from rankcast_sender.sockets.sending import send


class Outbox:
    """Hands the items of all channels to libzmq, each channel's in order.

    Only `note` may be called from other threads.
    """

    def __init__(self) -> None:
        self._ready: deque[Channel] = deque()
        """Channels that have a packet, or were closed; a channel may be there twice."""
        self._waiting: dict[Channel, Outgoing] = {}
        """What could not be sent yet."""
        self.over: set[Channel] = set()
        """Closed channels without packets."""
        self.held_by_credit = False
        """Whether all waiting packets wait for credit."""

    def note(self, channel: Channel) -> None:
        """Note that a channel has a packet, or was closed; from any thread."""
        self._ready.append(channel)

    @property
    def ready(self) -> bool:
        """True if `forward` has something new to send."""
        return bool(self._ready)

    @property
    def waits(self) -> bool:
        """True while a packet has to be offered again."""
        return bool(self._waiting)

    def forward(self, xpub: zmq.Socket[bytes]) -> None:
        """Send what is queued; what cannot be sent yet waits for the next call."""
        ready = list(self._waiting)
        while self._ready:
            ready.append(self._ready.popleft())
        self.held_by_credit = True
        for channel in dict.fromkeys(ready):
            self._forward(xpub, channel)

    def lose(self) -> None:
        """Count what waits as lost: the thread has ended."""
        for channel, item in self._waiting.items():
            channel.on_lost(frames_in(item))
        self._waiting.clear()

    def _forward(self, xpub: zmq.Socket[bytes], channel: Channel) -> None:
        item = self._waiting.pop(channel, None)
        if item is None:
            try:
                item = channel.packets.get(0)
            except MailboxClosed:
                self.over.add(channel)
                return
            if item is None:
                return
            if isinstance(item, NewStream):
                channel.begin(item)
            elif isinstance(item, StreamPause):
                channel.paused = True
        sequence = item.sequence if isinstance(item, NumberedPacket) else channel.sent
        is_picture = not isinstance(item, NewStream | StreamPause)
        may_send = not is_picture or channel.gate is None or channel.gate.allows(sequence)
        if may_send and send(xpub, channel, item):
            if is_picture:
                channel.sent = sequence + 1
            # Another packet may be waiting behind it, or it was the last one.
            if channel.closing or len(channel.packets):
                self._ready.append(channel)
        else:
            self._waiting[channel] = item
            self.held_by_credit &= not may_send
