"""Streams through a real NATS server."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast.encoder import Encoder
from rankcast.frame import Frame, Pixels
from rankcast.runtime import NETWORK_GAP, NOBODY_WATCHING, SKIPPED_AS_OLD, SLOW_SERVER, STOPPED
from rankcast.wire import (
    Kind,
    Request,
    Status,
    pack_request,
    pack_status,
    parse_reply,
    parse_request,
)
from rankcast_receiver import Subscriber
from rankcast_receiver.state import CameraState, State
from rankcast_sender import Publisher
from support.fakes import free_address, picture
from support.nats_server import BareClient, NatsServer, nats_server

WAIT_S = 30.0
FRAME_S = 0.04


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_server(tmp_path) as running:
        yield running


class Camera:
    """Sends pictures at 25 a second in a thread, and notes how long the longest `send` took."""

    def __init__(self, publisher: Publisher, pixels: Pixels | None = None) -> None:
        self.publisher = publisher
        self.longest_s = 0.0
        self.sent = 0
        self._pixels = picture(7) if pixels is None else pixels
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for number in itertools.count():
            began_s = time.monotonic()
            sequence = self.publisher.send(self._pixels, {"number": number})
            self.longest_s = max(self.longest_s, time.monotonic() - began_s)
            self.sent += sequence is not None
            if self._stop.wait(FRAME_S):
                return

    def __enter__(self) -> Camera:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@contextmanager
def streaming(address: str, name: str = "cam", pixels: Pixels | None = None) -> Iterator[Camera]:
    with (
        Publisher(address, name=name, codec="raw") as publisher,
        Camera(publisher, pixels) as camera,
    ):
        yield camera


def take(viewer: Subscriber, right: Callable[[Frame], bool] = lambda _: True) -> Frame:
    """Return the first frame that is right."""
    return next(frame for frame in viewer if right(frame))


class Watching:
    """A live viewer in a thread."""

    def __init__(self, address: str) -> None:
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._newest = -1
        self._states: set[State] = set()
        self.subscriber = Subscriber(address, stopped=self._stop.is_set, on_state=self._note)
        self.balance = self.subscriber.balance()
        self._thread = threading.Thread(target=self._run)

    def wait_frame(self, sequence: int) -> None:
        """Wait for a frame of this number or a later one."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._newest >= sequence, WAIT_S), self._states

    def wait_state(self, state: State) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: state in self._states, WAIT_S), self._states

    def _run(self) -> None:
        for frame in self.subscriber:
            with self._changed:
                self._newest = frame.sequence
                self._changed.notify_all()

    def _note(self, states: Sequence[CameraState]) -> None:
        with self._changed:
            self._states = {state.state for state in states}
            self._changed.notify_all()

    def __enter__(self) -> Watching:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.balance = self.subscriber.balance()
        self.subscriber.close()


def wait(right: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + WAIT_S
    while not right():
        assert time.monotonic() < until_s, what
        time.sleep(0.02)  # the state of another thread has no event


def test_pictures_arrive_as_they_were_sent_and_every_frame_is_accounted_for(
    server: NatsServer,
) -> None:
    with Publisher(server.address, name="line3", codec="lossless") as publisher:
        with Subscriber(server.address, live=False, timeout_s=WAIT_S) as viewer:
            assert publisher.wait_viewers(1, WAIT_S)
            sent = [picture(value) for value in range(20)]
            for value, pixels in enumerate(sent):
                publisher.send(pixels, {"value": value})
                time.sleep(FRAME_S)  # a camera's pace: nothing holds a sender up
            publisher.close()
            frames = list(viewer)
        (stream,) = viewer.streams.values()
    assert stream.camera == "default.line3"
    assert [frame.meta["value"] for frame in frames] == list(range(20))
    assert all(np.array_equal(frame.pixels, sent[k]) for k, frame in enumerate(frames))
    balance = stream.ledger.balance()
    assert (balance.entered, balance.passed, balance.under_way) == (20, 20, 0)


def test_nothing_is_coded_unless_somebody_watches_and_a_viewer_that_joins_gets_a_key_frame(
    server: NatsServer,
) -> None:
    with streaming(server.address) as camera:
        wait(lambda: camera.publisher.balance().lost.get(NOBODY_WATCHING, 0) > 3, "frames")
        assert camera.sent == 0
        with Subscriber(server.address, timeout_s=WAIT_S) as viewer:
            assert take(viewer).camera == "default.cam"
            assert camera.publisher.viewers == 1
            with Subscriber(server.address, timeout_s=WAIT_S) as second:
                take(second)
                assert camera.publisher.viewers == 2
        # It says that it leaves, and need not expire.
        wait(lambda: camera.publisher.viewers == 0, "viewers that have left")


def test_frames_above_the_largest_message_of_the_server_arrive_in_parts(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (600, 640, 3), np.uint8)
    with (
        nats_server(tmp_path, "max_payload: 65536") as server,
        streaming(server.address, pixels=noise) as camera,
        Subscriber(server.address, timeout_s=WAIT_S) as viewer,
    ):
        frames = list(itertools.islice(viewer, 10))
        assert camera.publisher.packet_bytes > 10 * noise.nbytes
    assert all(np.array_equal(frame.pixels, noise) for frame in frames)


@pytest.mark.slow
def test_a_server_that_is_killed_costs_its_time_and_never_holds_the_camera_up(
    server: NatsServer,
) -> None:
    with streaming(server.address) as camera, Watching(server.address) as viewer:
        viewer.wait_frame(0)
        server.kill()
        viewer.wait_state(State.NETWORK_DEAD)
        wait(lambda: camera.publisher.viewers == 0, "a sender that notices")
        entered = camera.publisher.balance().entered
        wait(lambda: camera.publisher.balance().entered > entered + 5, "frames meanwhile")
        server.start()
        viewer.wait_frame(camera.publisher.status().published)
        viewer.wait_state(State.LIVE)
        assert viewer.subscriber.reconnects >= 1
        assert camera.publisher.balance().lost[NOBODY_WATCHING] > 0
    assert camera.longest_s < 1.0
    assert set(viewer.balance.lost) <= {NETWORK_GAP, SKIPPED_AS_OLD, STOPPED}
    assert viewer.balance.under_way == 0


@pytest.mark.slow
def test_a_server_that_takes_nothing_costs_frames_before_they_are_coded(
    server: NatsServer,
) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (600, 640, 3), np.uint8)
    with streaming(server.address, pixels=noise) as camera, Watching(server.address) as viewer:
        viewer.wait_frame(0)
        server.signal(signal.SIGSTOP)
        try:
            wait(lambda: camera.publisher.balance().lost.get(SLOW_SERVER, 0) > 3, "lost frames")
        finally:
            server.signal(signal.SIGCONT)
        viewer.wait_frame(camera.publisher.status().published)
    assert camera.longest_s < 1.0
    balance = camera.publisher.balance()
    assert balance.entered == balance.passed + sum(balance.lost.values())


def test_foreign_bytes_on_the_subjects_of_a_camera_are_counted_and_dropped(
    server: NatsServer,
) -> None:
    with (
        streaming(server.address) as camera,
        Subscriber(server.address, timeout_s=WAIT_S) as viewer,
        BareClient(server.port) as stranger,
    ):
        take(viewer)
        for data in (b"", b"hello", b"RKP", b"RKP\x01" + b"\xff" * 40, b"RKC" + bytes(60)):
            stranger.publish("rankcast.default.cam.frames", data)
            stranger.publish("rankcast.default.cam.status", data)
            stranger.publish("rankcast.default.cam.control", data, "somewhere")
        stranger.publish("rankcast.default.UPPER.status", b"what")
        stranger.ping()
        (stream,) = viewer.streams.values()
        wait(lambda: viewer.foreign_messages >= 4, "foreign messages")
        take(viewer, lambda _: viewer.foreign_messages + stream.refused_packets >= 11)
        assert stream.refused_packets >= 4
        assert viewer.foreign_messages + stream.refused_packets == 11
        assert [*viewer.streams] == ["default.cam"]
        assert camera.publisher.viewers == 1


def test_no_reply_goes_among_the_frames_of_a_camera(server: NatsServer) -> None:
    request = pack_request(Request(1, "get", "", {}))
    with (
        streaming(server.address),
        Subscriber(server.address, timeout_s=WAIT_S) as viewer,
        BareClient(server.port) as stranger,
    ):
        take(viewer)
        stranger.subscribe("_INBOX.stranger")
        for reply_to in (*["rankcast.default.cam.frames"] * 20, "_INBOX.stranger"):
            stranger.publish("rankcast.default.cam.control", request, reply_to)
        assert parse_reply(stranger.message()[1]).ok
        for _ in itertools.islice(viewer, 5):
            pass
        (stream,) = viewer.streams.values()
        assert viewer.foreign_messages + stream.refused_packets == 0


def test_rubbish_is_counted_also_before_the_frames_of_a_camera_are_subscribed_to(
    server: NatsServer,
) -> None:
    with Subscriber(server.address) as viewer, BareClient(server.port) as stranger:

        def counted() -> bool:
            stranger.publish("rankcast.default.nobody.status", b"rubbish")
            stranger.ping()
            return viewer.foreign_messages > 0

        wait(counted, "foreign messages")


def test_a_camera_is_wanted_by_the_name_that_includes_its_site(server: NatsServer) -> None:
    with (
        streaming(server.address) as _,
        streaming(server.address, "other"),
        Subscriber(server.address, camera="default.cam", timeout_s=WAIT_S) as viewer,
        Subscriber(server.address, camera=["other", "default.other"], timeout_s=WAIT_S) as both,
    ):
        assert {frame.camera for frame in itertools.islice(viewer, 5)} == {"default.cam"}
        assert {frame.camera for frame in itertools.islice(both, 5)} == {"default.other"}


def test_one_receiver_takes_cameras_from_senders_and_from_a_server(server: NatsServer) -> None:
    address = free_address()
    with (
        streaming(address, "left"),
        streaming(server.address, "right"),
        Subscriber([server.address, address], timeout_s=WAIT_S) as viewer,
    ):
        names: set[str] = set()
        for frame in viewer:
            names.add(frame.camera)
            if len(names) == 2:
                break
    assert names == {"left-2", "default.right-1"}


def test_a_status_never_overtakes_the_frames_that_it_counts(server: NatsServer) -> None:
    encoder, count = Encoder("raw"), 200
    with (
        BareClient(server.port) as sender,
        Subscriber(server.address, live=False, timeout_s=WAIT_S) as viewer,
    ):

        def status(kind: Kind = Kind.STATUS) -> bytes:
            return pack_status(kind, encoder.stream_id, Status(published=encoder.sequence), 1, 2)

        sender.subscribe("rankcast.default.cam.control")
        until_s = time.monotonic() + WAIT_S
        while not viewer.streams:
            assert time.monotonic() < until_s
            sender.publish("rankcast.default.cam.status", status())
            for _ in viewer.decoder.decode(next(viewer.packets())):
                pass
        while parse_request(sender.message()[1]).op != "watch":
            pass
        for value in range(count):
            sender.publish("rankcast.default.cam.frames", encoder.encode(picture(value)))
            sender.publish("rankcast.default.cam.status", status())
        sender.publish("rankcast.default.cam.status", status(Kind.END))
        assert len(list(viewer)) == count
        (stream,) = viewer.streams.values()
        assert stream.ledger.balance().lost == {}


def test_a_task_of_the_library_that_ends_costs_one_connection(server: NatsServer) -> None:
    with streaming(server.address) as camera, Watching(server.address) as viewer:
        viewer.wait_frame(0)
        inlet: Any = viewer.subscriber._inlets._by_sender[0]
        inlet._thread.call(lambda: inlet._connection._client._reading_task.cancel())
        wait(lambda: viewer.subscriber.reconnects == 1, "another connection")
        viewer.wait_frame(camera.publisher.status().published)
