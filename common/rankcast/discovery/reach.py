"""Reach: through which interfaces a sender is announced; never further than it listens."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

LOOPBACK: Final = "127.0.0.1"
EVERY_HOST: Final = ("*", "0.0.0.0", "::")
"""Hosts to bind that stand for every interface."""
FALLBACK_HOST: Final = "station"

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
IpInterface: TypeAlias = ipaddress.IPv4Interface | ipaddress.IPv6Interface

_LOOPBACK_NETWORKS: Final = (
    ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"),
)  # fmt: skip
_NOT_OF_A_HOST: Final = re.compile(r"[^a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Adapter:
    """One network interface of this machine."""

    name: str
    index: int
    interfaces: tuple[IpInterface, ...]
    """Its addresses, each with its network."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a sender is announced; nowhere if there are no interfaces."""

    interfaces: tuple[str | int, ...] = ()
    """Interfaces that take part: an IPv4 address, or the index of one without any."""
    addresses: tuple[str, ...] = ()
    """Numeric addresses at which the sender listens."""
    networks: tuple[IpNetwork, ...] = ()
    """Networks whose machines may get an answer."""

    def includes(self, address: str) -> bool:
        """Return True if an answer may be sent to `address`."""
        try:
            peer = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(peer in network for network in self.networks if network.version == peer.version)


def adapters() -> list[Adapter]:
    """Return the network interfaces of this machine that have an address."""
    import ifaddr

    found = []
    for adapter in ifaddr.get_adapters():
        interfaces = []
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            interfaces.append(ipaddress.ip_interface(f"{text}/{ip.network_prefix}"))
        if interfaces and adapter.index is not None:
            found.append(Adapter(adapter.name, adapter.index, tuple(interfaces)))
    return found


def reach_of(host: str, known: Sequence[Adapter]) -> Reach:
    """Return how far a sender is announced that is bound to `host`.

    Parameters
    ----------
    host : str
        Host of the address that the sender binds: ``*``, a numeric address, ``localhost`` or the
        name of an interface.
    known : sequence of Adapter

    Notes
    -----
    A loopback address is announced through the loopback interface alone, any other address through
    the interface that has it, and only ``*``, ``0.0.0.0`` and ``::`` through every interface.
    """
    if host in EVERY_HOST:
        return _everywhere(known, ipv6=host == "::")
    if host == "localhost":
        host = LOOPBACK
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        named = [adapter for adapter in known if adapter.name == host]
        return _through(named, [each for adapter in named for each in _ipv4(adapter)])
    if address.is_loopback:
        return Reach((LOOPBACK,), (str(address),), _LOOPBACK_NETWORKS)
    zone = host.partition("%")[2]
    holders = [
        (adapter, each)
        for adapter in known
        for each in adapter.interfaces
        if each.ip == address and zone in ("", adapter.name, str(adapter.index))
    ]
    return _through([adapter for adapter, _ in holders], [each for _, each in holders])


def host_name() -> str:
    """Return the name of this machine, as far as it is one that everybody can print."""
    first = socket.gethostname().lower().partition(".")[0]
    return _NOT_OF_A_HOST.sub("-", first)[:63].strip("-") or FALLBACK_HOST


def _everywhere(known: Sequence[Adapter], *, ipv6: bool) -> Reach:
    outside = [adapter for adapter in known if not _is_loopback(adapter)]
    listening = [
        each
        for adapter in outside
        for each in adapter.interfaces
        if each.version == 4 or (ipv6 and not each.ip.is_link_local)
    ]
    if not listening:  # a machine without a network
        return Reach((LOOPBACK,), (LOOPBACK,), _LOOPBACK_NETWORKS)
    wide = _through([a for a in outside if ipv6 or list(_ipv4(a))], listening)
    # Through loopback as well: a firewall may keep multicast away from the other interfaces.
    return Reach(
        (*wide.interfaces, LOOPBACK), wide.addresses, (*wide.networks, *_LOOPBACK_NETWORKS)
    )


def _through(through: Sequence[Adapter], listening: Sequence[IpInterface]) -> Reach:
    """Return the reach of a sender that listens at some addresses, through some interfaces."""
    if not listening:
        return Reach()
    interfaces: list[str | int] = []
    for adapter in through:
        interfaces.extend([str(each.ip) for each in _ipv4(adapter)] or [adapter.index])
    networks = [each.network for adapter in through for each in adapter.interfaces]
    addresses = [str(each.ip) for each in sorted(listening, key=lambda each: each.version)]
    return Reach(
        tuple(dict.fromkeys(interfaces)), tuple(dict.fromkeys(addresses)),
        tuple(dict.fromkeys(networks)),
    )  # fmt: skip


def _ipv4(adapter: Adapter) -> list[IpInterface]:
    return [each for each in adapter.interfaces if each.version == 4]


def _is_loopback(adapter: Adapter) -> bool:
    return all(each.ip.is_loopback for each in adapter.interfaces)
