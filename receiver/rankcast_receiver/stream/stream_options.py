"""StreamOptions: how the packets of a camera are ordered and decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rankcast.wire import Limits


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """Options of all cameras of a receiver."""

    live: bool = True
    """True: decode only what the newest picture needs, and drop what would exceed the time budget.
    False: decode every packet."""
    limits: Limits = field(default_factory=Limits)
    """Sizes above which a packet is refused."""
    models: Path | None = None
    """Folder of the model files that packets of learned codecs refer to."""
    rank: int = 0
    """Highest rank of a plane that packets keep, if they have bands; 0: they stay whole."""
    writable: bool = False
    """True: the pixels of every frame are a copy that the caller may modify."""
    on_demand: bool = False
    """True: decode a camera only while its `CameraStream.demand` says that somebody needs pixels.
    False: decode whatever `live` permits."""
