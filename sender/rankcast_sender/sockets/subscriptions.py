"""Subscriptions: reads what viewers send to the frames socket, within limits."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias

import zmq

from rankcast.runtime import LogLimiter
from rankcast_sender.peers import (
    REBIND_INTERVAL_S,
    Ban,
    DroppedMessages,
    FloodLimit,
    RateLimit,
    Watch,
    address_of,
    connection_of,
    descriptor_of,
    user_of,
)
from rankcast_sender.sockets.admission import Admission, Rights
from rankcast_sender.sockets.audience import Audience
from rankcast_sender.sockets.foreign_topics import NOTICED_S, Holder

log = logging.getLogger(__name__)

MAX_READ: Final = 1000
"""Most messages read at a time, so that a viewer that floods the socket cannot delay frames."""
CONNECTION_BYTES: Final = 32_768
"""Most bytes of one connection that may wait to be read. A viewer of 64 named cameras sends 19,000
at once with keys, if all names are of the greatest length."""
KEEP_ALIVE_BYTES_S: Final = 64
"""For the heartbeats of foreign viewers, encrypted ones every second."""
ENVELOPE_BYTES: Final = 16
"""Most bytes of a subscription on the wire beside its topic and those of every message."""
SUBSCRIPTIONS_S: Final = 100
SUBSCRIPTIONS_AT_ONCE: Final = 1000
"""Budget of one connection; libzmq follows further subscriptions, but nobody joins by them."""
MAX_FOREIGN_BYTES_OF_ONE: Final = 32_768
MAX_FOREIGN_BYTES_OF_OWNER: Final = 524_288
MAX_FOREIGN_BYTES: Final = 1_000_000
"""Most bytes of topics that are not ours which one connection, those of one key or address, and all
of them may hold: libzmq needs 50 times as much memory. A viewer of 64 named cameras of another
sender holds 16,000."""
INDIVIDUAL_S: Final = 0.2
"""A viewer sends its individual topic right behind the others. Where it comes later, because there
are many and the way is long, it gets a key frame that it may not need."""
MAX_PLAIN: Final = 10_000
SEARCHED_BYTES: Final = 65_536
"""Most of them while connections end so often that searching them costs too much, even though all
connect at a pace: 130 ends a second take a tenth of the thread that publishes."""
SMALL_FOREIGN_BYTES: Final = 4096
"""A connection with less is not closed for what was left by others that were."""


Joined: TypeAlias = Mapping[str, Mapping[bytes, str]]
"""Cameras that gained a viewer, the topics by which they did, and the keys or addresses behind."""


class Subscriptions:
    """Tracks the viewers of one XPUB socket, which may be replaced.

    Parameters
    ----------
    cameras : sequence of str
    port : int
    max_messages_s : int
        Most messages a second that one peer may send.
    ban : callable or None
        Refuses the key of a peer that sends more; None without keys.
    rebind : callable
        Ends all connections, where the system cannot end a single one.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        port: int,
        max_messages_s: int,
        ban: Ban | None,
        rebind: Callable[[], None],
    ) -> None:
        self.audience = Audience(cameras)
        self._cameras = list(cameras)
        self._port = port
        self._ban = ban
        # Without keys a peer may claim any user id: count its address instead.
        self._who = address_of if ban is None else user_of
        self._rebind = rebind
        self._flood = FloodLimit(port, max_messages_s, ban, rebind)
        self._budget = RateLimit[int](SUBSCRIPTIONS_S, SUBSCRIPTIONS_AT_ONCE)
        self._dropped = DroppedMessages(port)
        self._rebound = LogLimiter(REBIND_INTERVAL_S)
        self._log = LogLimiter()
        self._is_crowded = False
        self._plain: OrderedDict[tuple[int, str], tuple[float, str]] = OrderedDict()
        """When connections, by their descriptors, joined a camera by a topic that is no viewer's
        own, and their keys or addresses."""
        self._admission: Admission | None = None

    def restart(self, rights: Rights | None = None) -> None:
        """Forget all viewers, because their connections were closed.

        Parameters
        ----------
        rights : Rights, optional
            Which cameras each key may see, of a socket in manual mode; None follows every
            subscription.
        """
        self.audience = Audience(self._cameras)
        self._admission = None if rights is None else Admission(self._cameras, rights, self._who)

    @property
    def manual(self) -> bool:
        """Whether the socket is in manual mode."""
        return self._admission is not None

    def add(self, camera: str) -> set[bytes]:
        """Follow another camera; return the topics by which viewers have joined it already.

        In manual mode nobody joins it before the socket is bound again.
        """
        self._cameras.append(camera)
        return set() if self.manual else self.audience.add(camera)

    def plain_joins(self, now_s: float) -> set[tuple[str, str]]:
        """Return cameras that a key or address has joined without an individual topic, and it."""
        found = set()
        # In the order of time.
        while self._plain and now_s - next(iter(self._plain.values()))[0] > INDIVIDUAL_S:
            (_, camera), (_, peer) = self._plain.popitem(last=False)
            found.add((camera, peer))
        return found

    def _note_join(self, descriptor: int, topic: bytes, cameras: Iterable[str], peer: str) -> None:
        for camera in cameras:
            if topic.startswith(b"/"):
                self._plain.pop((descriptor, camera), None)
            else:
                self._plain.setdefault((descriptor, camera), (time.monotonic(), peer))
        while len(self._plain) > MAX_PLAIN:
            self._plain.popitem(last=False)

    def read(self, xpub: zmq.Socket[bytes], watch: Watch) -> Joined | None:
        """Process all messages; None without any."""
        self._limit_search(watch)
        joined: dict[str, dict[bytes, str]] | None = None
        for _ in range(MAX_READ):
            try:
                frame = xpub.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                if self._admission is not None:
                    self._admission.drained()
                break
            joined = {} if joined is None else joined
            for camera, topics in self._take(xpub, frame, watch).items():
                joined.setdefault(camera, {}).update(topics)
        return joined

    def _take(self, xpub: zmq.Socket[bytes], frame: zmq.Frame, watch: Watch) -> Joined:
        """Process one message."""
        descriptor = descriptor_of(frame)
        # What libzmq itself says of viewers that have left does not count.
        if descriptor >= 0:
            size = len(frame) + ENVELOPE_BYTES
            # Twice: libzmq does not report the end of a subscription that another viewer still has.
            watch.took(descriptor, size, size)
        admitted = descriptor < 0 or self._flood.admits(frame, descriptor, watch)
        joined: dict[str, dict[bytes, str]] = {}
        # libzmq follows it in any case, so that it counts in any case.
        for message in self._meaning(xpub, frame, descriptor, watch):
            cameras = self.audience.take(
                message,
                partial(self._who, frame),
                descriptor,
                watch.accepted_s.get(descriptor, 0.0),
            )
            if not cameras:
                continue
            peer = self._who(frame)
            self._note_join(descriptor, message[1:], cameras, peer)
            for camera in cameras:
                joined.setdefault(camera, {})[message[1:]] = peer
        self._limit_foreign(descriptor, watch)
        if joined and not (admitted and self._budget.take(descriptor)):
            if admitted:
                self._dropped.add(descriptor, address_of(frame), "joins")
            return {}
        return joined

    def _meaning(
        self, xpub: zmq.Socket[bytes], frame: zmq.Frame, descriptor: int, watch: Watch
    ) -> Sequence[bytes]:
        """Return what a message means to the audience; without limited keys, what it says."""
        if self._admission is None:
            return [frame.bytes]
        if frame.bytes[:1] not in (b"\0", b"\1"):
            self._admission.stray()
            watch.cut(descriptor, len(frame))
            if self._ban is not None:
                self._ban(user_of(frame), "it sent something else than subscriptions")
            return []
        messages, accepted = self._admission.take(xpub, frame)
        if not accepted:
            # Its viewer connects and subscribes again.
            watch.cut(descriptor, 0)
        return messages

    def topics_bytes(self) -> int:
        """Return how many bytes of topics libzmq holds; any thread may call it."""
        return self.audience.topics_bytes

    def _limit_search(self, watch: Watch) -> None:
        """End connections, the largest owner's first, while libzmq has too much to search."""
        foreign = self.audience.foreign
        if not watch.cost.is_extreme or foreign.live_bytes <= SEARCHED_BYTES:
            return
        for holder in foreign.largest():
            if foreign.live_bytes <= SEARCHED_BYTES:
                return
            # What it holds is allowed otherwise, and others may be those that come and go.
            limit = f"want at most {SEARCHED_BYTES} while connections come and go"
            self._end(holder, watch, limit, blames=False)

    def _limit_foreign(self, descriptor: int, watch: Watch) -> None:
        """End connections that hold too many topics which are no camera's."""
        self._limit_search(watch)
        foreign = self.audience.foreign
        own = foreign.of(descriptor)
        if own is not None and not own.ended and own.bytes > MAX_FOREIGN_BYTES_OF_ONE:
            self._end(own, watch, f"want at most {MAX_FOREIGN_BYTES_OF_ONE}")
        if own is not None and foreign.owned[own.owner] > MAX_FOREIGN_BYTES_OF_OWNER:
            whose = "key" if self._ban is not None else "address"
            limit = f"want at most {MAX_FOREIGN_BYTES_OF_OWNER} of one {whose}"
            self._end_largest(own.owner, MAX_FOREIGN_BYTES_OF_OWNER, watch, limit)
        if foreign.bytes <= MAX_FOREIGN_BYTES:
            self._is_crowded = False
            return
        # All are looked at when there is too much, and later only who brings more.
        first, self._is_crowded = not self._is_crowded, True
        if first or foreign.live_bytes > MAX_FOREIGN_BYTES:
            candidates = foreign.largest()
        else:
            candidates = [own] if own is not None and not own.ended else []
        for holder in candidates:
            # What is left of others is no reason to end one that holds little.
            if holder.bytes > SMALL_FOREIGN_BYTES or foreign.live_bytes > MAX_FOREIGN_BYTES:
                self._end(
                    holder, watch, f"want at most {MAX_FOREIGN_BYTES} of all connections together"
                )

    def _end_largest(self, owner: str, most_bytes: int, watch: Watch, why: str) -> None:
        """End connections of one owner, the largest first, until they hold at most `most_bytes`."""
        foreign = self.audience.foreign
        for holder in foreign.largest(owner):
            if foreign.owned[owner] <= most_bytes:
                return
            self._end(holder, watch, why)

    def _end(self, holder: Holder, watch: Watch, limit: str, *, blames: bool = True) -> None:
        """End the connection of `holder`; refuse its key or address if it `blames` that."""
        what = f"{holder.bytes} bytes of subscriptions to topics that are no camera's"
        if watch.scissors is None:
            if self._rebound.may_log():
                log.warning("all connections are closed: one holds %s, %s", what, limit)
                self._rebind()
            return
        address = "a peer"
        accepted_s = watch.accepted_s.get(holder.descriptor, 0.0)
        with suppress(OSError):
            connection = connection_of(holder.descriptor, self._port)
            is_another = accepted_s > max(holder.topics.values(), default=accepted_s) + NOTICED_S
            if connection is not None and (is_another or connection.received < holder.sent_bytes):
                # They are those of an older connection, whose descriptor was used again.
                self.audience.foreign.forget(holder)
                return
            address = connection.peer[0] if connection is not None else address
        self.audience.foreign.end(holder)
        if watch.cut(holder.descriptor, holder.bytes if blames else 0):
            if self._ban is not None and blames:
                self._ban(holder.owner, f"it holds {what}")
            if self._log.may_log():
                log.warning("closed the connection of %s to port %d: it holds %s, %s",
                            address, self._port, what, limit)  # fmt: skip
