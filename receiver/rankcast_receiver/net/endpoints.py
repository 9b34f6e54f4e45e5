"""Addresses of the senders that a receiver connects to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rankcast.errors import SettingsError
from rankcast.net import check_endpoint

MAX_SENDERS: Final = 16


def check_endpoints(endpoints: Sequence[str]) -> list[str]:
    """Return `endpoints` if they are addresses of different senders.

    Raises
    ------
    SettingsError
        If one is invalid or given twice, or there are none or too many.
    """
    if not 1 <= len(endpoints) <= MAX_SENDERS:
        raise SettingsError(f"got {len(endpoints)} senders, want 1 to {MAX_SENDERS}")
    for endpoint in endpoints:
        check_endpoint(endpoint, bind=False)
    if len(set(endpoints)) < len(endpoints):
        raise SettingsError(f"got one sender twice: {', '.join(endpoints)}")
    return list(endpoints)
