"""A sender is announced through the interfaces that it listens at, and no others."""

from __future__ import annotations

import socket
from ipaddress import ip_interface

import pytest

from rankcast.discovery import Adapter, Reach, adapters, host_name, reach_of


def adapter(name: str, index: int, *interfaces: str) -> Adapter:
    return Adapter(name, index, tuple(map(ip_interface, interfaces)))


LO = adapter("lo", 1, "127.0.0.1/8", "::1/128")
ETH = adapter("eth0", 2, "10.0.0.5/24", "fd00::5/64", "fe80::5/64")
WLAN = adapter("wlan0", 3, "192.168.1.5/24")
SIX = adapter("six0", 4, "fd01::5/64", "fe80::6/64")
ALL = [LO, ETH, WLAN, SIX]


@pytest.mark.parametrize(
    ("host", "interfaces", "addresses"),
    [
        ("127.0.0.1", ("127.0.0.1",), ("127.0.0.1",)),
        ("127.0.0.9", ("127.0.0.1",), ("127.0.0.9",)),
        ("localhost", ("127.0.0.1",), ("127.0.0.1",)),
        ("::1", ("127.0.0.1",), ("::1",)),
        ("10.0.0.5", ("10.0.0.5",), ("10.0.0.5",)),
        ("fd00::5", ("10.0.0.5",), ("fd00::5",)),
        ("fe80::5%eth0", ("10.0.0.5",), ("fe80::5",)),
        ("fd01::5", (4,), ("fd01::5",)),
        ("wlan0", ("192.168.1.5",), ("192.168.1.5",)),
        ("*", ("10.0.0.5", "192.168.1.5", "127.0.0.1"), ("10.0.0.5", "192.168.1.5")),
        ("0.0.0.0", ("10.0.0.5", "192.168.1.5", "127.0.0.1"), ("10.0.0.5", "192.168.1.5")),
        ("::", ("10.0.0.5", "192.168.1.5", 4, "127.0.0.1"),
         ("10.0.0.5", "192.168.1.5", "fd00::5", "fd01::5")),
        ("10.0.0.6", (), ()),
        ("camera.example", (), ()),
    ],
)  # fmt: skip
def test_the_address_that_is_bound_decides_where_a_sender_is_announced(
    host: str, interfaces: tuple[str | int, ...], addresses: tuple[str, ...]
) -> None:
    reach = reach_of(host, ALL)
    assert (reach.interfaces, reach.addresses) == (interfaces, addresses)


def test_a_machine_without_a_network_is_announced_to_itself() -> None:
    for host in ("*", "::"):
        assert reach_of(host, [LO]) == reach_of("127.0.0.1", [LO])


@pytest.mark.parametrize(
    ("host", "answered", "not_answered"),
    [
        ("127.0.0.1", ["127.0.0.1", "127.9.9.9", "::1"], ["10.0.0.5", "10.0.0.77", "fd00::5"]),
        ("10.0.0.5", ["10.0.0.77", "fe80::77%2"], ["127.0.0.1", "192.168.1.7", "10.0.1.5", "x"]),
        ("*", ["10.0.0.77", "192.168.1.7", "127.0.0.1"], ["8.8.8.8"]),
        ("10.0.0.6", [], ["127.0.0.1", "10.0.0.5"]),
    ],
)
def test_machines_of_other_networks_get_no_answer(
    host: str, answered: list[str], not_answered: list[str]
) -> None:
    reach = reach_of(host, ALL)
    assert [address for address in answered if not reach.includes(address)] == []
    assert [address for address in not_answered if reach.includes(address)] == []


def test_nowhere_is_nowhere() -> None:
    assert not Reach().includes("127.0.0.1")


def test_this_machine_has_a_loopback_interface() -> None:
    assert any(str(each.ip) == "127.0.0.1" for found in adapters() for each in found.interfaces)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Station7.example.org", "station7"),
        ("b\xfcro 2", "b-ro-2"),
        ("x" * 80, "x" * 63),
        ("\x1b[2J", "2j"),
        ("...", "station"),
        ("", "station"),
    ],
)
def test_the_name_of_this_machine_is_printable(
    monkeypatch: pytest.MonkeyPatch, given: str, name: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: given)
    assert host_name() == name
