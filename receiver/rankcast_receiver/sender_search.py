"""The senders that a receiver is to connect to, once those that are given by name are found."""

from __future__ import annotations

import logging
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
"""Longest search before another one begins."""


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
        Called once if a camera is not announced yet.

    Returns
    -------
    list of SenderAddress
        Empty if `searching` ended the search.

    Raises
    ------
    NoStreamError
        If a camera is not announced within ``network.timeout_s``.
    SettingsError
        If several senders have a camera of that name, or it has another key than before.
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
    began_s, told = boot_s(), False
    with doing("looking for cameras by mDNS"):
        while searching():
            found, missing = finder.find(FIND_S, lambda: not searching())
            if not missing:
                return given + found
            text = f"not announced by mDNS: {', '.join(map(str, missing))}"
            if network.timeout_s and boot_s() - began_s >= network.timeout_s:
                raise NoStreamError(f"{text}; `rankcast find` lists what is")
            if not told and searching():
                told = True
                log.warning("%s; still looking", text)
                waiting()
    return []
