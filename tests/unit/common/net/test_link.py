"""Link: names, failures and floods, against real sockets and fake name servers."""

from __future__ import annotations

import socket as sockets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import zmq

from rankcast.net import (
    Link,
    LinkOptions,
    LinkState,
    LookUp,
    SocketOptions,
    Whereabouts,
    is_ipv6,
    open_socket,
)
from rankcast.net import host_name as host_name_module
from rankcast.net.transport import join_endpoint
from support.fakes import free_address
from support.later import later
from support.raw_sender import RawConnection, raw_sender
from support.raw_zmtp import message

WAIT_S = 10.0
MESSAGE_BYTES = 1 << 20


def nobody(host: str) -> Sequence[str]:
    raise AssertionError(f"{host} was looked up")


@contextmanager
def linked(endpoint: str, look_up: LookUp = nobody, *,
           kind: int = zmq.SUB, **options: Any) -> Iterator[Link]:  # fmt: skip
    """A link whose sockets subscribe to everything."""

    def make(address: str, _number: int) -> zmq.Socket[Any]:
        socket = open_socket(
            context, kind, SocketOptions(4, 65_536, MESSAGE_BYTES, ipv6=is_ipv6(address))
        )
        if kind == zmq.SUB:
            socket.setsockopt(zmq.SUBSCRIBE, b"")
        return socket

    chosen = {
        "silence_s": 60.0, "silence_max_s": 60.0, "max_messages_s": 2000,
        "max_message_bytes": MESSAGE_BYTES, "look_up": look_up, **options,
    }  # fmt: skip
    with zmq.Context() as context:
        link = Link(endpoint, make, LinkOptions(**chosen))
        try:
            yield link
        finally:
            link.close()


def until(link: Link, done: Callable[[], object], timeout_s: float = WAIT_S) -> None:
    """Run `link` until `done`, or fail; what arrives is read."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, f"{link.state} {link.detail}"
        poller = zmq.Poller()
        for socket in link.sockets:
            poller.register(socket, zmq.POLLIN)
        poller.poll(10)
        read(link)
        link.tick()


def read(link: Link) -> None:
    """Read at most 256 messages."""
    for _ in range(256):
        try:
            assert link.socket is not None
            link.heard(len(link.socket.recv(zmq.NOBLOCK)), time.monotonic())
        except (zmq.Again, AssertionError):
            return


def is_up(link: Link) -> Callable[[], bool]:
    return lambda: link.state is LinkState.UP


@contextmanager
def publisher(address: str) -> Iterator[zmq.Socket[Any]]:
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        if is_ipv6(address):
            socket.setsockopt(zmq.IPV6, 1)
        socket.bind(address)
        yield socket


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def test_a_numeric_address_is_not_looked_up() -> None:
    address = free_address()
    with publisher(address), linked(address) as link:
        until(link, is_up(link))
        assert link.host == "127.0.0.1"


def test_a_name_is_looked_up_outside_of_libzmq_and_connected_by_number() -> None:
    address = free_address()
    asked: list[tuple[str, bool]] = []

    def look_up(host: str) -> Sequence[str]:
        asked.append((host, threading.current_thread() is threading.main_thread()))
        return ["127.0.0.1"]

    with publisher(address), linked(f"tcp://camera.example:{port_of(address)}", look_up) as link:
        assert link.host is None
        until(link, is_up(link))
        assert link.host == "127.0.0.1"
    assert asked == [("camera.example", False)]


def test_a_name_with_an_ipv6_address_alone_is_connected() -> None:
    port = port_of(free_address())
    try:
        with (
            publisher(join_endpoint("::1", port)),
            linked(f"tcp://camera.example:{port}", lambda _: ["::1"]) as link,
        ):
            until(link, is_up(link))
    except zmq.ZMQError as exc:
        pytest.skip(f"no IPv6 here: {exc}")


def test_a_link_local_address_names_its_interface() -> None:
    """The loopback interface has no such address, but libzmq must take the zone."""
    with linked("tcp://[fe80::1%lo]:5555") as link:
        until(link, lambda: link.state is LinkState.UNREACHABLE)
    with linked("tcp://[fe80::1%nosuchif]:5555") as link:
        until(link, lambda: link.state is LinkState.UNREACHABLE)
        assert "no such interface" in link.detail


def test_where_a_name_has_several_addresses_the_next_one_is_tried_after_a_failure() -> None:
    address = free_address()
    wrong = [f"127.0.0.{number}" for number in (2, 3)]
    with (
        publisher(address),
        linked(f"tcp://camera.example:{port_of(address)}", lambda _: [*wrong, "127.0.0.1"]) as link,
    ):
        until(link, is_up(link), 2.0)
        assert link.host == "127.0.0.1"
        assert link.replaced == 2


def test_a_sender_that_moved_to_another_address_is_found_by_its_name() -> None:
    port, at = port_of(free_address()), ["127.0.0.1"]
    with linked(f"tcp://camera.example:{port}", lambda _: list(at)) as link:
        with publisher(f"tcp://127.0.0.1:{port}"):
            until(link, is_up(link))
        at[:] = ["127.0.0.2"]
        with publisher(f"tcp://127.0.0.2:{port}"):
            until(link, lambda: link.state is LinkState.UP and link.host == "127.0.0.2")
        assert link.sessions == 2


def test_a_sender_that_returns_to_its_address_keeps_the_socket() -> None:
    address = free_address()
    with linked(f"tcp://camera.example:{port_of(address)}", lambda _: ["127.0.0.1"]) as link:
        for count in (1, 2):
            with publisher(address):
                until(link, lambda count=count: link.sessions == count)
            until(link, lambda: link.state is LinkState.REFUSED)
        assert link.replaced == 0


def test_a_name_that_fails_is_told_asked_again_and_found_later() -> None:
    address, calls = free_address(), []

    def look_up(_: str) -> Sequence[str]:
        calls.append(time.monotonic())
        if len(calls) < 2:
            raise sockets.gaierror(sockets.EAI_NONAME, "Name or service not known")
        return ["127.0.0.1"]

    with publisher(address), linked(f"tcp://camera.example:{port_of(address)}", look_up) as link:
        until(link, lambda: link.state is LinkState.UNREACHABLE)
        assert link.detail == (
            "the name camera.example does not resolve: Name or service not known"
        )
        assert link.sockets == []
        until(link, is_up(link))
    assert calls[1] - calls[0] >= 0.9


def test_a_peer_whose_name_is_lost_after_it_was_connected_tells_why_until_it_is_back() -> None:
    address = free_address()
    lost = False

    def look_up(_: str) -> Sequence[str]:
        if lost:
            raise OSError("it is not announced by mDNS")
        return ["127.0.0.1"]

    with linked(f"tcp://line3:{port_of(address)}", look_up) as link:
        with publisher(address):
            until(link, is_up(link))
        lost = True
        until(link, lambda: "; the name line3 does not resolve: it is not announced" in link.detail)
        assert link.state in (LinkState.REFUSED, LinkState.CLOSED)
        with publisher(address):
            until(link, is_up(link))
        assert link.detail == ""


def test_a_peer_that_moves_to_another_port_is_followed() -> None:
    first, second = free_address(), free_address()
    now = Whereabouts(["127.0.0.1"], port_of(first))
    with linked(f"tcp://line3:{port_of(first)}", lambda _: now) as link:
        with publisher(first):
            until(link, is_up(link))
        now = Whereabouts(["127.0.0.1"], port_of(second))
        with publisher(second):
            until(link, lambda: link.sessions == 2)
            assert (link.port, link.replaced) == (port_of(second), 1)


def test_a_name_server_that_never_answers_holds_up_nobody_and_costs_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(host_name_module, "DEADLINE_S", 0.2)
    address, answer = free_address(), threading.Event()
    calls: list[str] = []
    threads = threading.active_count()

    def look_up(host: str) -> Sequence[str]:
        calls.append(host)
        answer.wait(WAIT_S)
        return ["127.0.0.1"]

    began = time.monotonic()
    with publisher(address), linked(f"tcp://camera.example:{port_of(address)}", look_up) as link:
        until(link, lambda: link.state is LinkState.UNREACHABLE)
        assert "no name server has answered" in link.detail
        until(link, lambda: time.monotonic() > began + 1.3)
        assert calls == ["camera.example"]
        assert threading.active_count() == threads + 1
        answer.set()
        until(link, is_up(link))  # an answer after the deadline is one, too


def test_closing_does_not_wait_for_a_name_server() -> None:
    answer, ended = threading.Event(), threading.Event()

    def look_up(_: str) -> Sequence[str]:
        answer.wait(WAIT_S)
        ended.set()
        return []

    with linked("tcp://camera.example:5555", look_up) as link:
        link.tick()
        began = time.monotonic()
        link.close()
        assert time.monotonic() - began < 0.5
        assert not ended.is_set()
    answer.set()
    assert ended.wait(WAIT_S)


@pytest.mark.parametrize(
    ("wrong", "kind"), [(zmq.ROUTER, zmq.SUB), (zmq.XPUB, zmq.DEALER), (zmq.REP, zmq.SUB)]
)
def test_frames_and_control_ports_that_are_mixed_up_are_told(wrong: int, kind: int) -> None:
    address = free_address()
    with zmq.Context() as context, context.socket(wrong) as socket:
        socket.bind(address)
        with linked(address, kind=kind) as link:
            until(link, lambda: link.state is LinkState.PROTOCOL_REFUSED)
            assert "mixed up" in link.detail
            before = link.replaced
            until(link, lambda: link.replaced > before)
            assert link.state is LinkState.PROTOCOL_REFUSED


def test_a_link_that_is_not_read_closes_at_once_after_two_thousand_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """libzmq's I/O thread and `close` would wait for room in a bounded queue of events."""
    monkeypatch.setattr("rankcast.net.transport.RECONNECT_MS", 1)
    monkeypatch.setattr("rankcast.net.transport.RECONNECT_MAX_MS", 1)
    enough = threading.Event()
    with sockets.create_server(("127.0.0.1", 0), backlog=50) as listener:

        def hang_up() -> None:
            for _ in range(1500):  # each is at least two events
                try:
                    listener.accept()[0].close()
                except OSError:
                    return
            enough.set()

        thread = threading.Thread(target=hang_up)
        thread.start()
        closed = threading.Event()

        def use() -> None:
            with linked(f"tcp://127.0.0.1:{listener.getsockname()[1]}"):
                enough.wait(WAIT_S)
            closed.set()

        # A daemon: where this fails, it waits for ever.
        threading.Thread(target=use, daemon=True).start()
        try:
            assert enough.wait(2 * WAIT_S), "libzmq has stopped connecting"
            assert closed.wait(2.0), "closing waits for libzmq"
        finally:
            listener.shutdown(sockets.SHUT_RDWR)
            thread.join(WAIT_S)


def flood(body: bytes) -> Callable[[RawConnection, int], None]:
    """Send `body` for as long as the receiver lets it."""
    block = message(body) * max(1, 65_536 // len(body))

    def talk(connection: RawConnection, _: int) -> None:
        while True:
            connection.send(block)

    return talk


@pytest.mark.parametrize("size", [later(8), 900_000])
def test_a_flood_is_cut_off_told_and_sat_out_longer_each_time(size: int) -> None:
    with raw_sender("XPUB", flood(b"x" * size)) as port, linked(f"tcp://127.0.0.1:{port}") as link:
        pauses = []
        for count in (1, 2):
            until(link, lambda count=count: link.sessions == count and link.socket is None)
            assert link.state is LinkState.FLOODED
            cut = time.monotonic()
            assert "the sender sent" in link.detail
            assert link.sockets == []
            until(link, lambda: link.socket is not None)
            pauses.append(time.monotonic() - cut)
        assert 0.9 < pauses[0] < 1.8 < pauses[1]


def test_parts_of_a_message_without_an_end_are_cut_off_although_nothing_can_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rankcast.net.flood_guard.MAX_UNREAD_BYTES", 1 << 20)
    part = b"\1\xff" + bytes(255)  # more follow

    def talk(connection: RawConnection, _: int) -> None:
        while True:
            connection.send(part * 256)

    with raw_sender("XPUB", talk) as port, linked(f"tcp://127.0.0.1:{port}") as link:
        until(link, lambda: link.state is LinkState.FLOODED)
        assert "more than could be read" in link.detail


def test_what_arrives_in_one_burst_and_is_read_is_no_flood() -> None:
    """As after a pause of the network, or of this process."""
    said = threading.Event()

    def talk(connection: RawConnection, _: int) -> None:
        connection.send(message(b"x" * 1000) * 1900)
        said.set()
        while connection.socket.recv(4096):
            continue

    seen = 0
    with raw_sender("XPUB", talk) as port, linked(f"tcp://127.0.0.1:{port}") as link:
        until(link, said.is_set)
        until(link, lambda: link.answered)
        deadline = time.monotonic() + 0.5
        until(link, lambda: time.monotonic() > deadline)
        seen = link.replaced
        assert link.state is LinkState.UP
    assert seen == 0
