"""CameraJoins: lets viewers of one camera join in the middle of a chain."""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from rankcast.decoder import Decoder
from rankcast.errors import one_line
from rankcast.runtime import LogLimiter
from rankcast.wire import Header, Limits, frames_topic, pack_catch_up, unpack
from rankcast_sender.joins.group import Group, Link, link_of
from rankcast_sender.peers import RateLimit

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_PACKETS: Final = 30
"""Longest catch-up: a second of video, which a viewer decodes within its budget of a batch."""
SMALL: Final = 2
"""A catch-up of this many times its first packet goes to a viewer that could have a key frame: it
costs nobody else anything."""
MAX_WAITING: Final = 1000
"""Most viewers remembered; the one that has waited longest is forgotten."""
PEER: Final = b"peer/"
"""Begins the identity of a key or address, as that of all its viewers that cannot be told apart."""
MAKE_S: Final = 3.0
"""Longest decoding of a group: a stream that is hardly slower than that is never caught up with."""
WAIT_S: Final = 1.5
"""A viewer that asks again this long after it joined gets a key frame."""
AGAIN_S: Final = 10.0
"""Nobody waits for a reference twice in this time."""
MAX_COMING: Final = 64
ON_ITS_WAY_S: Final = 1.0
"""A catch-up counts as lost if its viewer asks again this long after it was sent."""
CATCH_UPS_S: Final = 0.2
CATCH_UPS_AT_ONCE: Final = 3
"""Budget of one viewer: after three catch-ups only a key frame can help it."""


def _token_of(topic: bytes) -> bytes:
    """Return the token at the end of the individual topic of a viewer."""
    return bytes.fromhex(topic[-33:-1].decode("ascii"))


def _note(notes: OrderedDict[bytes, T], token: bytes, value: T) -> None:
    """Note something of a viewer; forget the one that was noted longest ago, beyond the limit."""
    notes.pop(token, None)
    notes[token] = value
    if len(notes) > MAX_WAITING:
        notes.popitem(last=False)


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
        Called for a viewer that only a key frame can help: with its individual topic; with `PEER`
        and the key or address of one that has none; or with b"" for all viewers.
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
        self._waited_s: OrderedDict[bytes, float] = OrderedDict()
        """When viewers began to wait for one."""
        self._served_s: OrderedDict[bytes, float] = OrderedDict()
        """When viewers were sent a catch-up."""
        self._budget = RateLimit[bytes](CATCH_UPS_S, CATCH_UPS_AT_ONCE)
        self._log = LogLimiter()
        self._decoder: Decoder | None = None
        self._decoded = (0, -1)
        """Number of the chain and sequence up to which `_decoder` has decoded."""
        self._began = False
        """Whether a packet of the stream was sent: until then nobody lacks anything."""
        self._rests = False
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
        now_s = self._now_s()
        if token in self._waiting:
            return now_s < self._waited_s.get(token, now_s) + WAIT_S
        return now_s < self._served_s.get(token, -math.inf) + ON_ITS_WAY_S

    def rest(self) -> None:
        """Note that nobody watches and nothing is sent: what was sent last is no picture of now.

        Any thread may call it.
        """
        self._rests = True

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
        is_first, self._began, self._rests = not self._began, True, False
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
        if not self._began:
            return None
        packets = self._cheapest()
        small = packets is not None and sum(map(len, packets)) <= SMALL * len(packets[0])
        if self._rests or not self.group.whole or (not small and self._makes_keyframe()):
            self._ask_keyframe(topic)
            return None
        token, now_s = _token_of(topic), self._now_s()
        if packets is not None:
            self.catch_ups += 1
            _note(self._served_s, token, now_s)
            return pack_catch_up(self._topic, packets)
        if now_s < self._waited_s.get(token, -math.inf) + AGAIN_S:
            self._ask_keyframe(topic)  # it has waited for a reference, which is too old already
            return None
        _note(self._waited_s, token, now_s)
        _note(self._waiting, token, topic)
        self._want_reference(self)
        return None

    def joined_plainly(self, peer: bytes) -> None:
        """Ask for a key frame, because a catch-up would not reach this viewer."""
        self._ask_keyframe(PEER + peer if peer else b"")

    # Called in the thread that decodes.

    def make_reference(self, stopped: Callable[[], bool]) -> None:
        """Decode the group up to its newest frame, and send catch-ups to those who wait."""
        made = self._cheapest() is not None
        try:
            made = made or self._make(stopped)
        except Exception as exc:
            # Whatever it is, the stream goes on without it.
            if self._log.may_log():
                log.warning("%s: viewers that join wait for a key frame: %s",
                            self.name, one_line(exc))  # fmt: skip
        if not made:
            self._decoder = None
        for token in list(self._waiting):
            topic = self._waiting.pop(token, None)
            if made:
                self._send(token)
            elif topic is not None:
                self._ask_keyframe(topic)

    def drop_decoder(self) -> None:
        """Free the memory of the decoder, because nobody has joined for long."""
        self._decoder = None

    def _cheapest(self) -> Sequence[bytes] | None:
        return self.group.cheapest(MOST_PACKETS, self._limits.max_packet_bytes)

    def _make(self, stopped: Callable[[], bool]) -> bool:
        until_s = self._now_s() + MAKE_S
        while not stopped() and self._now_s() < until_s:
            number, links = self.group.since(self._decoded[1] if self._decoder else -1)
            if self._decoder is not None and number != self._decoded[0]:
                self._decoder = None
                continue
            if self._decoder is None:
                self._decoder = Decoder(self._limits)
            for link in links:
                if stopped() or self._now_s() > until_s:
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
