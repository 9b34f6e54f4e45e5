"""The control channel comes back after everything that may be wrong with it at first."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rankcast.net import Role, authorize, client_keys, control_endpoint, new_key
from rankcast_receiver import Subscriber
from rankcast_receiver.state import CameraState, State
from rankcast_sender import Publisher
from support.answerer import Answerer, pong
from support.bare_sender import WAIT_S, Sender, sender
from support.fakes import free_address


@contextmanager
def iterated(subscriber: Subscriber) -> Iterator[None]:
    """Take the frames of `subscriber`, which the test stops, in a thread."""
    thread = threading.Thread(target=lambda: list(subscriber))
    thread.start()
    yield
    thread.join(WAIT_S)
    assert not thread.is_alive()


@contextmanager
def receiving(address: str, **options: object) -> Iterator[Subscriber]:
    stop = threading.Event()
    with Subscriber(
        address, stay=True, stopped=stop.is_set, **options  # type: ignore[arg-type]
    ) as subscriber, iterated(subscriber):  # fmt: skip
        try:
            yield subscriber
        finally:
            stop.set()


@contextmanager
def stating(send: Sender, port: int) -> Iterator[None]:
    """Announce a control port ten times a second."""
    from rankcast.wire import Kind, Status, pack_status, status_topic

    stop = threading.Event()
    encoder = send.encoders["cam"]

    def work() -> None:
        while not stop.wait(0.1):
            packet = pack_status(Kind.STATUS, encoder.stream_id, Status(control=port), 1, 2)
            send.socket.send(status_topic("cam") + packet)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(WAIT_S)


def wait(done: Callable[[], object], timeout_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def control_of(subscriber: Subscriber) -> tuple[str, bool]:
    """Address of the control channel, and whether it answers."""
    control = subscriber._inlets._by_sender[0]._connections[0].control
    return ("", False) if control is None else (control.endpoint, control.answered)


def test_a_key_that_is_authorised_later_brings_frames_and_control(tmp_path: Path) -> None:
    (key, public), (late, late_public) = new_key(tmp_path, "cam"), new_key(tmp_path, "late")
    authorized = tmp_path / "authorized"
    authorized.mkdir(mode=0o700)
    address = free_address()
    with (
        Publisher(address, name="cam", codec="raw", key=key, authorized=authorized),
        receiving(address, curves=client_keys(late, [public])) as subscriber,
    ):
        wait(lambda: [s.state for s in subscriber.states] == [State.KEY_REFUSED])
        assert control_of(subscriber) == (control_endpoint(address), False)
        authorize(late_public, authorized, Role.VIEWER)
        wait(lambda: control_of(subscriber) == (control_endpoint(address), True), 5.0)


def test_another_service_on_the_control_port_is_outlived() -> None:
    address = free_address()
    control = control_endpoint(address)
    port = int(control.rpartition(":")[2])
    with sender(address) as send:
        with socket.create_server(("127.0.0.1", port)) as listener:

            def hang_up() -> None:
                while True:
                    try:
                        peer, _ = listener.accept()
                    except OSError:
                        return
                    with peer:
                        peer.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n" * 3)
                    served.set()

            served = threading.Event()
            thread = threading.Thread(target=hang_up)
            thread.start()
            stack = receiving(address)
            subscriber = stack.__enter__()
            try:
                send.wait_viewers()
                assert served.wait(WAIT_S)
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join(WAIT_S)
        try:
            with Answerer(control, {"ping": pong}):
                wait(lambda: control_of(subscriber) == (control, True), 5.0)
        finally:
            stack.__exit__(None, None, None)


def test_a_control_port_that_changes_is_followed_whenever_it_does_also_from_off_to_on() -> None:
    address = free_address()
    usual = control_endpoint(address)
    others = [free_address(), free_address()]
    with sender(address) as send, receiving(address) as subscriber:
        send.wait_viewers()
        for control in (usual, *others, usual):
            port = int(control.rpartition(":")[2])
            with Answerer(control, {"ping": pong}), stating(send, port):
                wait(lambda control=control: control_of(subscriber) == (control, True), 6.0)
        with stating(send, 0):
            wait(lambda: control_of(subscriber) == ("", False), 6.0)
        port = int(others[0].rpartition(":")[2])
        with Answerer(others[0], {"ping": pong}), stating(send, port):
            wait(lambda: control_of(subscriber) == (others[0], True), 6.0)


@pytest.mark.slow
@pytest.mark.parametrize("controls", [("", "other"), ("off", "")])
def test_a_sender_that_returns_with_another_control_channel_is_followed(
    controls: tuple[str, ...],
) -> None:
    address = free_address()
    where = {"": control_endpoint(address), "other": free_address(), "off": ""}
    with receiving(address) as subscriber:
        for name in controls:
            control = where[name] if name == "other" else name
            with Publisher(address, name="cam", codec="raw", control=control) as publisher:
                wait(lambda: publisher.viewers == 1)
                wait(lambda name=name: control_of(subscriber) == (where[name], name != "off"), 8.0)


def test_a_camera_that_was_renamed_counts_as_ended() -> None:
    address, states = free_address(), list[CameraState]()
    control = control_endpoint(address)
    has: dict[str, dict[str, str]] = {"cameras": {"old": "live"}}
    told = {"ping": pong, "status": lambda _: has}
    with (
        Subscriber(address, timeout_s=WAIT_S, on_state=states.extend) as subscriber,
        iterated(subscriber),
    ):
        with sender(address, "old") as send, Answerer(control, told):
            send.wait_viewers()
            send.frame("old")
            send.say("old")
            wait(lambda: set(subscriber.streams) == {"old"})
        has["cameras"] = {"new": "live"}
        with sender(address, "new") as send, Answerer(control, told):
            send.wait_viewers()
            old = subscriber.streams["old"]
            while not old.ended:
                send.frame("new")
                send.say("new")
                send.socket.poll(50)
            send.end()
            wait(lambda: all(state.state is State.ENDED for state in subscriber.states))
    assert {state.camera for state in subscriber.states} == {"old", "new"}
