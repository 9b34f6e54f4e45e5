"""NatsAddress: the servers of ``nats://HOST:PORT[,HOST:PORT...]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from rankcast.credentials import shown_address
from rankcast.errors import SettingsError
from rankcast.net import check_endpoint, is_loopback

DEFAULT_PORT: Final = 4222
MAX_SERVERS: Final = 16
_SCHEMES: Final = ("nats://", "tls://")
_HOST: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]@/]+)(?::(\d{1,5}))?")


def is_nats(address: str) -> bool:
    """Return True if `address` is meant for a NATS server, valid or not."""
    return address.startswith((*_SCHEMES, "nats:", "tls:"))


@dataclass(frozen=True, slots=True)
class NatsAddress:
    """Where a NATS server, or the servers of one cluster, can be reached."""

    servers: tuple[str, ...]
    """``HOST:PORT`` of each."""
    tls: bool = False
    """Whether the address itself asks for TLS."""

    @classmethod
    def of(cls, text: str) -> NatsAddress:
        """Parse an address.

        Raises
        ------
        SettingsError
            If it is not ``nats://HOST:PORT[,HOST:PORT...]``, or contains a password.
        """
        scheme = next((scheme for scheme in _SCHEMES if text.startswith(scheme)), "")
        given = text.removeprefix(scheme).rstrip("/").split(",")
        if "@" in text:
            # It would be in the list of processes and in logs.
            raise SettingsError(
                "got a NATS address with a user or password in it: leave them out, and set "
                "nats.user and nats.password_file, nats.credentials or nats.nkey_seed"
            )
        matches = [_HOST.fullmatch(host) for host in given]
        if not scheme or len(given) > MAX_SERVERS or not all(matches):
            raise _wrong(text)
        servers = []
        for match in matches:
            assert match is not None
            server = f"{match[1]}:{match[2] or DEFAULT_PORT}"
            try:
                check_endpoint(f"tcp://{server}", bind=False)
            except SettingsError:
                raise _wrong(text) from None
            servers.append(server)
        if len(set(servers)) < len(servers):
            raise SettingsError(f"got one NATS server twice: {text:.200}")
        return cls(tuple(servers), scheme == "tls://")

    @property
    def is_loopback(self) -> bool:
        """True if all servers run on this machine."""
        return all(is_loopback(f"tcp://{server}") for server in self.servers)

    def __str__(self) -> str:
        return ("tls://" if self.tls else "nats://") + ",".join(self.servers)


def _wrong(text: str) -> SettingsError:
    return SettingsError(
        f"got address {shown_address(text)!r:.80}, want nats://HOST:PORT or tls://HOST:PORT, "
        f"or several servers of one cluster as nats://HOST:PORT,HOST:PORT (at most {MAX_SERVERS})"
    )
