"""FrameGaps: frames that are missing between the block ids of an industrial camera."""

from __future__ import annotations

from typing import Final

_SHORT_IDS: Final = 65535
"""Block ids of GigE Vision 1.x: 1 to 65535, then 1 again."""


class FrameGaps:
    """Counts the frames that are missing between block ids."""

    def __init__(self) -> None:
        self._last: int | None = None

    def before(self, block_id: int | None) -> int:
        """Return how many frames were lost between the last block and this one."""
        last, self._last = self._last, block_id
        if last is None or block_id is None:
            return 0
        if block_id > last:
            return block_id - last - 1
        if last <= _SHORT_IDS and last - block_id > _SHORT_IDS // 2:
            return max(0, block_id + _SHORT_IDS - last - 1)
        return 0  # the camera has started to count again

    def restart(self) -> None:
        """Expect that the camera counts from the beginning."""
        self._last = None
