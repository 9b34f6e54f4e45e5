"""HostName: the numeric addresses of a host, looked up without blocking anybody."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

DEADLINE_S: Final = 0.8
"""A look-up that takes longer is reported; its answer is still used when it comes."""
MAX_ADDRESSES: Final = 8
"""Most addresses of one name that are tried: they come from a name server."""

LookUp: TypeAlias = Callable[[str], "Sequence[str] | Whereabouts"]
"""Returns the numeric addresses of a name, in the order to try, or also its port."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a peer is now that may have moved to another port."""

    addresses: Sequence[str]
    """Numeric, in the order to try."""
    port: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Result of one look-up."""

    addresses: Sequence[str] = ()
    """Numeric, in the order to try; empty if the name does not resolve."""
    port: int | None = None
    """None if a name has no port of its own."""
    reason: str = ""
    """Why it does not, in ASCII, one line."""


def look_up(host: str) -> Sequence[str]:
    """Return the numeric addresses of `host`; may block for as long as the name servers do.

    IPv4 addresses come first: ``tcp://*:PORT`` of a sender binds IPv4 interfaces only.

    Raises
    ------
    OSError
        If the name does not resolve.
    UnicodeError
        If it cannot be a name.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    found.sort(key=lambda info: info[0] != socket.AF_INET)  # stable: keeps the system's order
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class HostName:
    """The host of one address.

    Parameters
    ----------
    host : str
        Name or numeric address.
    look_up : callable
        Returns the addresses of a name, or raises.
    wake : callable
        Called in another thread when an answer has come.

    Notes
    -----
    libzmq resolves names in its only I/O thread, where an unanswered query stops every connection
    of the process. Here a thread of its own waits for the answer, at most one for each `HostName`,
    and nobody waits for that thread: it is a daemon, because nothing can interrupt getaddrinfo.
    """

    def __init__(
        self,
        host: str,
        look_up: LookUp = look_up,
        wake: Callable[[], object] = lambda: None,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host = host
        self._look_up = look_up
        self._wake = wake
        self._now_s = now_s
        self._asked_s: float | None = None
        self._answer: Answer | None = None
        """Written by the thread of the look-up, taken by the owner."""

    @property
    def numeric(self) -> bool:
        """True if the host is an address already, so that there is nothing to look up."""
        if self.host.startswith("ipc://"):
            return True
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def asking(self) -> bool:
        """True from `ask` until `take` has returned the answer."""
        return self._asked_s is not None

    @property
    def overdue(self) -> bool:
        """True while an answer is overdue."""
        return self._asked_s is not None and self._now_s() - self._asked_s > DEADLINE_S

    def ask(self) -> None:
        """Begin a look-up, unless one is under way."""
        if self._asked_s is None:
            self._asked_s = self._now_s()
            threading.Thread(target=self._resolve, name="rankcast-resolve", daemon=True).start()

    def take(self) -> Answer | None:
        """Return the answer, once; None while there is no new one."""
        answer = self._answer
        if answer is not None:
            self._answer = self._asked_s = None
        return answer

    def _resolve(self) -> None:
        try:
            found = self._look_up(self.host)
            given, port = (
                (found.addresses, found.port) if isinstance(found, Whereabouts) else (found, None)
            )
            addresses = given[:MAX_ADDRESSES]
            self._answer = Answer(addresses, port, "" if addresses else "it has no address")
        except (OSError, ValueError) as exc:
            reason = (exc.strerror if isinstance(exc, OSError) else None) or str(exc)
            self._answer = Answer(reason=reason.encode("ascii", "backslashreplace").decode("ascii"))
        self._wake()
