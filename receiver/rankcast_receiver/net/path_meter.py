"""PathMeter: how late messages of one connection arrive, and what its link carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rankcast_receiver.stream import ReceivedPacket

OLD_S: Final = 2.0
"""Pictures that arrive this much later than the quickest one come out of a queue that is too
long."""
OLD_FOR_S: Final = 0.5
"""What waited while this process stood still has been read after this time."""
FRESH_S: Final = 1.0
"""A status that arrives within this time of the quickest one has not waited."""
FRESH_FOR_S: Final = 2.0
WINDOW_S: Final = 5.0
WAITS_S: Final = 0.03
"""If even the quickest message of a window was this late, the queue in front of the link never
emptied."""
LATE_S: Final = 1.0
LOST_SHARE: Final = 0.05
DRIFT: Final = 200e-6
"""Two quartz clocks drift apart by less."""
MAX_CAMERAS: Final = 128
"""Most cameras that are measured: their names come from the peer."""
_SPARE: Final = 0.8
"""Share of a link that a stream may use."""


@dataclass(slots=True)
class _Quickest:
    """Smallest difference of the clocks of both ends, plus the transit time."""

    transit_s: float
    at_s: float

    def late_s(self, transit_s: float, now_s: float) -> float:
        """Return how much later than the quickest message this one is."""
        least_s = min(transit_s, self.transit_s + DRIFT * (now_s - self.at_s))
        self.transit_s, self.at_s = least_s, now_s
        return transit_s - least_s


@dataclass(slots=True)
class _Count:
    """Pictures of one stream within a window."""

    stream_id: bytes
    first: int
    last: int
    count: int = 1


class PathMeter:
    """Measures the path from one sender, from one connection to the next.

    Delays are relative to the quickest message of the connection, so that a path that is always
    slow is not late, and no clock needs to be right.
    """

    def __init__(self, now_s: float) -> None:
        self.shortage = ""
        """What the link carries if that is less than the stream; else empty."""
        self.restart(now_s)

    def restart(self, now_s: float) -> None:
        """Reset all measurements, because the connection is new."""
        self._quickest: dict[tuple[str, bool], _Quickest] = {}
        self._old_since_s: float | None = None
        self._fresh_s = now_s
        self._least_late_s: float
        self._reported_late_s: float | None = None
        """The least since the last report, also of a status: it is stamped when it is sent, so that
        pictures that were encoded late are not late on the way."""
        self._begin(now_s)

    def hear(self, received: ReceivedPacket, size: int, now_s: float) -> None:
        """Record a message of `size` bytes that has just arrived."""
        self._bytes += size
        packet = received.packet
        t_mono_ns = 0 if packet is None else received.sender_times()[0]
        if packet is None or not t_mono_ns:
            return
        key = received.camera, received.is_picture
        transit_s = now_s - t_mono_ns / 1e9
        quickest = self._quickest.get(key)
        if quickest is None:
            if len(self._quickest) >= MAX_CAMERAS:
                return
            quickest = self._quickest[key] = _Quickest(transit_s, now_s)
        late_s = quickest.late_s(transit_s, now_s)
        self._least_late_s = min(self._least_late_s, late_s)
        if self._reported_late_s is None or late_s < self._reported_late_s:
            self._reported_late_s = late_s
        if not received.is_picture:
            if late_s < FRESH_S:
                self._fresh_s = now_s
            return
        if late_s < OLD_S:
            self._old_since_s = None
        elif self._old_since_s is None:
            self._old_since_s = now_s
        header, count = packet.header, self._counts.get(received.camera)
        if count is None or count.stream_id != header.stream_id:
            self._counts[received.camera] = _Count(
                header.stream_id, header.sequence, header.sequence
            )
        elif header.sequence > count.last:
            count.last = header.sequence
            count.count += 1

    def take_late_s(self) -> float | None:
        """Return how late the quickest message since the last call was; None without any."""
        late_s, self._reported_late_s = self._reported_late_s, None
        return late_s

    def only_old(self, now_s: float) -> bool:
        """Return True if nothing but old pictures arrives, because they wait on the way.

        A status is stamped when it is sent: if it arrives in time, the pictures are old for
        another reason.
        """
        return (
            self._old_since_s is not None
            and now_s - self._old_since_s > OLD_FOR_S
            and now_s - self._fresh_s > FRESH_FOR_S
        )

    def tick(self, now_s: float) -> bool:
        """Judge the link once in a window; return True when `shortage` begins."""
        seconds = now_s - self._began_s
        if seconds < WINDOW_S:
            return False
        expected = sum(c.last - c.first + 1 for c in self._counts.values())
        arrived = sum(c.count for c in self._counts.values())
        before = self.shortage
        self.shortage = ""
        waits = bool(arrived) and self._least_late_s > WAITS_S
        lost = expected - arrived > LOST_SHARE * expected
        if waits and (lost or self._least_late_s > LATE_S):
            self.shortage = _shortage(self._bytes * 8 / seconds, len(self._counts))
        self._begin(now_s)
        return bool(self.shortage) and not before

    def _begin(self, now_s: float) -> None:
        self._began_s = now_s
        self._bytes = 0
        self._least_late_s = float("inf")
        self._counts: dict[str, _Count] = {}


def _shortage(bit_s: float, cameras: int) -> str:
    together = f" for its {cameras} cameras together" if cameras > 1 else ""
    return (
        f"the link carries about {_rate(bit_s)}: "
        f"codec.bitrate = {_rate(_SPARE * bit_s)} at the sender would fit{together}"
    )


def _rate(bit_s: float) -> str:
    """Return a rate, rounded down to two digits."""
    for unit, size in (("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if bit_s >= size:
            value = bit_s / size
            digits = 10.0 ** (len(str(int(value))) - 2)
            return f"{int(value / digits) * digits:g} {unit}"
    return f"{int(bit_s)} bit/s"
