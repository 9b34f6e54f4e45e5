"""The outlet that the address of a sender asks for."""

from __future__ import annotations

from rankcast_sender.outlet import Outlet
from rankcast_sender.sender_sockets import SenderOptions, SenderSockets


def check_outlet(options: SenderOptions) -> None:
    """Check all that the outlet needs without opening anything.

    Raises
    ------
    SettingsError
        As `SenderOptions.check`.
    """
    options.check()


def open_outlet(options: SenderOptions) -> Outlet:
    """Return the outlet of an address, not started.

    Raises
    ------
    SettingsError
        As `check_outlet`.
    """
    return SenderSockets(options)
