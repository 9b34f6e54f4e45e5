"""The senders that a receiver is to connect to, once those that are given by name are found."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.errors import NoStreamError
from rankcast.runtime import doing
from rankcast_receiver.net import CameraFinder, SenderAddress, StationKeys
from rankcast_receiver.settings import ReceiverSettings

log = logging.getLogger(__name__)

FIND_S: Final = 3.0
"""Longest search, and shortest time before another one begins."""
POLL_S: Final = 0.05


def find_senders(
    settings: ReceiverSettings,
    searching: Callable[[], bool],
    waiting: Callable[[], object],
) -> list[SenderAddress]:
    """Return all senders; blocks until every camera that is given by name is announced.

    Parameters
    ----------
    settings : ReceiverSettings
    searching : callable
        Called twenty times a second; false ends the search.
    waiting : callable
        Called once if a camera is not found at once.

    Returns
    -------
    list of SenderAddress
        Empty if `searching` ended the search.

    Raises
    ------
    NoStreamError
        If a camera is not found within ``network.timeout_s``; without a timeout and without
        ``network.stay`` also if several senders announce it, or it has a wrong key.
    SettingsError
        If a key file cannot be used.
    RankcastError
        If multicast is impossible, or a key cannot be kept.
    """
    network, security = settings.network, settings.security
    given = [SenderAddress(endpoint) for endpoint in network.endpoints]
    if not network.names:
        return given
    own = Path(security.key) if security.key else None
    keys = StationKeys(own, [Path(path) for path in security.server_keys])
    finder = CameraFinder(network.names, keys)
    began_s, told, refusals = boot_s(), "", 0
    with doing("looking for cameras by mDNS"):
        while searching():
            asked_s = boot_s()
            found = finder.find(FIND_S, lambda: not searching())
            if not found.lack:
                if refusals:
                    log.info("found after %d searches that met wrong announcements", refusals)
                return [*given, *found.senders]
            refusals += bool(found.refused)
            waits = network.timeout_s or settings.stay or not found.refused
            if not waits or (network.timeout_s and boot_s() - began_s >= network.timeout_s):
                raise NoStreamError(f"{found.lack}; `rankcast find` lists what is announced")
            if found.lack != told and searching():
                if not told:
                    waiting()
                told = found.lack
                log.warning("%s; still looking", told)
            while searching() and boot_s() - asked_s < FIND_S:
                time.sleep(POLL_S)
    return []
