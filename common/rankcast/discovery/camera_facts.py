"""CameraFacts: what is announced of one camera."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """What a sender knows of one camera, besides where it is."""

    name: str
    codec: str
    size: tuple[int, int] | None = None
    """Width and height; None before the first picture."""
