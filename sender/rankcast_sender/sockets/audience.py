"""Audience: counts the viewers of each camera from the subscriptions they send."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from rankcast.wire import frames_topic, keeper_topics, status_topic, viewer_topics
from rankcast_sender.sockets.foreign_topics import ForeignTopics

log = logging.getLogger(__name__)

MAX_VIEWERS_OF_ONE: Final = 1000
"""Viewers counted per key or, without keys, per address; further ones are served, not counted."""
MAX_VIEWERS: Final = 10_000
"""Viewers counted in total."""

_TOKEN: Final = re.compile(rb"[0-9a-f]{32}\0")
_NOBODY: Final[frozenset[str]] = frozenset()


class Audience:
    """Tracks the subscriptions on one socket.

    A connected viewer may subscribe to anything, any number of times. Only topics that reach a
    camera, of which there are finitely many, and a bounded number of viewers are counted; no
    subscription ever keeps another viewer from watching. The owner ends connections that hold too
    much of `foreign`.

    Parameters
    ----------
    cameras : iterable of str
        Names of all cameras of the socket.
    """

    def __init__(self, cameras: Iterable[str]) -> None:
        self._of_frames: dict[bytes, frozenset[str]] = {}
        """Every prefix of the topics of frames, with the cameras whose frames it reaches."""
        self._reached: dict[bytes, frozenset[str]] = {}
        """The same of all topics."""
        self._kept: dict[bytes, frozenset[str]] = {keeper_topics(None): _NOBODY}
        self._viewed: dict[bytes, frozenset[str]] = {
            viewer_topics(None): _NOBODY, keeper_topics(None): _NOBODY
        }  # fmt: skip
        self._topics: set[bytes] = set()
        self._watched: Counter[str] = Counter()
        """Subscribed topics that receive the frames of a camera, counted per camera."""
        self._viewers: dict[bytes, str] = {}
        """Key or address behind the topic of each viewer."""
        self._keepers: dict[str, dict[bytes, str]] = {}
        """Tokens of the counted viewers of each camera that keep every frame, and their peers."""
        self._per_peer: Counter[str] = Counter()
        self._counted: Counter[str] = Counter()
        """Viewers per camera."""
        self.foreign = ForeignTopics()
        """All subscribed topics that count for nothing, of which libzmq keeps copies."""
        self._viewers_bytes = 0
        """Size of the topics of all viewers."""
        self._limit_logged = False
        for name in cameras:
            self.add(name)

    def add(self, camera: str) -> set[bytes]:
        """Follow another camera; return the topics by which viewers have joined it already."""
        own = frozenset({camera})
        for topic in _prefixes_of(frames_topic(camera)):
            self._of_frames[topic] = self._of_frames.get(topic, _NOBODY) | own
            self._reached[topic] = self._reached.get(topic, _NOBODY) | own
        for topic in _prefixes_of(status_topic(camera)):
            self._reached[topic] = self._reached.get(topic, _NOBODY) | own
        self._kept[keeper_topics(camera)] = self._viewed[keeper_topics(camera)] = own
        self._viewed[viewer_topics(camera)] = own
        for everything in (viewer_topics(None), keeper_topics(None)):
            self._viewed[everything] |= own
        self._kept[keeper_topics(None)] |= own
        self._keepers[camera] = {}
        joined = {topic for topic in self._topics if camera in self._reached[topic]}
        self._watched[camera] = sum(camera in self._of_frames.get(t, _NOBODY) for t in joined)
        for topic, peer in self._viewers.items():
            if camera in self._viewed_with(topic):
                joined.add(topic)
                self._counted[camera] += 1
                self._keep(topic, own, peer)
        for topic, holder in self.foreign.found(
            lambda topic: topic in self._reached or bool(self._viewed_with(topic))
        ):
            # Subscribed to before the camera was known.
            self.foreign.remove(topic)
            joined.update({topic} if self._join(topic, partial(str, holder.owner), -1, 0.0) else ())
        return joined

    def take(
        self,
        message: bytes,
        identify: Callable[[], str],
        connection: int = -1,
        accepted_s: float = 0.0,
    ) -> frozenset[str]:
        """Process a message of a viewer.

        Parameters
        ----------
        message : bytes
            Any message; all but subscriptions are ignored.
        identify : callable
            Returns the key or address of the subscriber.
        connection : int
            Descriptor of its connection.
        accepted_s : float
            When that was accepted.

        Returns
        -------
        frozenset of str
            Cameras that the viewer joined by this message.
        """
        kind, topic = message[:1], message[1:]
        if kind == b"\1":
            return self._join(topic, identify, connection, accepted_s)
        if kind == b"\0":
            self._leave(topic)
        return _NOBODY

    @property
    def topics_bytes(self) -> int:
        """About how many bytes of topics libzmq holds."""
        return self.foreign.bytes + self._viewers_bytes

    def viewers(self, camera: str) -> int:
        """Return the number of viewers of `camera`; 0 only when nobody receives its frames."""
        # Plain ZeroMQ subscribers have no individual topics: together they count as one.
        return max(1, self._counted[camera]) if self._watched[camera] else 0

    def keepers(self, camera: str) -> Mapping[bytes, str]:
        """Return the keepers of every frame of `camera`: their keys or addresses by token."""
        return self._keepers.get(camera, {})

    def peer_of(self, topic: bytes) -> str | None:
        """Return the key or address behind an individual topic; None if it does not count."""
        return self._viewers.get(topic)

    def individual_topics(self, camera: str, token: bytes) -> list[bytes]:
        """Return the individual topics by which the viewer with this token watches `camera`."""
        text = token.hex().encode("ascii") + b"\0"
        heads = (viewer_topics, keeper_topics)
        topics = [head(name) + text for head in heads for name in (camera, None)]
        return [topic for topic in topics if topic in self._viewers]

    def _join(
        self, topic: bytes, identify: Callable[[], str], connection: int, accepted_s: float
    ) -> frozenset[str]:
        reached = self._reached.get(topic)
        if reached is not None:
            if topic not in self._topics:
                self._topics.add(topic)
                # Subscriptions are prefixes: the empty one receives every camera.
                self._watched.update(self._of_frames.get(topic, _NOBODY))
            return reached
        viewed = self._viewed_with(topic)
        if topic in self._viewers or (viewed and self._count(topic, viewed, identify())):
            return viewed
        self.foreign.add(topic, connection, identify, accepted_s)
        return viewed

    def _leave(self, topic: bytes) -> None:
        self.foreign.remove(topic)
        if topic in self._topics:
            self._topics.remove(topic)
            self._watched.subtract(self._of_frames.get(topic, _NOBODY))
        peer = self._viewers.pop(topic, None)
        if peer is not None:
            self._viewers_bytes -= len(topic)
            self._counted.subtract(self._viewed_with(topic))
            head, token = _split(topic)
            for camera in self._kept.get(head, _NOBODY):
                self._keepers[camera].pop(token, None)
            self._per_peer[peer] -= 1
            if not self._per_peer[peer]:
                del self._per_peer[peer]

    def _count(self, topic: bytes, viewed: frozenset[str], peer: str) -> bool:
        """Count a viewer; return False if there are too many."""
        if len(self._viewers) >= MAX_VIEWERS or self._per_peer[peer] >= MAX_VIEWERS_OF_ONE:
            if not self._limit_logged:
                self._limit_logged = True
                log.warning(
                    "more than %d viewers with one key or address, or %d in total: further ones "
                    "get their frames but are not counted", MAX_VIEWERS_OF_ONE, MAX_VIEWERS,
                )  # fmt: skip
            return False
        self._viewers[topic] = peer
        self._viewers_bytes += len(topic)
        self._per_peer[peer] += 1
        self._counted.update(viewed)
        self._keep(topic, viewed, peer)
        return True

    def _keep(self, topic: bytes, cameras: frozenset[str], peer: str) -> None:
        head, token = _split(topic)
        for camera in self._kept.get(head, _NOBODY) & cameras:
            self._keepers[camera][token] = peer

    def _viewed_with(self, topic: bytes) -> frozenset[str]:
        """Return the cameras that the viewer with this individual topic watches."""
        head, slash, token = topic.rpartition(b"/")
        return self._viewed.get(head + slash, _NOBODY) if _TOKEN.fullmatch(token) else _NOBODY


def _split(topic: bytes) -> tuple[bytes, bytes]:
    """Split the individual topic of a viewer into its prefix and its token."""
    head, slash, token = topic.rpartition(b"/")
    return head + slash, bytes.fromhex(token[:-1].decode("ascii"))


def _prefixes_of(topic: bytes) -> Iterable[bytes]:
    """Return every prefix of a topic: a subscription to one of them reaches it."""
    return (topic[:size] for size in range(len(topic) + 1))
