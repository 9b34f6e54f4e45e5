"""ForeignTopics: subscriptions to topics that are no camera's, and who holds them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

TOPIC_BYTES: Final = 32
"""Each topic counts for so many bytes more than it has: short ones take memory too. Those of one
byte count for nothing: there are 256, and every viewer of all cameras has 37 of them."""
NOTICED_S: Final = 1.0
"""A separate thread notes when a connection was accepted, up to so long after its first topics were
read."""


@dataclass(slots=True, eq=False)
class Holder:
    """A connection that holds such topics."""

    descriptor: int
    accepted_s: float
    """Distinguishes it from an older connection with its descriptor; 0 before it was noted."""
    owner: str
    """Its key or, without keys, its address."""
    topics: dict[bytes, float] = field(default_factory=dict)
    """When each of them came, monotonic."""
    bytes: int = 0
    """What they count for."""
    sent_bytes: int = 0
    """Size of these topics alone."""
    ended: bool = False
    """Shut down; libzmq has not given its topics up yet."""


class ForeignTopics:
    """Counts the topics of each connection.

    libzmq reports only the last end of a subscription to a topic, so that a connection may be
    charged for one that it has given up while another still has it.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self.bytes = 0
        """What all topics count for, each of them once."""
        self.live_bytes = 0
        """What the connections that were not shut down hold together."""
        self.owned: Counter[str] = Counter()
        """The same of each owner."""
        self._holders: dict[int, Holder] = {}
        self._of: dict[bytes, set[int]] = {}
        """Descriptors of the connections that hold a topic."""

    def add(
        self, topic: bytes, descriptor: int, identify: Callable[[], str], accepted_s: float = 0.0
    ) -> None:
        """Note that a connection has subscribed to `topic`; `identify` returns its owner."""
        holder = self._holders.get(descriptor)
        if holder is not None and holder.accepted_s != accepted_s:
            self._forget_older(holder, identify(), accepted_s)
            holder = self._holders.get(descriptor)
        if holder is None:
            holder = self._holders[descriptor] = Holder(descriptor, accepted_s, identify())
        is_known = topic in holder.topics
        holder.topics[topic] = self._now_s()
        if is_known:
            return
        size = _counted_bytes(topic)
        holder.sent_bytes += len(topic)
        holder.bytes += size
        if not holder.ended:
            self._count(holder.owner, size)
        if topic not in self._of:
            self._of[topic] = set()
            self.bytes += size
        self._of[topic].add(descriptor)

    def remove(self, topic: bytes) -> None:
        """Note that nobody is subscribed to `topic` any more."""
        for descriptor in list(self._of.get(topic, ())):
            self._drop(self._holders[descriptor], topic)

    def end(self, holder: Holder) -> None:
        """Note that a connection was shut down: libzmq will give its topics up."""
        if not holder.ended:
            holder.ended = True
            self._count(holder.owner, -holder.bytes)

    def forget(self, holder: Holder) -> None:
        """Forget what a connection holds."""
        for topic in list(holder.topics):
            self._drop(holder, topic)

    def of(self, descriptor: int) -> Holder | None:
        """Return what a connection holds; None if it holds nothing."""
        return self._holders.get(descriptor)

    def found(self, wanted: Callable[[bytes], bool]) -> list[tuple[bytes, Holder]]:
        """Return the topics that are wanted, each with one connection that holds it."""
        topics = [topic for topic in self._of if wanted(topic)]
        return [(topic, self._holders[min(self._of[topic])]) for topic in topics]

    def largest(self, owner: str | None = None) -> list[Holder]:
        """Return the connections that were not shut down, those of the largest owner first.

        Parameters
        ----------
        owner : str, optional
            Only its connections.
        """
        live = [
            holder
            for holder in self._holders.values()
            if not holder.ended and owner in (None, holder.owner)
        ]
        return sorted(live, key=lambda holder: (-self.owned[holder.owner], -holder.bytes))

    def _forget_older(self, holder: Holder, owner: str, accepted_s: float) -> None:
        """Forget what an older connection held: one of another owner, or long before this one."""
        same = owner == holder.owner and not holder.ended
        for topic, came_s in list(holder.topics.items()):
            if not same or came_s < accepted_s - NOTICED_S:
                self._drop(holder, topic)
        holder.accepted_s = accepted_s

    def _count(self, owner: str, size: int) -> None:
        self.live_bytes += size
        self.owned[owner] += size
        if not self.owned[owner]:
            del self.owned[owner]

    def _drop(self, holder: Holder, topic: bytes) -> None:
        size = _counted_bytes(topic)
        holder.topics.pop(topic, None)
        holder.sent_bytes -= len(topic)
        holder.bytes -= size
        if not holder.ended:
            self._count(holder.owner, -size)
        if not holder.topics:
            del self._holders[holder.descriptor]
        holders = self._of[topic]
        holders.discard(holder.descriptor)
        if not holders:
            del self._of[topic]
            self.bytes -= size


def _counted_bytes(topic: bytes) -> int:
    return len(topic) + TOPIC_BYTES if len(topic) > 1 else 0
