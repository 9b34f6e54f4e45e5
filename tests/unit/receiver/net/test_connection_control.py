"""A connection and the control channel of its sender: names, key frames, clocks, ports."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import rankcast
from rankcast.boot_clock import boot_ns
from rankcast.errors import NoStreamError
from rankcast.frame import Frame
from rankcast.net import control_endpoint
from rankcast.runtime import NETWORK_GAP, WAITING_FOR_KEYFRAME
from rankcast.wire import Kind, Request, Status, frames_topic, pack_status, status_topic
from rankcast_receiver import Subscriber
from rankcast_receiver.state import CameraState, State
from support.answerer import Answerer
from support.bare_sender import WAIT_S, in_thread, sender
from support.fakes import free_address, picture


def test_a_wrong_camera_name_is_told_with_the_names_that_there_are() -> None:
    address = free_address()
    said = {"status": lambda _: {"cameras": {"left": "live", "right": "live"}}}
    with (
        sender(address, "left", "right"),
        Answerer(control_endpoint(address), said),
        Subscriber(address, camera="cam", timeout_s=1.5) as subscriber,
    ):
        # Silence is what such a name sounds like: no reason to connect anew again and again.
        subscriber._inlets._by_sender[0]._connections[0]._link._policy._silence_limit_s = 0.5
        with pytest.raises(NoStreamError, match="no camera cam; it has left, right"):
            list(subscriber)
    assert subscriber.states[0].state is State.NO_SUCH_CAMERA
    assert subscriber.reconnects == 0


def test_a_wrong_name_beside_a_right_one_is_told_too_also_after_the_sender_restarted() -> None:
    address = free_address()
    said = {"status": lambda _: {"cameras": {"left": "live"}}}

    def told(states: Sequence[CameraState]) -> bool:
        return [state.state for state in states[1:]] == [State.NO_SUCH_CAMERA]

    found, done = threading.Event(), threading.Event()
    details: list[str] = []

    def listen(states: Sequence[CameraState]) -> None:
        if told(states):
            details.append(states[1].detail)
            found.set()

    def work() -> None:
        for _ in range(2):
            with sender(address, "left") as send:
                send.wait_viewers(2)
                send.say("left")  # before anything answers on the other channel
                with Answerer(control_endpoint(address), said):
                    for _ in range(100):
                        if found.wait(0.1):
                            break
                        send.frame("left")
                        send.say("left")
            found.clear()
        done.set()

    with (
        in_thread(work),
        Subscriber(address, camera=["left", "lfet"], stopped=done.is_set, on_state=listen) as sub,
    ):
        list(sub)
    assert details == ["the sender has no camera lfet; it has left"] * 2


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
            # Of whose clock a time stamp is, a sender or a relay, stands in the status.
            status = pack_status(Kind.STATUS, send.encoders["cam"].stream_id, Status(), 1, 2)
            while not done.wait(0.05):
                send.socket.send(status_topic("cam") + status)
                captured_ns.append(boot_ns())
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
                told = any("latency_p99_ms" in r.args for r in control.of("report"))
                if len(placed) >= 20 and told:  # one report a second
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
