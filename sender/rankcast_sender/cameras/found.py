"""What `rankcast cameras` finds: cameras, and what is missing to open others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """A camera that `rankcast send` can open, or could if its problem were solved."""

    source: str
    """Source URI that opens it."""
    kind: str
    """The family: V4L2, Basler, ..."""
    model: str
    serial: str = ""
    name: str = ""
    """Name that somebody gave it."""
    link: str = ""
    formats: tuple[str, ...] = ()
    problem: str = ""
    """Why it cannot be opened now; empty if it can."""


@dataclass(frozen=True, slots=True)
class Search:
    """What one family of cameras found."""

    cameras: Sequence[FoundCamera] = ()
    missing: str = ""
    """What to do so that cameras of this family can be opened; empty if nothing is missing."""
