"""Sink `count`: counts frames and stores none, for measurements and reports."""

from __future__ import annotations

from typing import Final

from rankcast.frame import Frame


class CountSink:
    """Counts frames and the bytes of their packets."""

    name = "count"
    wants: Final = "frames"

    def __init__(self) -> None:
        self.frames = 0
        self.packet_bytes = 0

    def put(self, frame: Frame) -> bool:
        """Count one frame; see Sink."""
        self.frames += 1
        if frame.coding is not None:
            self.packet_bytes += frame.coding.packet_bytes
        return True

    def idle(self) -> bool:
        """Do nothing between frames; see Sink."""
        return True

    def close(self) -> None:
        """Do nothing; see Sink."""
