"""Anybody on the network can send anything to port 5353."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_interface

import pytest
from zeroconf import DNSIncoming, DNSOutgoing, DNSPointer, DNSText
from zeroconf._dns import DNSAddress, DNSService

from rankcast.discovery import SERVICE_TYPE, Adapter, Announcer, CameraFacts, browse, reach_of
from rankcast.discovery.multicast import Multicast
from support.own_loopback import own_loopback

LO = Adapter("lo", 1, (ip_interface("127.0.0.1/8"),))
GROUP = ("224.0.0.251", 5353)
RESPONSE, IN, TTL_S = 0x8400, 1, 120
PTR, TXT, SRV, A = 12, 16, 33, 1
GOOD = b"\x03v=1\x0acamera=cam\x06host=a"


def loopback() -> Sequence[Adapter]:
    return [LO]


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with own_loopback():
        yield


@contextmanager
def sent_again_and_again(*packets: bytes) -> Iterator[None]:
    """Send packets to everybody on this loopback, several times a second."""
    done = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hostile:
            hostile.setsockopt(
                socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1")
            )
            hostile.bind(("127.0.0.1", 0))
            while not done.wait(0.1):
                for packet in packets:
                    hostile.sendto(packet, GROUP)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def service(name: str, text: bytes, address: str = "127.0.0.1", port: int = 5555) -> bytes:
    full, server = f"{name}.{SERVICE_TYPE}", f"{name}.local."
    out = DNSOutgoing(RESPONSE)
    out.add_answer_at_time(DNSPointer(SERVICE_TYPE, PTR, IN, TTL_S, full), 0)
    out.add_answer_at_time(DNSService(full, SRV, IN, TTL_S, 0, 0, port, server), 0)
    out.add_answer_at_time(DNSText(full, TXT, IN, TTL_S, text), 0)
    out.add_answer_at_time(DNSAddress(server, A, IN, TTL_S, socket.inet_aton(address)), 0)
    return out.packets()[0]


def test_services_that_are_malformed_are_counted_and_hide_no_camera() -> None:
    packets = [
        service("good", GOOD),
        service("control", b"\x03v=1\x0bcamera=\x1b[2J\x06host=a"),
        service("long", GOOD + b"\xff" + b"x=" + b"y" * 253 + b"\xff" + b"z=" + b"y" * 253),
        service("torn", b"\xffv=1"),
        service("noport", GOOD, port=0),
        service("nowhere", GOOD, address="224.0.0.1"),
        service("empty", b""),
        b"",
        os.urandom(500),
        b"\x00" * 12 + b"\xc0\x0c" * 200,
    ]
    with sent_again_and_again(*packets):
        search = browse(1.5, known=loopback)
    assert [each.server for each in search.found] == ["good.local", "long.local"]
    assert search.refused == 5


def test_a_thousand_services_are_cut_off() -> None:
    packets = []
    for first in range(0, 1000, 50):
        out = DNSOutgoing(RESPONSE)
        for number in range(first, first + 50):
            full = f"hostile-{number}.{SERVICE_TYPE}"
            out.add_answer_at_time(DNSPointer(SERVICE_TYPE, PTR, IN, TTL_S, full), 0)
        packets.extend(out.packets())
    with sent_again_and_again(*packets):
        search = browse(1.5, known=loopback)
    assert not search.found
    assert search.refused == 256
    assert search.left_off >= 700


def test_of_a_flood_of_ever_new_records_a_bounded_number_is_kept() -> None:
    async def flood() -> int:
        multicast = Multicast(reach_of("127.0.0.1", loopback()))
        try:
            await multicast.wait_for_start()
            for first in range(0, 12_000, 100):
                out = DNSOutgoing(RESPONSE)
                for number in range(first, first + 100):
                    name = f"hostile-{number}.local."
                    out.add_answer_at_time(DNSAddress(name, A, IN, TTL_S, bytes(4)), 0)
                for packet in out.packets():
                    multicast.record_manager.async_updates_from_response(DNSIncoming(packet))
            return sum(map(len, multicast.cache.cache.values()))
        finally:
            await multicast.close_sockets()

    assert 1000 < asyncio.run(flood()) <= 10_000


def test_an_announcer_survives_whatever_is_sent_to_it() -> None:
    announcer = Announcer(
        "127.0.0.1", 5555, lambda: [CameraFacts("mine", "raw", (64, 48))], known=loopback
    )
    packets = [os.urandom(200), b"\x00" * 12, b"\x00" * 4 + b"\xff" * 100, b"\xc0" * 9000,
               service("mine", b"\x03v=1\x0bcamera=mine\x06host=a")]  # fmt: skip
    announcer.start()
    try:
        with sent_again_and_again(*packets):
            wanted = browse(5.0, wanted=lambda each: each.codec == "raw", known=loopback).found
        assert {each.host for each in wanted if each.codec == "raw"} != {"a"}
        assert len([each for each in wanted if each.codec == "raw"]) == 1
    finally:
        announcer.close()
