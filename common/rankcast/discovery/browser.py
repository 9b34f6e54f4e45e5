"""browse: the cameras that senders announce on the networks of this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rankcast.discovery.announcement import Announcement
from rankcast.discovery.reach import Adapter, adapters, reach_of

MAX_SERVICES: Final = 256
"""Most services of one search: anybody on the network can announce any number."""


@dataclass(frozen=True, slots=True)
class Browse:
    """Result of one search."""

    found: Sequence[Announcement] = ()
    """Sorted by camera and host."""
    refused: int = 0
    """Services whose records are malformed, or did not come in time."""
    left_off: int = 0
    """Services beyond the most that one search takes."""


def browse(
    timeout_s: float,
    *,
    wanted: Callable[[Announcement], bool] | None = None,
    stopped: Callable[[], bool] = lambda: False,
    known: Callable[[], Sequence[Adapter]] = adapters,
) -> Browse:
    """Ask all networks of this machine for cameras; blocks for up to `timeout_s`.

    Parameters
    ----------
    timeout_s : float
    wanted : callable, optional
        The search ends 0.6 s after the first announcement for which it returns True; without it,
        the whole time is waited.
    stopped : callable
        Called twenty times a second; true ends the search.
    known : callable
        Returns the network interfaces of this machine.

    Raises
    ------
    TransportError
        If no interface takes multicast, or port 5353 is refused.
    """
    from rankcast.discovery.search import search  # loads zeroconf and asyncio

    return Browse(*search(timeout_s, wanted, stopped, reach_of("::", known())))
