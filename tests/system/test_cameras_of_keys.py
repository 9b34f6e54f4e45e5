"""Keys with cameras, between real processes: who is shown which camera, whatever it asks for."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zmq

from rankcast.errors import RequestRefusedError
from rankcast.net import (
    ControlClient,
    CurveClient,
    Role,
    SocketOptions,
    authorize,
    configure,
    control_endpoint,
)
from rankcast.wire import (
    frames_topic,
    keeper_topic,
    parse_status,
    split_message,
    status_topic,
    token_of,
    unpack,
    viewer_topic,
)
from support.fakes import free_address
from support.keyed_peer import KeyedPeer
from support.keyed_station import KeyedStation
from support.processes import Rankcast, rankcast, run
from support.viewers import port_of

CAMERAS = ("line3", "line4", "line33")
"""One name begins with another, and all of them alike."""
SOON_S = 10.0
WATCH_S = 2.5
"""Every camera has published dozens of frames and two status messages by then."""


@dataclass(frozen=True)
class Station:
    """A sender of three cameras, and its keys."""

    keys: KeyedStation
    process: Rankcast
    address: str

    @property
    def control(self) -> str:
        """Address of the control channel."""
        return control_endpoint(self.address)

    def allow(self, name: str, *cameras: str, role: Role = Role.VIEWER) -> None:
        """Authorise a key for some cameras, or for all, and wait until the sender does."""
        public = self.keys.folder / f"{name}.pub"
        verb = "is now" if public.exists() else "has been authorised as"
        if not public.exists():
            self.keys.make(name, role=None)
        authorize(public, self.keys.authorized, role, frozenset(cameras) if cameras else None)
        rights = f"{role} of {', '.join(sorted(cameras))}" if cameras else str(role)
        said = f"{name} {verb} {rights}"
        wait_until(lambda: any(line.endswith(said) for line in self.process.lines))


@contextmanager
def streaming(folder: Path, *options: str, realtime: bool = True) -> Iterator[Station]:
    """Start a sender; `limited` may see line3 only, `everybody` all cameras."""
    keys, address = KeyedStation(folder), free_address()
    keys.make("limited")
    keys.make("everybody")
    settings = folder / "sender.toml"
    settings.write_text(
        "".join(
            f'[[camera]]\nname = "{name}"\nfps = 20.0\nrealtime = {str(realtime).lower()}\n'
            'source = "synthetic:conveyor?width=64&height=48"\n'
            for name in CAMERAS
        )
        + f'[network]\nbind = "{address}"\n[codec]\nname = "jpeg"\n'
    )
    limited = frozenset({"line3"})
    authorize(folder / "limited.pub", keys.authorized, Role.VIEWER, limited)
    security = ("--key", str(folder / "cam.key"), "--authorized", str(keys.authorized))
    with rankcast("send", "--config", str(settings), *security, *options) as process:
        process.wait_line("control channel")
        yield Station(keys, process, address)


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with streaming(tmp_path_factory.mktemp("station")) as station:
        yield station


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Sub:
    """A subscriber of plain pyzmq."""

    def __init__(self, stack: ExitStack, address: str, keys: CurveClient, *topics: bytes) -> None:
        context = stack.enter_context(zmq.Context())
        self._sub: zmq.Socket[Any] = stack.enter_context(context.socket(zmq.XSUB))
        configure(self._sub, SocketOptions(64, 262_144, 1 << 22, curve=keys))
        self._sub.setsockopt(zmq.SNDHWM, 0)
        self._sub.connect(address)
        self.say(*topics)

    def say(self, *topics: bytes, kind: bytes = b"\1") -> None:
        """Subscribe to topics, or end that with `kind` 0."""
        for topic in topics:
            self._sub.send(kind + topic)

    def watch(
        self,
        until: Callable[[dict[str, set[str]]], bool] = lambda _: False,
        wait_s: float = WATCH_S,
    ) -> dict[str, set[str]]:
        """Return the channels that arrive of each camera; ends early once that is `until`."""
        seen: dict[str, set[str]] = {}
        ends = time.monotonic() + wait_s
        while not until(seen) and (left_s := ends - time.monotonic()) > 0:
            if self._sub.poll(round(1000 * left_s)):
                camera, channel, _ = self._receive()
                seen.setdefault(camera, set()).add(channel)
        return seen

    def _receive(self) -> tuple[str, str, memoryview]:
        message = memoryview(self._sub.recv())
        individual = token_of(message)  # a catch-up names its camera behind that topic
        return split_message(message if individual is None else individual[1])

    def drain(self) -> None:
        """Drop what has arrived."""
        with suppress(zmq.Again):
            while True:
                self._sub.recv(zmq.NOBLOCK)

    def viewers(self, camera: str) -> int:
        """Return how many viewers the next status of a camera tells."""
        while True:
            assert self._sub.poll(10_000)
            name, channel, packet = self._receive()
            if name == camera and channel == "status":
                return parse_status(unpack(packet)).viewers


def wait_until(true: Callable[[], bool], timeout_s: float = SOON_S) -> None:
    until, turn = time.monotonic() + timeout_s, threading.Event()
    while not true():
        assert time.monotonic() < until, "it never became true"
        turn.wait(0.02)


def keys_of(station: Station, name: str) -> CurveClient:
    (keys,) = station.keys.curves(name)
    return keys


BOTH = {"frames", "status"}
TOKEN = os.urandom(16)
TRIES: dict[str, tuple[bytes, ...]] = {
    "everything": (b"",),
    "a beginning": (b"l", b"li", b"line"),
    "a name that others begin with": (b"line3",),
    "others by name": tuple(f(n) for n in CAMERAS for f in (frames_topic, status_topic)),
    "others in the middle": (frames_topic("line4") + b"RK", b"line3/", b"line33/", b"line4/"),
    "as a viewer of all": (b"", viewer_topic(TOKEN, None)),
    "again and again": (b"", b"", b"line4/frames\0", b"", b"line4/frames\0"),
}


NOTHING = (frames_topic("line4"), b"line4", b"line33/", b"x", b"\1", b"\0", b"/viewer/")


def test_a_key_with_cameras_is_shown_these_whatever_it_subscribes_to(
    station: Station, stack: ExitStack
) -> None:
    keys = keys_of(station, "limited")
    everybody = Sub(stack, station.address, keys_of(station, "everybody"), b"")
    tries = {name: Sub(stack, station.address, keys, *topics) for name, topics in TRIES.items()}
    others = {topic: Sub(stack, station.address, keys, topic) for topic in NOTHING}
    everything = dict.fromkeys(CAMERAS, BOTH)
    assert everybody.watch(lambda seen: seen == everything, SOON_S) == everything
    assert everybody.watch() == everything  # while all of them could be shown as much
    assert {name: sub.watch(wait_s=0.2) for name, sub in tries.items()} == {
        name: {"line3": BOTH} for name in TRIES
    }
    assert {topic: sub.watch(wait_s=0.2) for topic, sub in others.items()} == {
        topic: {} for topic in NOTHING
    }


@pytest.mark.slow
def test_rankcast_receive_without_a_camera_gets_those_of_its_key(
    station: Station, tmp_path: Path
) -> None:
    report = tmp_path / "received.json"
    done = run("receive", "--connect", station.address, "--frames", "20", "--timeout", "30",
               "--report", str(report), *station.keys.options("limited"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "line3" in done.stderr
    assert "line4" not in done.stderr + report.read_text()
    assert "line33" not in done.stderr + report.read_text()


@pytest.mark.slow
def test_viewers_are_counted_of_the_cameras_that_they_see(
    station: Station, stack: ExitStack
) -> None:
    everybody = Sub(stack, station.address, keys_of(station, "everybody"), status_topic("line3"),
                    status_topic("line4"))  # fmt: skip
    # Nobody watches line4: a topic of status messages shows no frames.
    wait_until(lambda: everybody.viewers("line4") == 0)
    token = viewer_topic(TOKEN, None)
    with ExitStack() as leaving:
        first = Sub(leaving, station.address, keys_of(station, "limited"), b"", token)
        Sub(leaving, station.address, keys_of(station, "limited"), b"",
            viewer_topic(bytes(16), None))  # fmt: skip
        wait_until(lambda: everybody.viewers("line3") == 2)
        assert everybody.viewers("line4") == 0
        first.say(token, kind=b"\0")
        wait_until(lambda: everybody.viewers("line3") == 1)
        # The other one still watches.
        first.say(b"", kind=b"\0")
        wait_until(lambda: first.watch(wait_s=0.5) == {})
        assert everybody.viewers("line3") == 1
    wait_until(lambda: everybody.viewers("line3") == 0)


@pytest.mark.slow
def test_cameras_are_taken_away_and_given_while_the_sender_runs(
    station: Station, stack: ExitStack
) -> None:
    station.allow("moving", "line3")
    moving = Sub(stack, station.address, keys_of(station, "moving"), b"")
    moving.watch(lambda seen: seen == {"line3": BOTH}, SOON_S)
    for cameras in (("line4",), ("line3", "line33"), ("nothing",), ()):
        station.allow("moving", *cameras)
        wanted = {name: BOTH for name in cameras or CAMERAS if name in CAMERAS}
        # What was sent before is on its way.
        moving.watch(wait_s=0.5)
        moving.drain()
        if wanted:
            assert moving.watch(lambda seen: seen == wanted, SOON_S) == wanted  # noqa: B023
        assert moving.watch(wait_s=1.5) == wanted


@pytest.mark.slow
def test_the_first_and_the_last_key_with_cameras_change_the_socket_of_a_running_sender(
    tmp_path: Path, stack: ExitStack
) -> None:
    with streaming(tmp_path) as station:
        everything = dict.fromkeys(CAMERAS, BOTH)
        limited = Sub(stack, station.address, keys_of(station, "limited"), b"")
        everybody = Sub(stack, station.address, keys_of(station, "everybody"), b"")
        for cameras, wanted in (((), everything), (("line4",), {"line4": BOTH})):
            station.allow("limited", *cameras)
            limited.watch(wait_s=0.5)
            limited.drain()
            assert limited.watch(lambda seen: seen == wanted, SOON_S) == wanted  # noqa: B023
            assert limited.watch(wait_s=1.5) == wanted
            everybody.drain()
            assert everybody.watch(lambda seen: seen == everything, SOON_S) == everything


Ask = Callable[..., Any]


@pytest.fixture
def asking(station: Station, stack: ExitStack) -> Callable[[str], Ask]:
    """Return a function that makes a client with a key, and returns how to ask."""

    def client(name: str) -> Ask:
        made = stack.enter_context(ControlClient(station.control, keys_of(station, name)))
        return lambda op, camera="", **args: made.call(op, camera, args, timeout_s=SOON_S).result

    return client


def test_other_cameras_do_not_exist_for_control_requests(
    station: Station, asking: Callable[[str], Ask]
) -> None:
    station.allow("chief", "line3", "line33", role=Role.OPERATOR)
    ask = asking("chief")
    assert set(ask("status")["cameras"]) == {"line3", "line33"}
    for op in ("get", "keyframe", "report", "credit", "set", "original", "status"):
        said = []
        for camera in ("line4", "line5"):
            with pytest.raises(RequestRefusedError) as caught:
                ask(op, camera)
            said.append(str(caught.value).replace(camera, "CAMERA"))
        # The same for a camera that exists and one that does not.
        assert said[0] == said[1]
        assert "got camera CAMERA, want one of line3, line33" in said[0]
    with pytest.raises(RequestRefusedError, match="want one of line3, line33"):
        ask("get")
    assert ask("set", "line33", quality=60) == {"quality": 60}
    assert ask("keyframe", "line3")["coming"] in (True, False)
    with pytest.raises(RequestRefusedError):
        ask("record")


@pytest.mark.slow
def test_the_only_camera_of_a_key_needs_no_name(asking: Callable[[str], Ask]) -> None:
    ask = asking("limited")
    assert ask("status")["name"] == "line3"
    assert ask("get")["codec"] == "jpeg"


@pytest.mark.slow
def test_a_keeper_of_everything_holds_up_its_own_cameras_only(
    tmp_path: Path, stack: ExitStack
) -> None:
    with streaming(tmp_path, realtime=False) as station:
        everybody = Sub(stack, station.address, keys_of(station, "everybody"), b"")
        everything = dict.fromkeys(CAMERAS, BOTH)
        assert everybody.watch(lambda seen: seen == everything, SOON_S) == everything
        Sub(stack, station.address, keys_of(station, "limited"), b"", keeper_topic(TOKEN, None))
        # It never gives credit.
        wait_until(lambda: "frames" not in everybody.watch(wait_s=1.0).get("line3", set()))
        seen = everybody.watch()
        assert seen["line3"] == {"status"}
        assert seen["line4"] == seen["line33"] == BOTH
        station.process.signal(signal.SIGKILL)  # it would wait for its viewers


@pytest.mark.slow
def test_a_message_that_is_no_subscription_opens_no_camera_and_bans_its_key(
    station: Station, stack: ExitStack, figure: Callable[[str], None]
) -> None:
    # libzmq takes what is read after such a message for messages of other connections.
    station.allow("mallory")
    port, limited = port_of(station.address)[1], keys_of(station, "limited")
    everybody = Sub(stack, station.address, keys_of(station, "everybody"), b"")
    everybody.watch(lambda seen: len(seen) == len(CAMERAS), SOON_S)
    mallory = [KeyedPeer(port, keys_of(station, "mallory")) for _ in range(20)]
    quiet = [Sub(stack, station.address, limited) for _ in range(5)]
    for peer in mallory:
        # Others subscribe at the same time, and the limited ones to what they may not see.
        opened = Sub(stack, station.address, keys_of(station, "everybody"))
        peer.send(b"stray", b"", b"\1line4/frames\0")
        opened.say(b"line4", b"line33")
        for sub in quiet:
            sub.say(b"line4/frames\0")
    station.process.wait_line("the key of mallory is refused for 60 s")
    for sub in quiet:
        assert sub.watch(wait_s=0.5) == {}
    again = Sub(stack, station.address, keys_of(station, "everybody"), b"")
    assert len(again.watch(lambda seen: len(seen) == len(CAMERAS), SOON_S)) == len(CAMERAS)
    for peer in mallory:
        peer.reset()
    figure("20 stray messages among subscriptions of others: no other camera shown")
