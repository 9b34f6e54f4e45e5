"""Admission over real XPUB sockets in manual mode: who is shown what, whatever others do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zmq

from rankcast.net import (
    CurveClient,
    Role,
    SocketOptions,
    authorize,
    client_keys,
    configure,
    new_key,
    server_keys,
)
from rankcast.wire import frames_topic, status_topic, viewer_topic
from rankcast_sender.peers import ConnectionGuard, Watch
from rankcast_sender.sockets import admission
from rankcast_sender.sockets.admission import Admission
from rankcast_sender.sockets.authenticator import Authenticator
from rankcast_sender.sockets.subscriptions import CONNECTION_BYTES, Subscriptions
from support.keyed_peer import KeyedPeer

CAMERAS = ["line3", "line4"]
ALL = {name: frozenset({"frames", "status"}) for name in CAMERAS}
LINE3 = {"line3": ALL["line3"]}
OPTIONS = SocketOptions(1000, 262_144, 1024)
WAIT_S = 10.0
QUIET_S = 0.15
TOKEN = bytes(range(16))


class Station:
    """An XPUB socket in manual mode, and what reads it; `anna` sees line3, `boss` everything."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._stack = stack
        secret, self._server = new_key(folder, "cam")
        self._folder = folder
        self._authorized = folder / "authorized"
        self._curves = {
            "anna": self._make("anna", frozenset({"line3", "line9"})),
            "boss": self._make("boss", None),
        }
        self._context = stack.enter_context(zmq.Context())
        self._viewers = stack.enter_context(zmq.Context())
        self.rights = Authenticator(self._context, self._authorized)
        self.rights.enforce_cameras(True)
        self.rights.start()
        stack.callback(self.rights.close)
        guard = ConnectionGuard()
        self.xpub: zmq.Socket[Any] = stack.enter_context(self._context.socket(zmq.XPUB))
        configure(self.xpub, replace(OPTIONS, curve=server_keys(secret)))
        for option in (zmq.XPUB_VERBOSE, zmq.XPUB_MANUAL):
            self.xpub.setsockopt(option, 1)
        port = self.xpub.bind_to_random_port("tcp://127.0.0.1")
        self.port = port
        guard.start(self._context)
        stack.enter_context(closing(guard))
        self.banned: list[str] = []
        self.watch: Watch = stack.enter_context(
            guard.guarding(self.xpub, port, CONNECTION_BYTES, "subscriptions", self._ban)
        )
        self.subscriptions = Subscriptions(CAMERAS, port, 2000, self._ban, lambda: None)
        self.subscriptions.restart(self.rights)

    def _make(self, name: str, cameras: frozenset[str] | None) -> CurveClient:
        secret, public = new_key(self._folder, name)
        authorize(public, self._authorized, Role.VIEWER, cameras)
        return client_keys(secret, [self._server])[0]

    def _ban(self, user: str, reason: str) -> None:
        key = self.rights.find(user)
        self.banned.append(f"{key.name if key else user}: {reason}")

    def viewer(self, name: str, *topics: bytes) -> Viewer:
        """Connect a viewer with one of the keys; it is connected once it has subscribed."""
        socket = self._stack.enter_context(self._viewers.socket(zmq.XSUB))
        configure(socket, replace(OPTIONS, curve=self._curves[name]))
        socket.connect(f"tcp://127.0.0.1:{self.port}")
        viewer = Viewer(socket)
        viewer.say(b"\1", *topics)
        return viewer

    def peer(self, name: str) -> KeyedPeer:
        """Connect a viewer without libzmq."""
        made = KeyedPeer(self.port, self._curves[name])
        self._stack.callback(made.socket.close)
        return made

    def collect(self, wait_s: float = QUIET_S) -> None:
        """Let libzmq take what arrives, without reading it."""
        ends = time.monotonic() + wait_s
        while time.monotonic() < ends:
            self.xpub.getsockopt(zmq.EVENTS)

    def read(self) -> None:
        """Read what has arrived."""
        self.subscriptions.read(self.xpub, self.watch)

    def read_until(self, true: Callable[[], bool]) -> None:
        """Read until it is so."""
        ends = time.monotonic() + WAIT_S
        while not true():
            assert time.monotonic() < ends, "it never became true"
            self.xpub.poll(10)
            self.read()

    def settle(self) -> None:
        """Read until nothing has arrived for a moment."""
        while self.xpub.poll(round(1000 * QUIET_S)):
            self.read()

    def publish(self) -> None:
        """Publish a message of each kind for each camera."""
        for name in CAMERAS:
            for topic in (frames_topic(name), status_topic(name)):
                self.xpub.send(topic + b"packet")

    def viewers(self) -> dict[str, int]:
        """Viewers of each camera."""
        return {name: self.subscriptions.audience.viewers(name) for name in CAMERAS}


class Viewer:
    """A subscriber."""

    def __init__(self, socket: zmq.Socket[Any]) -> None:
        self.socket = socket

    def say(self, kind: bytes, *topics: bytes) -> None:
        """Begin or end subscriptions."""
        for topic in topics:
            self.socket.send(kind + topic)

    def seen(self) -> dict[str, frozenset[str]]:
        """What has arrived, until nothing does for a moment."""
        seen: dict[str, frozenset[str]] = {}
        while self.socket.poll(round(1000 * QUIET_S)):
            camera, _, rest = self.socket.recv().partition(b"/")
            channel = rest.partition(b"\0")[0].decode()
            seen[camera.decode()] = seen.get(camera.decode(), frozenset()) | {channel}
        return seen


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with ExitStack() as stack:
        yield Station(tmp_path, stack)


@pytest.mark.parametrize("topic", [b"", b"l", b"line", b"line3", b"line3/", b"line3/frames\0"])
def test_a_prefix_is_accepted_as_the_topics_that_its_key_may_see(
    station: Station, topic: bytes
) -> None:
    anna, boss = station.viewer("anna", topic), station.viewer("boss", topic)
    station.read_until(lambda: station.viewers()["line3"] > 0)
    station.settle()
    station.publish()
    channels = {"frames"} if b"frames" in topic else {"frames", "status"}
    assert anna.seen() == {"line3": channels}
    reached = [name for name in CAMERAS if frames_topic(name).startswith(topic)]
    assert boss.seen() == dict.fromkeys(reached, channels)


def test_what_another_camera_is_called_by_counts_as_a_topic_of_none(station: Station) -> None:
    topics = [frames_topic("line4"), viewer_topic(TOKEN, "line4"), b"line4", b"other",
              frames_topic("line3") + b"RK"]  # fmt: skip
    anna = station.viewer("anna", *topics)
    foreign = station.subscriptions.audience.foreign
    # 32 bytes each, and one before those that were refused.
    size = sum(map(len, topics)) + 4 + 32 * len(topics)
    station.read_until(lambda: foreign.bytes == size)
    station.publish()
    assert anna.seen() == {}
    assert station.viewers() == {"line3": 0, "line4": 0}
    anna.say(b"\0", *topics)
    station.read_until(lambda: foreign.bytes == 0)


def test_an_end_is_that_of_the_connection_which_sent_it(station: Station) -> None:
    first, second = station.viewer("anna", b"", b"line3"), station.viewer("anna", b"")
    boss = station.viewer("boss", b"", frames_topic("line3"))
    station.settle()
    first.say(b"\0", b"")
    station.settle()
    station.publish()
    # `line3` reaches the same, and is still in force.
    assert first.seen() == LINE3
    first.say(b"\0", b"line3", b"line3", b"line4", b"")
    second.say(b"\0", b"line4")
    station.settle()
    station.publish()
    assert (first.seen(), second.seen(), boss.seen()) == ({}, LINE3, ALL)
    assert station.viewers() == {"line3": 1, "line4": 1}
    second.socket.close()
    boss.say(b"\0", b"")
    station.read_until(lambda: station.viewers() == {"line3": 1, "line4": 0})
    boss.socket.close()
    station.read_until(lambda: station.viewers() == {"line3": 0, "line4": 0})


def test_viewers_of_everything_count_for_the_cameras_they_see(station: Station) -> None:
    viewers = [station.viewer("anna", b"", viewer_topic(bytes([k]) * 16, None)) for k in range(3)]
    boss = station.viewer("boss", b"", viewer_topic(TOKEN, None))
    station.read_until(lambda: station.viewers() == {"line3": 4, "line4": 1})
    viewers[0].socket.close()
    station.read_until(lambda: station.viewers() == {"line3": 3, "line4": 1})
    boss.socket.close()
    station.read_until(lambda: station.viewers() == {"line3": 2, "line4": 0})


def opened_by_a_stray_message(station: Station) -> bool:
    """Return True if `anna` sees line4 after somebody else subscribed to it."""
    stray, boss, anna = station.peer("anna"), station.viewer("boss"), station.viewer("anna", b"x")
    station.settle()
    stray.send(b"stray")
    station.collect()
    boss.say(b"\1", b"line4")
    station.collect()
    anna.say(b"\1", b"line4")
    station.collect()
    station.settle()
    station.publish()
    return "line4" in anna.seen()


def test_a_stray_message_does_not_hand_the_subscription_of_one_to_another(
    station: Station,
) -> None:
    assert not opened_by_a_stray_message(station)
    assert station.banned == ["anna: it sent something else than subscriptions"]
    # Its connection was ended, so that it subscribes again.
    boss = station.viewer("boss", b"line4")
    station.read_until(lambda: station.viewers()["line4"] > 0)
    station.publish()
    assert boss.seen() == {"line4": ALL["line4"]}


def test_libzmq_would_hand_it_over(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    # Once this fails, the rule above may go.
    monkeypatch.setattr(Admission, "stray", lambda _: None)
    assert opened_by_a_stray_message(station)


def test_peers_that_subscribe_and_reset_at_once_leave_nothing_and_open_nothing(
    station: Station,
) -> None:
    anna = station.viewer("anna", b"")
    for number in range(200):
        peer = station.peer("boss")
        peer.send(b"\1", b"\1line4/frames\0", b"\1" + viewer_topic(bytes([number]) * 16, None))
        peer.reset()
        if number % 10 == 0:
            station.read()
    station.read_until(lambda: station.viewers() == {"line3": 1, "line4": 0})
    station.publish()
    assert anna.seen() == LINE3
    anna.socket.close()
    station.read_until(lambda: station.viewers() == {"line3": 0, "line4": 0})
    kept: Any = station.subscriptions._admission
    assert not kept._peers
    assert not kept._holders
    assert not kept._counts
    assert not kept._dead


def test_wide_subscriptions_have_a_budget_for_each_key(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WIDE_TOPICS", 1), ("WIDE_AT_ONCE", 2), ("WIDE_S", 0)):
        monkeypatch.setattr(admission, name, value)
    station.subscriptions.restart(station.rights)
    viewers = [station.viewer("anna", b"") for _ in range(3)]
    boss = station.viewer("boss", b"")
    station.settle()
    station.publish()
    assert sorted(len(viewer.seen()) for viewer in viewers) == [0, 1, 1]
    assert boss.seen() == ALL


def opened_by_memory_used_again(station: Station) -> int:
    """Return how many viewers of `anna` see line4 after others subscribed and left unread."""
    leaving = [station.peer("boss") for _ in range(30)]
    station.settle()
    for peer in leaving:
        peer.send(b"\1line4/frames\0")
    station.collect()
    for peer in leaving:
        peer.reset()
    station.collect()
    coming = [station.peer("anna") for _ in range(30)]
    station.collect()
    station.settle()
    station.publish()
    station.collect()
    opened = sum(bool(peer.received_bytes(0.001)) for peer in coming)
    for peer in coming:
        peer.reset()
    return opened


def test_memory_that_libzmq_uses_again_hands_no_subscription_over(station: Station) -> None:
    assert [opened_by_memory_used_again(station) for _ in range(3)] == [0, 0, 0]
