"""CameraJoins: lets viewers of one camera join in the middle of a chain."""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from rankcast.decoder import Decoder
from rankcast.errors import RankcastError
from rankcast.wire import Header, Limits, frames_topic, pack_catch_up, unpack
from rankcast_sender.joins.group import Group, Link, link_of
from rankcast_sender.peers import RateLimit

log = logging.getLogger(__name__)

MOST_PACKETS: Final = 30
"""Longest catch-up: a second of video, which a viewer decodes within its budget of a batch."""
SMALL: Final = 2
"""A catch-up of this many times its first packet goes to a viewer that could have a key frame: it
costs nobody else anything."""
MAX_WAITING: Final = 1000
"""Most viewers remembered; the one that has waited longest is forgotten."""
MAX_COMING: Final = 64
ON_ITS_WAY_S: Final = 1.0
"""A catch-up counts as lost if its viewer asks again this long after it was sent."""
CATCH_UPS_S: Final = 0.2
CATCH_UPS_AT_ONCE: Final = 3
"""Budget of one viewer: after three catch-ups only a key frame can help it."""


def _token_of(topic: bytes) -> bytes:
    """Return the token at the end of the individual topic of a viewer."""
    return bytes.fromhex(topic[-33:-1].decode("ascii"))


class CameraJoins:
    """Keeps a camera's latest group and, once somebody has joined, a reference made from it.

    Parameters
    ----------
    camera : str
        Name by which viewers know it.
    limits : Limits
    want_reference : callable
        Arranges, with what it is given, a call of `make_reference` in another thread; may be
        called in any thread.
    send : callable
        Called with the token of each viewer whose catch-up can be sent.
    ask_keyframe : callable
        Called for a viewer that only a key frame can help: with its individual topic, with the key
        or address of one that has none, or with b"" for all viewers.
    makes_keyframe : callable, optional
        Returns True while a viewer that joins can have a key frame, which is smaller than a
        reference and costs the others little as long as it is seldom.
    """

    def __init__(
        self,
        camera: str,
        limits: Limits,
        want_reference: Callable[[CameraJoins], None],
        send: Callable[[bytes], None],
        ask_keyframe: Callable[[bytes], object],
        makes_keyframe: Callable[[], bool] = lambda: False,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now_s = now_s
        self._topic = frames_topic(camera)
        self.name = camera
        self._limits = limits
        self._want_reference, self._send = want_reference, send
        self._ask_keyframe, self._makes_keyframe = ask_keyframe, makes_keyframe
        self._coming: deque[Header] = deque(maxlen=MAX_COMING)
        """Headers of the packets that the thread of the socket will send next."""
        self.group = Group()
        self._waiting: OrderedDict[bytes, bytes] = OrderedDict()
        """Topics of the viewers that wait for a reference, by token."""
        self._served_s: OrderedDict[bytes, float] = OrderedDict()
        """When viewers were sent a catch-up, by token."""
        self._budget = RateLimit[bytes](CATCH_UPS_S, CATCH_UPS_AT_ONCE)
        self._decoder: Decoder | None = None
        self._decoded = (0, -1)
        """Number of the chain and sequence up to which `_decoder` has decoded."""
        self._began = False
        """Whether a packet of the stream was sent: until then nobody lacks anything."""
        self.catch_ups = 0
        self.references = 0

    def expect(self, header: Header) -> None:
        """Note the header of a packet, before it is handed to the thread of the socket."""
        self._coming.append(header)

    def begin_with(self, packets: Iterable[tuple[Header, bytes]]) -> None:
        """Begin a chain with what another sender sent to this one alone."""
        for header, data in packets:
            self.group.add(link_of(header, data))

    def is_coming(self, token: bytes) -> bool:
        """Whether the catch-up of the viewer with this token is in the making or on its way.

        Any thread may call it.
        """
        if token in self._waiting:
            return True
        return self._now_s() < self._served_s.get(token, -math.inf) + ON_ITS_WAY_S

    def catch_up(self, token: bytes) -> bool:
        """Send a viewer that asks for a key frame a catch-up, if that can help; any thread."""
        if not self.group.whole or not self._budget.take(token):
            return False
        self._send(token)
        return True

    # Called in the thread of the socket.

    def sent(self, data: bytes, sequence: int) -> None:
        """Note a packet that was handed to libzmq."""
        while self._coming:
            header = self._coming.popleft()
            if header.sequence == sequence:
                self._add(link_of(header, data))
                return

    def _add(self, link: Link) -> None:
        is_first, self._began = not self._began, True
        was_broken = self.group.is_broken
        self.group.add(link)
        lacks_start = is_first and not self.group.whole
        if lacks_start or (self.group.is_broken and not was_broken):
            # For all viewers at once, before any of them asks.
            self._ask_keyframe(b"")

    def restarted(self) -> None:
        """Forget the group, because another stream begins."""
        self.group.clear()
        self._began = False

    def joined(self, topic: bytes) -> bytes | None:
        """Return the catch-up of a viewer; None if it has to wait for one or for a key frame."""
        packets = self._cheapest()
        small = packets is not None and sum(map(len, packets)) <= SMALL * len(packets[0])
        if not small and self._makes_keyframe():
            self._ask_keyframe(topic)
            return None
        if packets is not None:
            self.catch_ups += 1
            self._note(_token_of(topic))
            return pack_catch_up(self._topic, packets)
        if not self.group.whole:
            if self._began:
                self._ask_keyframe(topic)
            return None
        self._waiting[_token_of(topic)] = topic
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popitem(last=False)
        self._want_reference(self)
        return None

    def joined_plainly(self, peer: bytes) -> None:
        """Ask for a key frame, because a catch-up would not reach this viewer."""
        self._ask_keyframe(peer)

    # Called in the thread that decodes.

    def make_reference(self, stopped: Callable[[], bool]) -> None:
        """Decode the group up to its newest frame, and send catch-ups to those who wait."""
        made = self._cheapest() is not None
        try:
            made = made or self._make(stopped)
        except RankcastError as exc:
            log.warning("%s: viewers that join wait for a key frame: %s", self.name, exc)
        if not made:
            self._decoder = None
        while self._waiting:
            token, topic = self._waiting.popitem()
            if made:
                self._send(token)
            else:
                self._ask_keyframe(topic)

    def _note(self, token: bytes) -> None:
        self._served_s.pop(token, None)
        self._served_s[token] = self._now_s()
        if len(self._served_s) > MAX_WAITING:
            self._served_s.popitem(last=False)

    def _cheapest(self) -> Sequence[bytes] | None:
        return self.group.cheapest(MOST_PACKETS, self._limits.max_packet_bytes)

    def _make(self, stopped: Callable[[], bool]) -> bool:
        while not stopped():
            number, links = self.group.since(self._decoded[1] if self._decoder else -1)
            if self._decoder is not None and number != self._decoded[0]:
                self._decoder = None
                continue
            if self._decoder is None:
                self._decoder = Decoder(self._limits)
            for link in links:
                if stopped():
                    return False
                self._decoder.decode(link.data)
                self._decoded = number, link.sequence
            if links and self.group.since(self._decoded[1])[1]:
                continue  # further ones came meanwhile
            data = self._decoder.reference_packet()
            header = unpack(data, self._limits).header
            self.references += 1
            return self.group.refer(number, Link(header.sequence, None, data))
        return False
