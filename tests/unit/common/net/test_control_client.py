"""ControlClient against a bare ROUTER socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import zmq

from rankcast.errors import NoStreamError, RequestRefusedError, SettingsError
from rankcast.net import ControlClient, LinkState, SocketOptions, configure, control_endpoint
from rankcast.net.transport import CurveServer
from rankcast.runtime import Worker
from rankcast.wire import Reply, Request, pack_reply, parse_request
from support.fakes import free_address
from support.raw_sender import RawConnection, raw_sender

WAIT_MS = 5000


class Station:
    """A ROUTER that answers when it is told to."""

    def __init__(self, address: str) -> None:
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(address)

    def take(self) -> tuple[bytes, Request]:
        assert self.socket.poll(WAIT_MS), "no request came"
        client, data = self.socket.recv_multipart()
        return client, parse_request(data)

    def say(self, client: bytes, data: bytes) -> None:
        self.socket.send_multipart([client, data])

    def close(self) -> None:
        self.socket.close()
        self._context.term()


@pytest.fixture
def address() -> str:
    return free_address()


@pytest.fixture
def station(address: str) -> Iterator[Station]:
    made = Station(address)
    yield made
    made.close()


def wait_event(client: ControlClient) -> None:
    """Wait for the monitor, or for as long as the link may pause."""
    poller = zmq.Poller()
    for socket in client.sockets:
        poller.register(socket, zmq.POLLIN)
    poller.poll(100)


def sent(client: ControlClient, op: str) -> int:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        client.tick()
        wait_event(client)
        if (number := client.send(op)) is not None:
            return number
    raise AssertionError("no connection took the request")


def come_up(client: ControlClient) -> None:
    deadline = time.monotonic() + 5
    while client.link.state is not LinkState.UP:
        assert time.monotonic() < deadline, client.link.detail
        client.tick()
        wait_event(client)


def fill(client: ControlClient) -> int:
    """Send what the connection accepts; return how many requests that were."""
    count = 0
    while client.send("set", "cam", {"model": "x" * 4000}) is not None:
        count += 1
    return count


def test_a_call_returns_its_own_reply_and_keeps_the_others(address: str, station: Station) -> None:
    def answer() -> None:
        client, first = station.take()
        _, second = station.take()
        station.say(client, pack_reply(Reply(first.id, True, result={"late": True})))
        station.say(client, pack_reply(Reply(second.id, True, result={"quality": 60})))

    answering = Worker("answering", answer)
    answering.start()
    with ControlClient(address) as client:
        late = sent(client, "report")
        reply = client.call("get", "cam", {"name": "quality"}, timeout_s=5)
        assert reply.result == {"quality": 60}
        (kept,) = client.replies()
        assert (kept.id, kept.result) == (late, {"late": True})
        assert client.replies() == []
    answering.join(5)


def test_a_refusal_is_an_error_with_the_words_of_the_sender(address: str, station: Station) -> None:
    def answer() -> None:
        client, request = station.take()
        station.say(client, pack_reply(Reply(request.id, False, "quality is 0, want 1 to 100")))

    answering = Worker("answering", answer)
    answering.start()
    with (
        ControlClient(address) as client,
        pytest.raises(RequestRefusedError, match="want 1 to 100"),
    ):
        client.call("set", args={"quality": 0}, timeout_s=5)
    answering.join(5)


def test_nobody_there_is_no_stream_in_time_and_nothing_is_queued(address: str) -> None:
    with ControlClient(address) as client:
        assert client.send("ping") is None
        with pytest.raises(NoStreamError, match=f"nothing answered at {address}"):
            client.call("ping", timeout_s=0.3)
        later = Station(address)
        try:
            number = sent(client, "status")
            assert later.take()[1].op == "status"  # and no ping of before
            assert number == 0
        finally:
            later.close()


def test_what_failed_because_the_sender_was_gone_reaches_no_later_one(address: str) -> None:
    station = Station(address)
    with ControlClient(address) as client:
        come_up(client)
        station.close()
        assert client.link.sockets[-1].poll(WAIT_MS), "the monitor says nothing"
        with pytest.raises(NoStreamError):
            client.call("set", "cam", {"quality": 1}, timeout_s=0.3)
        later = Station(address)
        try:
            sent(client, "status")
            assert later.take()[1].op == "status"
        finally:
            later.close()


def test_what_waited_in_a_session_that_ended_reaches_no_later_sender() -> None:
    gone = threading.Event()

    def talk(connection: RawConnection, _: int) -> None:
        gone.wait(30)  # reads nothing
        connection.reset()

    with raw_sender("ROUTER", talk) as port:
        client = ControlClient(f"tcp://127.0.0.1:{port}")
        come_up(client)
        assert fill(client) > 0
        gone.set()
    later = Station(f"tcp://127.0.0.1:{port}")
    try:
        sent(client, "status")
        assert later.take()[1].op == "status"
    finally:
        client.close()
        later.close()


def test_a_call_says_that_the_connection_ended_before_the_reply(
    address: str, station: Station
) -> None:
    def hang_up() -> None:
        station.take()
        station.socket.close()

    hanging_up = Worker("hanging-up", hang_up)
    hanging_up.start()
    with (
        ControlClient(address) as client,
        pytest.raises(NoStreamError, match="ended before the reply to the request that was sent"),
    ):
        client.call("set", "cam", {"quality": 1}, timeout_s=30)
    hanging_up.join(5)


def test_a_call_waits_without_work_while_the_connection_accepts_nothing() -> None:
    gone = threading.Event()

    def talk(_connection: RawConnection, _: int) -> None:
        gone.wait(30)  # reads nothing

    with raw_sender("ROUTER", talk) as port:
        try:
            with ControlClient(f"tcp://127.0.0.1:{port}") as client:
                come_up(client)
                while fill(client) or client.socket.poll(200, zmq.POLLOUT):
                    pass  # libzmq still moves requests to the kernel
                before_s = time.process_time()
                with pytest.raises(NoStreamError, match="nothing answered"):
                    client.call("status", timeout_s=1)
                assert time.process_time() - before_s < 0.2
        finally:
            gone.set()


def test_a_client_that_explains_says_why_nobody_answered(address: str) -> None:
    with (
        ControlClient(address) as client,
        pytest.raises(NoStreamError, match=r"within 0\.3 s: the connection is refused"),
    ):
        client.call("ping", timeout_s=0.3)
    public, secret = zmq.curve_keypair()
    server = SocketOptions(4, 65_536, 1024, curve=CurveServer(secret, public))
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        configure(router, server)
        router.bind(address)
        with (
            ControlClient(address) as client,
            pytest.raises(NoStreamError, match="the sender requires a key"),
        ):
            client.call("ping", timeout_s=2)


def test_messages_that_are_no_replies_are_counted_and_named(address: str, station: Station) -> None:
    def answer() -> None:
        client, _ = station.take()
        station.say(client, b"HTTP/1.1 400 Bad Request")
        station.say(client, b"")

    answering = Worker("answering", answer)
    answering.start()
    with ControlClient(address) as client:
        with pytest.raises(NoStreamError, match="messages were malformed, the last one: got"):
            client.call("status", timeout_s=0.5)
        assert client.refused == 2
    answering.join(5)


def test_a_wrong_address_is_an_error_of_its_own() -> None:
    with pytest.raises(SettingsError, match="want tcp://ADDRESS:PORT"):
        ControlClient("localhost:5565")


def test_the_control_port_is_ten_above_that_of_the_frames() -> None:
    assert control_endpoint("tcp://127.0.0.1:5555") == "tcp://127.0.0.1:5565"
    assert control_endpoint("tcp://[::1]:6000") == "tcp://[::1]:6010"
    with pytest.raises(SettingsError, match="--control"):
        control_endpoint("tcp://127.0.0.1:65530")
