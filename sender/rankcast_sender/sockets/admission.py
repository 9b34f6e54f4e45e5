"""Admission: accepts the subscriptions of an XPUB socket, as far as keys may see the cameras.

The socket is in manual mode: libzmq asks about each subscription instead of following it, and
follows what it is told while the message is the latest one that was read. docs/adr/0030 explains
what makes that safe.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import zmq

from rankcast.wire import (
    KEEPER_PREFIX,
    MAIN,
    VIEWER_PREFIX,
    frames_topic,
    split_stream,
    status_topic,
)
from rankcast_sender.peers import RateLimit, descriptor_of, handshake_of, user_of

WIDE_TOPICS: Final = 2
"""One camera has as many: a subscription that is accepted as more of them takes more time."""
WIDE_S: Final = 100
WIDE_AT_ONCE: Final = 1000
"""Budget of one key for such subscriptions; a viewer sends two."""
_INDIVIDUAL: Final = re.compile(rb"/(viewer|keeper)/[^/]+/[0-9a-f]{32}\0\Z")
_REFUSED: Final = b"\0"
"""Stands before a topic that was refused, so that it counts as one of no camera."""


class Rights(Protocol):
    """What keys may see, and which connections are theirs."""

    @property
    def limits_cameras(self) -> bool:
        """Whether streams have to be withheld from some viewers."""

    def withhold_substreams(self) -> None:
        """State that the frames socket has substreams, before it is bound."""

    def enforce_cameras(self, enforced: bool) -> None:
        """State whether the frames socket withholds cameras, before it is bound."""

    def cameras_of(self, user: str) -> frozenset[str] | None:
        """Return the cameras that a key may see; None is every camera."""

    def is_connected(self, handshake: int, descriptor: int) -> bool:
        """Return True if the connection of this handshake has the descriptor, and is open."""


def rights_to_enforce(rights: Rights | None, streams: Iterable[str]) -> Rights | None:
    """Return the rights if one of these streams is to be withheld from some viewers."""
    if rights is None:
        return None
    if any(split_stream(name)[1] != MAIN for name in streams):
        rights.withhold_substreams()
    limited = rights.limits_cameras
    rights.enforce_cameras(limited)
    return rights if limited else None


@dataclass(slots=True, eq=False)
class _Peer:
    """A connection with subscriptions."""

    handshake: int
    descriptor: int
    requested: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    """The topics that it sent, and as what they were accepted."""
    accepted: Counter[bytes] = field(default_factory=Counter)


class Admission:
    """Decides on the subscriptions of one socket in manual mode.

    A key with cameras gets of them what its subscription, a prefix, would reach; where there are
    substreams, so does everybody. A substream is got by its whole topic alone. Messages for the
    audience name the accepted topics; a topic leaves once no connection has it any more.

    Parameters
    ----------
    streams : sequence of str
        All streams of the socket, ``NAME`` and ``NAME.SUB``.
    rights : Rights
    who : callable
        Returns the key or address behind a message, which has a budget of its own.
    """

    def __init__(
        self,
        streams: Sequence[str],
        rights: Rights,
        who: Callable[[zmq.Frame], str] = user_of,
    ) -> None:
        self._who = who
        self._topics = {name: (frames_topic(name), status_topic(name)) for name in streams}
        self._main = [name for name in streams if split_stream(name)[1] == MAIN]
        self._has_substreams = len(self._main) < len(streams)
        self._published = frozenset(topic for pair in self._topics.values() for topic in pair)
        self._prefixes = {topic[:k] for topic in self._published for k in range(len(topic) + 1)}
        self._rights = rights
        self._peers: dict[int, _Peer] = {}
        """By handshake."""
        self._holders: dict[bytes, set[int]] = {}
        """Handshakes of the connections that sent a topic."""
        self._dead: set[int] = set()
        """Handshakes of connections that are closed, and still hold topics."""
        self._counts: Counter[bytes] = Counter()
        """Connections by accepted topic."""
        self._wide = RateLimit[str](WIDE_S, WIDE_AT_ONCE)
        self._in_step = True

    def stray(self) -> None:
        """Note that a message was read which is no subscription.

        libzmq then takes every message that waits for one of the connection before or behind, until
        none waits any more: nothing may be accepted meanwhile.
        """
        self._in_step = False

    def drained(self) -> None:
        """Note that no message waits."""
        self._in_step = True

    def take(self, xpub: zmq.Socket[bytes], frame: zmq.Frame) -> tuple[list[bytes], bool]:
        """Decide on the subscription, or its end, that was read last.

        Returns
        -------
        list of bytes
            What it means, as messages for the audience.
        bool
            False if it could not be accepted, so that its connection has to be made again.
        """
        message = frame.bytes
        topic, descriptor = message[1:], descriptor_of(frame)
        if descriptor < 0:
            # Of libzmq itself: a connection has ended, and one of its subscriptions with it.
            return self._left(topic), True
        handshake = handshake_of(frame)
        peer = self._peers.get(handshake) or _Peer(handshake, descriptor)
        if message[:1] == b"\1":
            return self._subscribe(xpub, peer, topic, user_of(frame), self._who(frame))
        if topic in peer.requested:
            before = peer.requested[topic]
            ended = self._release(peer, topic)
            self._tell(xpub, zmq.UNSUBSCRIBE, peer, (t for t in before if not peer.accepted[t]))
            return ended, True
        # What `_left` took from it may have been another one's.
        is_closed = not self._rights.is_connected(handshake, descriptor)
        return self._left(topic) if is_closed else [], True

    def _subscribe(
        self, xpub: zmq.Socket[bytes], peer: _Peer, topic: bytes, user: str, who: str
    ) -> tuple[list[bytes], bool]:
        accepted, told = peer.requested.get(topic), True
        if accepted is None:
            accepted = self._translate(topic, self._rights.cameras_of(user))
            if len(accepted) > WIDE_TOPICS and not self._wide.take(who):
                accepted = (_REFUSED + topic,)
            told = self._tell(
                xpub, zmq.SUBSCRIBE, peer, (t for t in accepted if not peer.accepted[t])
            )
            self._peers[peer.handshake] = peer
            self._holders.setdefault(topic, set()).add(peer.handshake)
            peer.requested[topic] = accepted
            peer.accepted.update(accepted)
            self._counts.update(accepted)
        elif len(accepted) > WIDE_TOPICS and not self._wide.take(who):
            return [], True
        return [b"\1" + name for name in accepted], told

    def _translate(self, topic: bytes, cameras: frozenset[str] | None) -> tuple[bytes, ...]:
        """Return the topics as which a subscription is accepted, for a key with these cameras."""
        if cameras is None and not self._has_substreams:
            return (topic,)
        own = [name for name in self._topics if cameras is None or split_stream(name)[0] in cameras]
        if topic in self._prefixes:
            main = [name for name in own if name in self._main]
            reached = tuple(t for name in main for t in self._topics[name] if t.startswith(topic))
            reached += (topic,) if any(topic in self._topics[name] for name in own) else ()
            return tuple(dict.fromkeys(reached)) or (_REFUSED + topic,)
        for prefix in (VIEWER_PREFIX, KEEPER_PREFIX):
            if topic.startswith(prefix):
                # As if it named each camera: it must not count as a viewer of the others.
                camera, _, token = topic[len(prefix) :].partition(b"/")
                every = camera == b"*"
                names = [
                    name.encode()
                    for name in own
                    if camera == name.encode() or (every and name in self._main)
                ]
                expanded = tuple(prefix + name + b"/" + token for name in names)
                return expanded or (_REFUSED + topic,)
        return (topic,) if not self._reaches(topic) else (_REFUSED + topic,)

    def _reaches(self, topic: bytes) -> bool:
        """Return True if a message may begin with this topic."""
        name, nul, _ = topic.partition(b"\0")
        return topic in self._prefixes or name + nul in self._published

    def _tell(
        self, xpub: zmq.Socket[bytes], option: int, peer: _Peer, topics: Iterable[bytes]
    ) -> bool:
        """Have libzmq follow or end subscriptions of the connection that was read last.

        Returns False where it is not certain that libzmq would do so for that connection.
        """
        # Individual topics take what a relay sends to one viewer alone.
        reaching = [topic for topic in topics if self._reaches(topic) or _INDIVIDUAL.match(topic)]
        if not reaching:
            return True
        # While its descriptor is open, libzmq cannot have freed what it remembers a connection by
        # and have given the same address to another one.
        if not self._rights.is_connected(peer.handshake, peer.descriptor):
            return True  # it has left, and nobody waits for it
        if not self._in_step:
            return False
        for topic in reaching:
            xpub.setsockopt(option, topic)
        return True

    def _left(self, topic: bytes) -> list[bytes]:
        """Note that a connection which had `topic` has ended; libzmq does not say which."""
        holders = self._holders.get(topic, set())
        if holders.isdisjoint(self._dead):
            self._dead.update(
                handshake
                for handshake in holders
                if not self._rights.is_connected(handshake, self._peers[handshake].descriptor)
            )
        for handshake in self._dead & holders:
            # If there are several, libzmq reports each of them sooner or later.
            return self._release(self._peers[handshake], topic)
        return []

    def _release(self, peer: _Peer, topic: bytes) -> list[bytes]:
        """Take a topic from a connection; return the end of what nobody else has."""
        accepted = peer.requested.pop(topic)
        for counts in (peer.accepted, self._counts):
            counts.subtract(accepted)
            for name in accepted:
                if not counts[name]:
                    del counts[name]
        holders = self._holders[topic]
        holders.discard(peer.handshake)
        if not holders:
            del self._holders[topic]
        if not peer.requested:
            del self._peers[peer.handshake]
            self._dead.discard(peer.handshake)
        return [b"\0" + name for name in accepted if name not in self._counts]
