"""ControlThread over real sockets: answers, junk, late replies, and binding again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import zmq

from rankcast.decoder import Decoder
from rankcast.errors import NoStreamError, RequestRefusedError, SettingsError, TransportError
from rankcast.frame import Frame
from rankcast.net import ControlClient, control_endpoint
from rankcast.wire import TOKEN_BYTES, Request, pack_request, viewer_topic
from rankcast_receiver import Subscriber
from rankcast_sender import Publisher
from rankcast_sender.control import Client
from rankcast_sender.control.control_thread import MOST_UNHEARD_BYTES
from rankcast_sender.control.request_handler import VIEWER
from rankcast_sender.sources import Adjustments
from support.fakecamera import open_source
from support.fakes import free_address, picture

WAIT_S = 10.0


@pytest.fixture
def address() -> str:
    return free_address()


@pytest.fixture
def publisher(address: str) -> Iterator[Publisher]:
    with Publisher(address, codec="svd-patch") as made:
        yield made


@pytest.fixture
def client(address: str, publisher: Publisher) -> Iterator[ControlClient]:  # noqa: ARG001 - serves
    with ControlClient(control_endpoint(address)) as made:
        yield made


def test_a_publisher_answers_ten_ports_above_its_frames(client: ControlClient) -> None:
    before = time.time_ns()
    pong = client.call("ping", args={"t0": 5}, timeout_s=WAIT_S).result
    assert before <= int(str(pong["t1"])) <= int(str(pong["t2"])) <= time.time_ns()
    with pytest.raises(RequestRefusedError, match="got operation reboot, want one of get, set"):
        client.call("reboot", timeout_s=WAIT_S)


def test_without_control_nobody_listens(address: str) -> None:
    with (
        Publisher(address, codec="raw", control="off"),
        ControlClient(control_endpoint(address)) as client,
        pytest.raises(NoStreamError),
    ):
        client.call("ping", args={"t0": 5}, timeout_s=0.3)


def test_a_control_address_that_cannot_be_had_is_an_error_at_the_start(address: str) -> None:
    taken = control_endpoint(address)
    with zmq.Context() as context, context.socket(zmq.PULL) as other:
        other.bind(taken)
        with pytest.raises(TransportError, match=f"cannot listen at {taken}"):
            Publisher(address, codec="raw")
    with pytest.raises(SettingsError, match="which is also the frames address"):
        Publisher(address, codec="raw", control=address)


def test_junk_is_counted_and_harms_nobody(
    address: str, publisher: Publisher, client: ControlClient
) -> None:
    good = pack_request(Request(1, "status"))
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.setsockopt(zmq.LINGER, 1000)
        stranger.connect(control_endpoint(address))
        for junk in ([b""], [b"junk"], [good[:-1]], [good, good], [b"", good], [good + b"x"]):
            stranger.send_multipart(junk)
        stranger.send(good)  # in order: when this is answered, the rest was read
        assert stranger.poll(int(WAIT_S * 1000))
        control = publisher._outlet._control
        assert control is not None
        assert control.refused == 6
        # Too long: libzmq ends that connection, and only that.
        stranger.send(b"x" * 9000)
    assert client.call("status", timeout_s=WAIT_S).ok


def test_a_client_that_does_not_read_loses_its_own_replies_only(
    address: str, client: ControlClient
) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as deaf:
        deaf.setsockopt(zmq.LINGER, 0)
        deaf.setsockopt(zmq.RCVHWM, 1)
        deaf.connect(control_endpoint(address))
        for number in range(2000):
            deaf.send(pack_request(Request(number, "status")))
        assert client.call("ping", args={"t0": 1}, timeout_s=WAIT_S).ok


def test_each_kind_of_request_of_a_connection_has_a_budget_of_its_own(
    address: str, publisher: Publisher, client: ControlClient, caplog: pytest.LogCaptureFixture
) -> None:
    control = publisher._outlet._control
    assert control is not None
    with ControlClient(control_endpoint(address)) as eager:
        assert eager.call("get", timeout_s=WAIT_S).ok
        began_s, sent = time.monotonic(), 0
        while sent < 200:
            # A full queue of the client's own sends nothing.
            sent += eager.send("ping", args={"t0": 1}) is not None
        # In order: when this is answered, the pings were read.
        assert eager.call("get", timeout_s=WAIT_S).ok
        answered = sent - control.dropped.count
        assert 20 <= answered <= 20 + 20 * (time.monotonic() - began_s)
        assert client.call("ping", args={"t0": 1}, timeout_s=WAIT_S).ok
    (said,) = (line for line in caplog.messages if "exceeds" in line)
    assert said.startswith("127.0.0.1 exceeds the budget of ping of a connection to port ")


def test_a_change_that_the_camera_never_comes_to_is_answered_all_the_same(
    publisher: Publisher, client: ControlClient
) -> None:
    open_source(publisher.camera, Adjustments({"gain": 1.0}))
    with pytest.raises(RequestRefusedError, match="did not confirm within 3 s"):
        client.call("set", args={"gain": 2}, timeout_s=WAIT_S)


def test_what_ended_unheard_closes_all_connections_at_most_every_half_minute(
    publisher: Publisher, client: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = publisher._outlet._control
    assert control is not None
    asked: list[str] = []
    monkeypatch.setattr(control._guard, "readmit", lambda: asked.append("readmit"))
    monkeypatch.setattr(control, "rebind", lambda: asked.append("rebind"))
    for unheard_bytes in (5_000_000, 6_000_000, MOST_UNHEARD_BYTES - 1):
        control._free_unheard(unheard_bytes)
    assert asked == ["readmit", "rebind"]
    control._free_unheard(MOST_UNHEARD_BYTES)
    assert asked == 2 * ["readmit", "rebind"], "so much at once comes from many"
    monkeypatch.undo()
    control._next_unheard_s = 0.0
    assert client.call("ping", args={"t0": 1}, timeout_s=WAIT_S).ok
    sessions, deadline = client.sessions, time.monotonic() + WAIT_S
    control._free_unheard(5_000_000)
    while client.sessions == sessions and time.monotonic() < deadline:
        with suppress(NoStreamError):  # its connection is closed while it waits for the reply
            client.call("ping", args={"t0": 1}, timeout_s=WAIT_S)
    assert client.sessions > sessions, "it comes back"


def test_a_role_counts_for_each_request(publisher: Publisher, client: ControlClient) -> None:
    control = publisher._outlet._control
    assert control is not None
    assert client.call("set", args={"gop": 9}, timeout_s=WAIT_S).ok
    control._identify = lambda client, _user: Client(client, VIEWER, "anna")
    with pytest.raises(RequestRefusedError, match="set needs an operator key"):
        client.call("set", args={"gop": 9}, timeout_s=WAIT_S)
    control._identify = lambda client, _user: Client(client, None)
    with pytest.raises(RequestRefusedError, match="this key has been revoked"):
        client.call("status", timeout_s=WAIT_S)


def test_both_sockets_bind_anew_and_viewers_and_clients_come_back(
    address: str, publisher: Publisher, client: ControlClient
) -> None:
    got: list[int] = []
    seen = threading.Event()
    done = threading.Event()

    def watch() -> None:
        with Subscriber(address, timeout_s=WAIT_S) as subscriber:
            for frame in subscriber:
                got.append(frame.sequence)
                seen.set()
                if done.is_set():
                    return

    watcher = threading.Thread(target=watch)
    watcher.start()
    sessions = 0
    try:
        for _ in range(2):
            assert publisher.wait_viewers(1, WAIT_S)
            seen.clear()
            deadline = time.monotonic() + WAIT_S
            while not seen.wait(0.02) and time.monotonic() < deadline:
                publisher.send(picture(3))
            assert seen.is_set()
            while client.sessions == sessions and time.monotonic() < deadline:
                with suppress(NoStreamError):  # its old connection may just be closing
                    client.call("ping", args={"t0": 1}, timeout_s=WAIT_S)
            assert client.sessions > sessions, "it comes back"
            sessions = client.sessions
            publisher._outlet.rebind()
            seen.clear()
        assert publisher.wait_viewers(1, WAIT_S)
        done.set()
        while watcher.is_alive() and time.monotonic() < deadline + WAIT_S:
            publisher.send(picture(3))
            watcher.join(0.02)
    finally:
        done.set()
        publisher.close()
        watcher.join()
    assert got == sorted(set(got))


def test_the_token_of_a_request_tells_which_viewer_it_is_of_while_that_watches(
    address: str, publisher: Publisher, client: ControlClient
) -> None:
    token, topic = b"t" * TOKEN_BYTES, viewer_topic(b"t" * TOKEN_BYTES, "cam")
    asked: list[bytes] = []
    request = publisher.camera.request_keyframe

    def noted(
        stream_id: bytes = b"", seen_sequence: int | None = None, viewer: bytes = b""
    ) -> bool:
        if threading.current_thread().name == "rankcast-control":  # else it is for joining
            asked.append(viewer)
        return request(stream_id, seen_sequence, viewer)

    publisher.camera.request_keyframe = noted  # type: ignore[method-assign, assignment]
    with zmq.Context() as context, context.socket(zmq.SUB) as sub:
        sub.setsockopt(zmq.LINGER, 0)
        for each in (b"cam/frames\0", topic):
            sub.setsockopt(zmq.SUBSCRIBE, each)
        sub.connect(address)
        assert publisher.wait_viewers(1, WAIT_S)
        assert client.call("keyframe", args={"token": token}, timeout_s=WAIT_S).ok
        assert client.call("keyframe", args={"token": bytes(TOKEN_BYTES)}, timeout_s=WAIT_S).ok
        sub.setsockopt(zmq.UNSUBSCRIBE, topic)
        deadline = time.monotonic() + WAIT_S
        while publisher.camera.topic_of(token) and time.monotonic() < deadline:
            publisher.send(picture(1))
    assert client.call("keyframe", args={"token": token}, timeout_s=WAIT_S).ok
    assert asked == [topic, b"peer/127.0.0.1", b"peer/127.0.0.1"]


def test_a_requested_key_frame_comes_and_the_settings_count_from_the_next_frame(
    address: str, publisher: Publisher, client: ControlClient
) -> None:
    with zmq.Context() as context, context.socket(zmq.SUB) as sub:
        sub.setsockopt(zmq.LINGER, 0)
        sub.setsockopt(zmq.SUBSCRIBE, b"cam/frames\0")
        sub.connect(address)
        assert publisher.wait_viewers(1, WAIT_S)
        publisher.send(picture(1))
        publisher.send(picture(2))
        key = publisher.key_sequence
        assert key == 0
        args = {"stream": publisher.stream_id, "sequence": 1}
        assert client.call("keyframe", args=args, timeout_s=WAIT_S).result["coming"]
        deadline = time.monotonic() + WAIT_S
        while publisher.key_sequence == key and time.monotonic() < deadline:
            publisher.send(picture(3))
        assert publisher.key_sequence is not None
        assert publisher.key_sequence > 1
        assert client.call("set", args={"gop": 1}, timeout_s=WAIT_S).ok
        for _ in range(3):
            assert publisher.send(picture(4)) == publisher.key_sequence


def test_the_newest_frame_of_a_source_is_given_although_nobody_watches(
    publisher: Publisher, client: ControlClient
) -> None:
    publisher.send(Frame(picture(8), frame=41))
    reply = client.call("original", timeout_s=30)
    assert reply.result == {"frame": 41}
    assert (Decoder().decode(reply.packet) == 8).all()
