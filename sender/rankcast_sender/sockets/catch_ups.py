"""CatchUps: does for viewers that join what lets them show pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

import zmq

from rankcast_sender.peers import RateLimit
from rankcast_sender.sockets.audience import Audience
from rankcast_sender.sockets.channel import Channel
from rankcast_sender.sockets.sending import send_catch_up

BYTES_S: Final = 1_000_000
BYTES_AT_ONCE: Final = 8_000_000
"""Catch-ups for one key or address; beyond that its viewers get key frames, together and less often
the more it asks for."""
MOST_AT_ONCE: Final = 8
"""Catch-ups between two looks at the packets of all cameras, which wait meanwhile."""


class CatchUps:
    """Serves viewers in the thread of the XPUB socket; `ask` may be called from any thread."""

    def __init__(self) -> None:
        self._asked: deque[tuple[Channel, bytes]] = deque()
        """Viewers, by their tokens, that wait for one."""
        self._budget = RateLimit[str](BYTES_S, BYTES_AT_ONCE)

    def ask(self, channel: Channel, token: bytes) -> None:
        """Have the viewer with this token sent a catch-up of `channel`."""
        self._asked.append((channel, token))

    @property
    def waits(self) -> bool:
        """True while somebody waits whom the next `send` serves."""
        return bool(self._asked)

    def join(
        self,
        xpub: zmq.Socket[bytes],
        channel: Channel,
        topic: bytes,
        peer: str,
        audience: Audience,
    ) -> None:
        """Serve a viewer of this key or address that has subscribed to `topic`."""
        channel.on_join(topic)
        if channel.joins is None or not topic.startswith(b"/"):
            return
        if audience.peer_of(topic) is None:
            channel.joins.joined_plainly(peer.encode())  # one of too many to be told apart
        else:
            self._serve(xpub, channel, topic, peer)

    def join_plainly(self, channels: Iterable[Channel], camera: str, peer: str) -> None:
        """Serve a viewer of `camera` that cannot be sent anything alone."""
        for channel in channels:
            if channel.name == camera and channel.joins is not None:
                channel.joins.joined_plainly(peer.encode())

    def send(self, xpub: zmq.Socket[bytes], audience: Audience) -> None:
        """Send some that were asked for; the thread has sent every packet before them."""
        for _ in range(min(MOST_AT_ONCE, len(self._asked))):
            channel, token = self._asked.popleft()
            for topic in audience.individual_topics(channel.name, token):
                peer = audience.peer_of(topic)
                if peer is not None:
                    self._serve(xpub, channel, topic, peer)

    def _serve(self, xpub: zmq.Socket[bytes], channel: Channel, topic: bytes, peer: str) -> None:
        if channel.joins is None:
            return
        if self._budget.take(peer):
            self._budget.charge(peer, send_catch_up(xpub, channel, topic))
        else:
            channel.joins.joined_plainly(peer.encode())
