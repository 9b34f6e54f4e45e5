"""The protocol of a source of packets that were recorded, and need no encoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from rankcast.wire import Header
from rankcast_sender.sources.source import Adjustable, Described


@dataclass(frozen=True, slots=True)
class RecordedPacket:
    """One packet of a frame, and which time round the recording is played."""

    data: bytes
    header: Header
    loop: int
    """0 the first time."""
    is_lead: bool = False
    """True before the span to play: later frames build on it, and it is shown without waiting."""


class RecordedPackets(Described, Adjustable, Protocol):
    """Yields the packets of one camera of a recording, unchanged."""

    interval_s: float | None
    """Time from the packet that is due to the next one; the pipeline sets it."""

    @property
    def speed(self) -> float:
        """How many seconds of the recording are played in one."""

    def __iter__(self) -> Iterator[RecordedPacket]:
        """Yield packets until the recording ends.

        Raises
        ------
        SourceError
            If it cannot be read any more.
        """

    def wait_for_step(self) -> bool:
        """Wait for the next step; return False at once if the replay is not single-stepped."""

    def interrupt(self) -> None:
        """End the iteration; may be called from any thread."""

    def close(self) -> None:
        """Close the files; may be called twice."""
