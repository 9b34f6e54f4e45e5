"""Senders that a receiver connects to: by an address, or by the name of a camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rankcast.credentials import shown_address
from rankcast.discovery import AnnouncedName
from rankcast.errors import SettingsError
from rankcast.nats import NatsAddress, is_nats
from rankcast.net import CurveClient, LookUp, check_endpoint

MAX_SENDERS: Final = 16
ADDRESS_PREFIX: Final = "tcp://"


@dataclass(frozen=True, slots=True)
class SenderAddress:
    """One sender, and what holds for it alone."""

    endpoint: str
    """``tcp://HOST:PORT``; `look_up` may know HOST under a name that no name server has."""
    cameras: tuple[str, ...] = ()
    """Names of its cameras to receive; empty: those that are wanted of every sender."""
    curves: tuple[CurveClient, ...] = ()
    """Client keys; empty: those for every sender."""
    look_up: LookUp | None = None
    """Returns the numeric addresses of HOST; None asks the name servers."""


def sender_addresses(given: Sequence[str | SenderAddress]) -> list[SenderAddress]:
    """Return the senders, each with what holds for it alone.

    Raises
    ------
    SettingsError
        If an address is invalid or given twice, or there are none or too many.
    """
    _check_count([each if isinstance(each, str) else each.endpoint for each in given])
    return [
        SenderAddress(_check_address(each)) if isinstance(each, str) else each for each in given
    ]


def check_senders(given: Sequence[str]) -> list[str | AnnouncedName]:
    """Return the addresses, and the names of cameras that are to be found.

    Raises
    ------
    SettingsError
        If one is neither, or given twice, or there are none or too many.
    """
    _check_count(given)
    return [
        _check_address(text)
        if "://" in text or text.startswith(("tcp:", "nats:"))
        else AnnouncedName.of(text)
        for text in given
    ]


def _check_address(text: str) -> str:
    return str(NatsAddress.of(text)) if is_nats(text) else check_endpoint(text, bind=False)


def _check_count(given: Sequence[str]) -> None:
    if not 1 <= len(given) <= MAX_SENDERS:
        raise SettingsError(f"got {len(given)} senders, want 1 to {MAX_SENDERS}")
    if len(set(given)) < len(given):
        raise SettingsError(f"got one sender twice: {', '.join(map(shown_address, given))}")
