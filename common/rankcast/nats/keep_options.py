"""KeepOptions: how much of a camera a NATS server keeps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeepOptions:
    """Bounds of the stream of each camera."""

    age_s: float = 0.0
    """Packets older than this are discarded; 0: nothing is kept."""
    max_bytes: int = 2**32
    """Most bytes of one camera; beyond it the oldest packets are discarded."""
    replicas: int = 1
    """Servers of a cluster that keep a copy each."""
