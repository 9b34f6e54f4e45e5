"""Multicast: the mDNS sockets of one sender or one search, kept to the interfaces they are for.

Importing this module loads zeroconf and asyncio.
"""

from __future__ import annotations

import logging
import socket
from typing import Any, Final

from zeroconf import IPVersion, NotRunningException, Zeroconf
from zeroconf.asyncio import AsyncZeroconf

from rankcast.discovery.reach import Reach
from rankcast.errors import TransportError

# What it warns of is what hostile or broken neighbours send, and errors of networks that are gone.
logging.getLogger("zeroconf").setLevel(logging.CRITICAL)

PORT: Final = 5353
START_S: Final = 1.0


class Multicast(Zeroconf):
    """mDNS through the interfaces of a `Reach` and no others; make it in an event loop.

    zeroconf sends multicast through the interfaces that it is given, but listens at every address:
    it would answer a machine that asks it directly. Such answers are limited to the networks of
    those interfaces.

    Raises
    ------
    TransportError
        If no interface can be used, or port 5353 is refused.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        version = IPVersion.V4Only
        if any(isinstance(each, int) for each in reach.interfaces):
            only = all(isinstance(each, int) for each in reach.interfaces)
            version = IPVersion.V6Only if only else IPVersion.All
        try:
            _check_port()
            super().__init__(list(reach.interfaces), ip_version=version, use_asyncio=True)
        except (OSError, RuntimeError) as exc:
            reason = (exc.strerror if isinstance(exc, OSError) else None) or str(exc)
            raise TransportError(f"port {PORT} for mDNS cannot be used: {reason}") from exc

    def async_send(
        self,
        out: Any,
        addr: str | None = None,
        port: int = PORT,
        v6_flow_scope: Any = (),
        transport: Any = None,
    ) -> None:
        """Send to the multicast group, or to one machine if it may get an answer."""
        if addr is None or self._reach.includes(addr):
            super().async_send(out, addr, port, v6_flow_scope, transport)

    async def wait_for_start(self) -> None:
        """Wait until packets can be sent and received.

        Raises
        ------
        TransportError
            If no interface takes part.
        """
        try:
            await self.async_wait_for_start(START_S)
        except (OSError, NotRunningException) as exc:
            raise TransportError(f"mDNS did not start within {START_S:g} s") from exc
        if not self.engine.senders:
            raise TransportError("no network interface takes multicast")

    async def close_sockets(self) -> None:
        """Close all sockets; services must have been unregistered."""
        await AsyncZeroconf(zc=self).async_close()


def _check_port() -> None:
    """Raise OSError if the port cannot be shared; zeroconf would leave a socket behind."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        trial.bind(("", PORT))
