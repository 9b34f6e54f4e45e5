"""Slots: the end of the ring of frames that the grabber process writes."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Mapping
from typing import Any


class Slots:
    """Slots of shared memory, each of which belongs to this process until it is announced."""

    def __init__(self) -> None:
        self._map: mmap.mmap | None = None
        self._memory = memoryview(b"")
        self._free: list[int] = []
        self.slot_bytes = 0
        """Room of each slot; 0 before the first ring."""

    def attach(self, ring: Mapping[str, Any]) -> None:
        """Use another ring, all of whose slots are free."""
        self.detach()
        count, self.slot_bytes = int(ring["slots"]), int(ring["slot_bytes"])
        size = count * self.slot_bytes
        if sys.platform == "win32":
            self._map = mmap.mmap(-1, size, tagname=str(ring["tag"]))
        else:
            self._map = mmap.mmap(int(ring["fd"]), size, offset=int(ring["offset"]))
        self._memory = memoryview(self._map)
        self._free = list(range(count))

    def detach(self) -> None:
        """Release the memory."""
        self._memory.release()
        self._memory = memoryview(b"")
        if self._map is not None:
            self._map.close()
        self._map, self._free, self.slot_bytes = None, [], 0

    def put_back(self, slot: int, slot_bytes: int) -> None:
        """Take a slot back that the other end has copied, unless it is one of an earlier ring."""
        if slot_bytes == self.slot_bytes:
            self._free.append(slot)

    def write(self, data: memoryview) -> int | None:
        """Copy a frame into a free slot and return its number; None if there is none."""
        if not self._free:
            return None
        slot = self._free.pop()
        start = slot * self.slot_bytes
        self._memory[start : start + data.nbytes] = data
        return slot
