"""PacketRing: the packets of the last seconds, in memory."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from rankcast.wire import Packet


@dataclass(frozen=True, slots=True)
class RingEntry:
    """One packet, and when it came."""

    camera: str
    data: bytes | bytearray | memoryview
    packet: Packet
    t_recorded_ns: int
    """Of the recorder's clock."""
    t_s: float
    """Monotonic."""


@dataclass(slots=True)
class _Group:
    """A key frame and what came up to the next one."""

    t_s: float
    entries: list[RingEntry] = field(default_factory=list)
    bytes: int = 0


class PacketRing:
    """Keeps whole groups of each camera, from a key frame to the next, and decodes nothing.

    Of each camera it holds the last `pre_s` seconds and what came since the key frame before, as
    far as all packets together fit into `max_bytes`. The oldest group goes first; if it is the one
    that still grows, the camera starts again with its next key frame.

    Parameters
    ----------
    pre_s : float
    max_bytes : int
    """

    def __init__(self, pre_s: float, max_bytes: int) -> None:
        self._pre_s, self._max_bytes = pre_s, max_bytes
        self._groups: dict[str, deque[_Group]] = {}
        self.bytes = 0
        """Size of all packets in memory."""
        self.held_since_s = float("inf")
        """Keep what came since then, for as long as the bytes allow."""

    def add(self, entry: RingEntry) -> None:
        """Add a packet; a predicted one without the start of its group is ignored."""
        groups = self._groups.setdefault(entry.camera, deque())
        if entry.packet.header.kind.is_start:
            groups.append(_Group(entry.t_s))
        if not groups:
            return
        groups[-1].entries.append(entry)
        groups[-1].bytes += len(entry.data)
        self.bytes += len(entry.data)
        self._trim(entry.t_s)

    def lacks_start(self, camera: str) -> bool:
        """Return True if nothing of `camera` is kept before its next key frame."""
        return not self._groups.get(camera)

    def since(self, t_s: float) -> Iterator[RingEntry]:
        """Return the packets since `t_s` in their order, each camera's from a key frame on."""
        chosen = []
        for groups in self._groups.values():
            kept = list(groups)
            while len(kept) > 1 and kept[1].t_s <= t_s:
                del kept[0]
            chosen.append([entry for group in kept for entry in group.entries])
        return heapq.merge(*chosen, key=lambda entry: entry.t_recorded_ns)

    def _trim(self, now_s: float) -> None:
        since_s = min(now_s - self._pre_s, self.held_since_s)
        for camera in tuple(self._groups):
            groups = self._groups[camera]
            while len(groups) > 1 and groups[1].t_s <= since_s:
                self._drop_oldest(camera)
        while self.bytes > self._max_bytes:
            self._drop_oldest(min(
                (camera for camera, groups in self._groups.items() if groups),
                key=lambda camera: self._groups[camera][0].t_s,
            ))  # fmt: skip

    def _drop_oldest(self, camera: str) -> None:
        self.bytes -= self._groups[camera].popleft().bytes
