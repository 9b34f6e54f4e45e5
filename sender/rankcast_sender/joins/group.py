"""Group: the packets of one stream since its latest key frame, from which viewers can go on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rankcast.wire import Header

MAX_PACKETS: Final = 1000
MAX_BYTES: Final = 16 * 1024 * 1024
"""Most packets and bytes kept of one camera. Viewers that join in a longer group wait for the next
key frame, which is then requested."""


@dataclass(frozen=True, slots=True)
class Link:
    """One packet of a chain."""

    sequence: int
    ref_sequence: int | None
    """Sequence of the frame that it is predicted from; None for a key frame or a reference."""
    data: bytes


def link_of(header: Header, data: bytes) -> Link:
    """Return the link of a packet with this header."""
    return Link(header.sequence, None if header.kind.is_start else header.ref_sequence, data)


class Group:
    """Keeps the packets that a viewer has to decode before the next one; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._links: deque[Link] = deque()
        self._bytes = 0
        self._whole = False
        """Whether the references of the newest frame lead back to the key frame without a gap."""
        self._reference: Link | None = None
        self.is_broken = False
        """True from a frame whose reference never came until the next key frame: nobody can decode
        the frames between them."""
        self.number = 0
        """Number of key frames so far; each one begins another chain."""

    def add(self, link: Link) -> None:
        """Add the packet that was sent last."""
        with self._lock:
            if self._links and link.sequence <= self._links[-1].sequence:
                return  # what was sent of it is older than the catch-up that began this chain
            if link.ref_sequence is None:
                self._clear()
                self.number += 1
                self._whole, self.is_broken = True, False
            elif self._whole and not self._has(link.ref_sequence):
                self._clear()
                self.is_broken = True
            if not self._whole:
                return
            self._links.append(link)
            self._bytes += len(link.data)
            if len(self._links) > MAX_PACKETS or self._bytes > MAX_BYTES:
                self._clear()

    def clear(self) -> None:
        """Forget everything, because another stream begins."""
        with self._lock:
            self._clear()
            self.is_broken = False

    @property
    def whole(self) -> bool:
        """True if a viewer can join from the packets that are kept."""
        return self._whole

    @property
    def kept_bytes(self) -> int:
        """Size of the packets that are kept."""
        return self._bytes

    def refer(self, number: int, reference: Link) -> bool:
        """Keep a reference that stands for a frame of a chain; False if another chain began."""
        with self._lock:
            if number != self.number or not self._whole:
                return False
            self._reference = reference
            return True

    def since(self, sequence: int) -> tuple[int, Sequence[Link]]:
        """Return the number of the chain, and its packets after a sequence; -1 returns all."""
        with self._lock:
            return self.number, [link for link in self._links if link.sequence > sequence]

    def cheapest(self, most_packets: int, most_bytes: int) -> Sequence[bytes] | None:
        """Return the shortest catch-up to the newest frame; None if it exceeds a limit."""
        with self._lock:
            chains = [self._chain(None, most_packets)]
            if self._reference is not None:
                chains.append(self._chain(self._reference, most_packets))
        sizes = {sum(map(len, chain)): chain for chain in chains if chain}
        least = min(sizes, default=most_bytes + 1)
        return sizes[least] if least <= most_bytes else None

    def _chain(self, start: Link | None, most: int) -> Sequence[bytes] | None:
        """Return the packets from a reference, or else from the key frame, to the newest frame."""
        if not self._whole:
            return None
        wanted: int | None = self._links[-1].sequence
        chain: list[bytes] = []
        for link in reversed(self._links):
            if start is not None and wanted is not None and wanted <= start.sequence:
                break
            if link.sequence != wanted:
                continue
            chain.append(link.data)
            wanted = link.ref_sequence
            if len(chain) >= most and wanted is not None:
                return None
        if start is not None:
            # What refers to an older frame than the reference cannot follow it.
            if wanted != start.sequence:
                return None
            chain.append(start.data)
        return chain[::-1]

    def _has(self, sequence: int) -> bool:
        return any(link.sequence == sequence for link in reversed(self._links))

    def _clear(self) -> None:
        self._links.clear()
        self._bytes = 0
        self._whole = False
        self._reference = None
