"""Damage: what a reader passed over in one file of a recording."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

MAX_PLACES: Final = 100
"""Most places that are listed; all are counted."""


class DamagedPlace(NamedTuple):
    """Bytes of a file that are none of an intact message."""

    offset: int
    size: int
    what: str


@dataclass(slots=True)
class Damage:
    """What was passed over so far."""

    places: list[DamagedPlace] = field(default_factory=list)
    """The first ones."""
    count: int = 0
    """Number of damaged places; a torn tail is none."""
    lost_places: int = 0
    """Of these, how many cost a message."""
    skipped_bytes: int = 0
    rescued: int = 0
    """Intact packets that were found in damaged records."""
    torn_bytes: int = 0
    """At the end of the file, after its last intact record: what a killed recorder had begun."""

    def __bool__(self) -> bool:
        """Return True if anything was passed over."""
        return bool(self.count or self.torn_bytes)

    def skip(self, offset: int, size: int, what: str, *, lost: bool = True) -> None:
        """Count a damaged place of `size` bytes, packets that were found in it apart."""
        self.count += 1
        self.lost_places += lost
        self.skipped_bytes += size
        if len(self.places) < MAX_PLACES:
            self.places.append(DamagedPlace(offset, size, what))
