"""Several senders and cameras, losses that need a key frame, connections that are remade."""

from __future__ import annotations

import logging
import socket as sockets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest
import zmq

import rankcast
from answerer import Answerer
from fakes import FakeSink, free_address, picture
from rankcast.control import Request
from rankcast.errors import NoStreamError, SettingsError
from rankcast.frame import Frame
from rankcast.ledger import NETWORK_GAP, WAITING_FOR_KEYFRAME
from rankcast.status import Status, pack_status
from rankcast.topic import frames_topic, status_topic
from rankcast.transport import CurveClient, control_endpoint
from rankcast.wire import Kind
from rankcast_receiver import Subscriber
from rankcast_receiver.lane import Lane
from rankcast_receiver.pipeline import _outcome
from rankcast_receiver.report import Tally, build_report
from rankcast_receiver.state import CameraState, State

WAIT_S = 10.0


class Sender:
    """A bare XPUB with a few cameras."""

    def __init__(self, socket: zmq.Socket[bytes], names: tuple[str, ...], codec: str) -> None:
        self.socket = socket
        self.encoders = {name: rankcast.Encoder(codec) for name in names}

    def wait_viewers(self, count: int = 1) -> None:
        while count:
            assert self.socket.poll(int(WAIT_S * 1000)), "nobody subscribed"
            count -= self.socket.recv().startswith(b"\1/viewer/")

    def packet(self, name: str, value: int = 0) -> bytes:
        return self.encoders[name].encode(picture(value))

    def frame(self, name: str, value: int = 0) -> None:
        self.socket.send(frames_topic(name) + self.packet(name, value))

    def say(self, name: str, state: str = "live", kind: Kind = Kind.STATUS) -> None:
        encoder = self.encoders[name]
        status = Status(published=encoder.sequence, state=state)
        self.socket.send(status_topic(name) + pack_status(kind, encoder.stream_id, status, 1, 2))

    def end(self) -> None:
        for name in self.encoders:
            self.say(name, "ended", Kind.END)


@contextmanager
def sender(
    address: str, *names: str, codec: str = "raw", options: dict[int, Any] | None = None
) -> Iterator[Sender]:
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.setsockopt(zmq.LINGER, 1000)
        for option, value in (options or {}).items():
            socket.setsockopt(option, value)
        socket.bind(address)
        yield Sender(socket, names or ("cam",), codec)


@contextmanager
def in_thread(work: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join(WAIT_S)


def test_two_senders_with_one_camera_name_are_kept_apart_by_their_number() -> None:
    addresses = [free_address(), free_address()]
    with ExitStack() as stack:
        senders = [stack.enter_context(sender(address)) for address in addresses]

        def work() -> None:
            for number, send in enumerate(senders):
                send.wait_viewers()
                for value in range(5):
                    send.frame("cam", 10 * number + value)
                send.end()

        stack.enter_context(in_thread(work))
        with Subscriber(addresses, live=False, timeout_s=WAIT_S) as subscriber:
            frames = list(subscriber)
            balance, streams = subscriber.balance(), subscriber.streams
            states = [(state.camera, state.endpoint, state.state) for state in subscriber.states]
    seen = {name: [int(f.pixels[0, 0]) for f in frames if f.camera == name] for name in streams}
    assert seen == {"cam-1": [0, 1, 2, 3, 4], "cam-2": [10, 11, 12, 13, 14]}
    assert (balance.entered, balance.passed, balance.lost) == (10, 10, {})
    assert states == [
        ("cam-1", addresses[0], State.ENDED),
        ("cam-2", addresses[1], State.ENDED),
    ]


def test_one_dead_sender_of_two_holds_up_nobody_and_is_told() -> None:
    alive, dead = free_address(), free_address()
    with sender(alive) as send:
        stop = threading.Event()

        def work() -> None:
            send.wait_viewers()
            while not stop.wait(0.02):
                send.frame("cam")

        with in_thread(work), Subscriber([alive, dead], timeout_s=WAIT_S) as subscriber:
            for _ in subscriber:
                words = {state.endpoint: state.state for state in subscriber.states}
                if words == {alive: State.LIVE, dead: State.SENDER_DEAD}:
                    break
            stop.set()


def test_two_of_three_cameras_are_taken_and_both_must_end() -> None:
    address = free_address()
    with sender(address, "left", "middle", "right") as send:

        def work() -> None:
            send.wait_viewers(2)
            for value in range(3):
                for name in send.encoders:
                    send.frame(name, value)
            send.end()

        with (
            in_thread(work),
            Subscriber(
                address, camera=["left", "right"], live=False, timeout_s=WAIT_S
            ) as subscriber,
        ):
            frames = [(frame.camera, int(frame.pixels[0, 0])) for frame in subscriber]
    assert sorted(frames) == [(name, n) for name in ("left", "right") for n in range(3)]


def test_a_wrong_camera_name_is_told_with_the_names_that_there_are() -> None:
    address = free_address()
    said = {"status": lambda _: {"cameras": {"left": "live", "right": "live"}}}
    with (
        sender(address, "left", "right"),
        Answerer(control_endpoint(address), said),
        Subscriber(address, camera="cam", timeout_s=1.5) as subscriber,
        pytest.raises(NoStreamError, match="no camera cam; it has left, right"),
    ):
        list(subscriber)
    assert subscriber.states[0].state is State.NO_SUCH_CAMERA


def test_a_lost_frame_is_followed_by_a_request_and_marked_stale_until_the_key_frame() -> None:
    address = free_address()
    states: list[State] = []
    warm = rankcast.Encoder("svd-patch"), rankcast.Decoder()
    for _ in range(2):  # compiling takes longer than a test may wait
        warm[1].decode(warm[0].encode(picture(shape=(48, 64))))
    with sender(address, codec="svd-patch") as send:
        wanted = threading.Event()

        def answer(_: object) -> dict[str, Any]:
            wanted.set()
            return {"coming": True, "sequence": None}

        def work() -> None:
            send.wait_viewers()
            send.say("cam")
            # Smooth, so that each frame is predicted from the one before.
            ramp = np.add.outer(np.arange(48) * 2, np.arange(64) * 2).astype(np.uint8)
            encoder = send.encoders["cam"]

            def frame(shift: int) -> bytes:
                return frames_topic("cam") + encoder.encode(np.roll(ramp, shift % 8, axis=1))

            send.socket.send(frame(0))
            send.socket.send(frame(1))
            frame(2)  # encoded and lost
            shift = 3
            while not wanted.wait(0.05):
                send.socket.send(frame(shift))
                shift += 1
            encoder.request_keyframe()
            send.socket.send(frame(shift))
            send.end()

        with (
            Answerer(control_endpoint(address), {"keyframe": answer}) as control,
            in_thread(work),
            Subscriber(
                address,
                live=False,
                timeout_s=WAIT_S,
                on_state=lambda now: states.append(now[0].state),
            ) as subscriber,
        ):
            frames = [(frame.sequence, frame.coding) for frame in subscriber]
            balance = subscriber.balance()
            requests = subscriber.streams["cam"].keyframe_requests
            asked = control.of("keyframe")
    assert [sequence for sequence, _ in frames[:2]] == [0, 1]
    last, coding = frames[-1]
    assert coding is not None
    assert coding.key
    assert len(frames) == 3, "nothing was shown that rests on the lost one"
    assert balance.lost[NETWORK_GAP] == 1
    assert balance.lost[WAITING_FOR_KEYFRAME] == last - 3
    assert balance.under_way == 0
    assert requests == len(asked) >= 1
    assert asked[0].args["sequence"] in range(3, last)
    assert State.STALE in states
    assert State.LIVE in states[states.index(State.STALE) :] or states[-1] is State.ENDED


def test_the_age_of_a_frame_from_another_machine_is_right_within_its_error_bar() -> None:
    """Its clocks are an hour ahead and started another day; pings take 20 ms to be answered."""
    address = free_address()
    ahead_ns, captured_ns = 3600 * 10**9, []

    def pong(request: Request) -> dict[str, Any]:
        arrived = time.time_ns() + ahead_ns
        threading.Event().wait(0.02)
        return {"t0": request.args["t0"], "t1": arrived, "t2": time.time_ns() + ahead_ns}

    with sender(address) as send:
        done = threading.Event()

        def work() -> None:
            send.wait_viewers()
            while not done.wait(0.05):
                captured_ns.append(time.monotonic_ns())
                frame = Frame(
                    picture(),
                    t_capture_mono_ns=5,
                    t_capture_utc_ns=time.time_ns() + ahead_ns,
                )
                packet = send.encoders["cam"].encode(frame)
                send.socket.send(frames_topic("cam") + packet)
            send.end()

        with (
            Answerer(control_endpoint(address), {"ping": pong, "report": lambda _: {}}) as control,
            in_thread(work),
            Subscriber(address, live=False, timeout_s=WAIT_S) as subscriber,
        ):
            placed = []
            for frame in subscriber:
                if frame.t_capture_here_ns is not None:
                    placed.append(frame)
                if len(placed) == 20:
                    done.set()
            assert subscriber.clocks == {address: "measured"}
            reports = [request.args for request in control.of("report")]
    assert len(placed) >= 20
    for frame in placed:
        assert frame.t_capture_here_ns is not None
        error_ns = abs(frame.t_capture_here_ns - captured_ns[frame.sequence])
        # Besides the bar only what lies between the sender's two reads of its clock.
        assert error_ns <= frame.clock_error_ns + 5_000_000
        assert frame.clock_error_ns < 1_000_000_000
    assert any("latency_p99_ms" in report for report in reports)


def test_a_control_channel_at_another_port_is_found_by_the_word_of_the_sender() -> None:
    address, control = free_address(), free_address()
    port = int(control.rpartition(":")[2])
    with sender(address) as send, Answerer(control, {"ping": lambda _: {}}) as answerer:
        stop = threading.Event()

        def work() -> None:
            send.wait_viewers()
            encoder = send.encoders["cam"]
            while not stop.wait(0.05):
                packet = pack_status(Kind.STATUS, encoder.stream_id, Status(control=port), 1, 2)
                send.socket.send(status_topic("cam") + packet)

        with in_thread(work):
            with Subscriber(
                address, timeout_s=WAIT_S, stopped=lambda: bool(answerer.of("ping"))
            ) as sub:
                list(sub)
            stop.set()
        assert answerer.of("ping")


def test_without_control_nothing_is_asked() -> None:
    address = free_address()
    with sender(address) as send, Answerer(control_endpoint(address), {}) as answerer:

        def work() -> None:
            send.wait_viewers()
            for _ in range(5):
                send.frame("cam")
                send.socket.poll(50)
            send.end()

        with in_thread(work), Subscriber(address, timeout_s=WAIT_S, control=False) as subscriber:
            assert list(subscriber)
        assert answerer.requests == []


def test_a_sender_that_changes_its_mind_all_the_time_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    address = free_address()
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers()
            for _ in range(25):
                for state in ("stalled", "waiting"):
                    send.say("cam", state)
                    send.socket.poll(70)  # longer than states are judged apart
            send.end()

        with (
            caplog.at_level(logging.INFO),
            in_thread(work),
            Subscriber(address, timeout_s=WAIT_S) as subscriber,
        ):
            list(subscriber)
    assert 10 <= len(caplog.records) <= 26, "twenty at once and one a second, of fifty"


def test_frames_without_any_status_are_accounted_for_all_the_same() -> None:
    address = free_address()
    with sender(address) as send, Subscriber(address, live=False, timeout_s=0.3) as subscriber:
        send.wait_viewers()
        for value in range(3):
            send.frame("cam", value)
        with pytest.raises(NoStreamError):
            list(subscriber)
        outcome = _outcome(subscriber)
    report = build_report([Lane("fake", FakeSink, live=True)], Tally(), outcome, 0.5)
    assert report["published"] == 3
    assert not report["balanced"], "this sink got none of them"


def test_a_session_that_libzmq_gave_up_is_remade_at_once() -> None:
    address = free_address()
    with sender(address) as send:

        def work() -> None:
            send.wait_viewers()
            send.frame("cam", 1)
            send.socket.send(bytes(40 << 20))  # above the limit: libzmq ends the session for good
            send.wait_viewers()
            send.frame("cam", 2)
            send.end()

        started = time.monotonic()
        with (
            in_thread(work),
            Subscriber(address, live=False, timeout_s=WAIT_S) as subscriber,
        ):
            values = [int(frame.pixels[0, 0]) for frame in subscriber]
            assert subscriber.reconnects == 1
    assert values == [1, 2]
    assert time.monotonic() - started < 3.0, "long before silence would be noticed"


def test_each_new_connection_tries_the_next_key_of_the_sender() -> None:
    address = free_address()
    public, secret = zmq.curve_keypair()
    old_public, _ = zmq.curve_keypair()
    own_public, own_secret = zmq.curve_keypair()
    curves = [CurveClient(own_secret, own_public, key) for key in (old_public, public)]
    keys = {zmq.CURVE_SERVER: 1, zmq.CURVE_SECRETKEY: secret}
    with sender(address, options=keys) as send:

        def work() -> None:
            send.wait_viewers()
            send.frame("cam", 7)
            send.end()

        with (
            in_thread(work),
            Subscriber(address, live=False, timeout_s=WAIT_S, curves=curves) as subscriber,
        ):
            assert [int(frame.pixels[0, 0]) for frame in subscriber] == [7]
            assert subscriber.reconnects >= 1


def test_a_refused_key_is_said_when_the_wait_is_over() -> None:
    address = free_address()
    _, secret = zmq.curve_keypair()
    keys = {zmq.CURVE_SERVER: 1, zmq.CURVE_SECRETKEY: secret}
    with (
        sender(address, options=keys),
        Subscriber(address, timeout_s=1.0) as subscriber,
        pytest.raises(NoStreamError, match="the sender wants a key"),
    ):
        list(subscriber)
    assert subscriber.states[0].state is State.KEY_REFUSED


def test_another_service_on_the_port_is_said_when_the_wait_is_over() -> None:
    with sockets.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        with (
            Subscriber(address, timeout_s=2.0) as subscriber,
            pytest.raises(NoStreamError, match="another service on that port"),
        ):
            list(subscriber)
        assert subscriber.states[0].state is State.PROTOCOL_REFUSED


def test_a_camera_that_stalls_is_told_while_its_sender_answers() -> None:
    address = free_address()
    told: list[CameraState] = []
    with sender(address) as send:
        send_states = ("live", "stalled", "waiting", "backoff")

        def work() -> None:
            send.wait_viewers()
            send.frame("cam")
            for state in send_states:
                for _ in range(4):
                    send.say("cam", state)
                    send.socket.poll(100)
                if state == "live":
                    send.socket.poll(800)
            send.end()

        with (
            in_thread(work),
            Subscriber(address, timeout_s=WAIT_S, on_state=lambda now: told.extend(now)) as sub,
        ):
            list(sub)
    words = iter([state.state for state in told])
    for wanted in (
        State.LIVE,
        State.CAMERA_DEAD,
        State.WAITING_FOR_TRIGGER,
        State.CAMERA_DEAD,
        State.ENDED,
    ):
        assert wanted in words, f"{wanted} is missing or too early: {told}"


@pytest.mark.parametrize(
    ("connect", "said"),
    [
        ([], "got 0 senders"),
        (["tcp://127.0.0.1:1", "tcp://127.0.0.1:1"], "one sender twice"),
        (["tcp://127.0.0.1:1", "nonsense"], "nonsense"),
        ([f"tcp://127.0.0.1:{port}" for port in range(1, 18)], "got 17 senders"),
    ],
)
def test_wrong_lists_of_senders_are_refused(connect: list[str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Subscriber(connect)
