"""ForeignTopics: subscriptions to topics that are no camera's, and who holds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

TOPIC_BYTES: Final = 32
"""Each topic counts for so many bytes more than it has: short ones take memory too."""


@dataclass(slots=True, eq=False)
class Holder:
    """A connection that holds such topics."""

    descriptor: int
    owner: str
    """Its key or, without keys, its address."""
    topics: set[bytes] = field(default_factory=set)
    sent_bytes: int = 0
    """Size of these topics alone."""

    @property
    def bytes(self) -> int:
        """What they count for."""
        return self.sent_bytes + TOPIC_BYTES * len(self.topics)


class ForeignTopics:
    """Counts the topics of each connection.

    libzmq reports only the last end of a subscription to a topic, so that a connection may be
    charged for one that it has given up while another still has it.
    """

    def __init__(self) -> None:
        self.bytes = 0
        """What all topics count for, each of them once."""
        self._holders: dict[int, Holder] = {}
        self._of: dict[bytes, set[int]] = {}
        """Descriptors of the connections that hold a topic."""

    def add(self, topic: bytes, descriptor: int, identify: Callable[[], str]) -> None:
        """Note that a connection has subscribed to `topic`; `identify` returns its owner."""
        holder = self._holders.get(descriptor)
        if holder is None:
            holder = self._holders[descriptor] = Holder(descriptor, identify())
        if topic in holder.topics:
            return
        holder.topics.add(topic)
        holder.sent_bytes += len(topic)
        if topic not in self._of:
            self._of[topic] = set()
            self.bytes += len(topic) + TOPIC_BYTES
        self._of[topic].add(descriptor)

    def remove(self, topic: bytes) -> None:
        """Note that nobody is subscribed to `topic` any more."""
        for descriptor in list(self._of.get(topic, ())):
            self._drop(self._holders[descriptor], topic)

    def forget(self, descriptor: int) -> None:
        """Forget a connection."""
        holder = self._holders.get(descriptor)
        for topic in list(holder.topics) if holder is not None else ():
            self._drop(self._holders[descriptor], topic)

    def of(self, descriptor: int) -> Holder | None:
        """Return what a connection holds; None if it holds nothing."""
        return self._holders.get(descriptor)

    def largest(self) -> Holder | None:
        """Return the largest connection of the owner that holds most; None if nobody does."""
        owned: dict[str, int] = {}
        for holder in self._holders.values():
            owned[holder.owner] = owned.get(holder.owner, 0) + holder.bytes
        return max(self._holders.values(), key=lambda h: (owned[h.owner], h.bytes), default=None)

    def _drop(self, holder: Holder, topic: bytes) -> None:
        holder.topics.discard(topic)
        holder.sent_bytes -= len(topic)
        if not holder.topics:
            del self._holders[holder.descriptor]
        holders = self._of[topic]
        holders.discard(holder.descriptor)
        if not holders:
            del self._of[topic]
            self.bytes -= len(topic) + TOPIC_BYTES
