"""Keys between real processes: who gets pictures, who does not, and for how long."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import zmq

from rankcast.errors import NoStreamError, RequestRefusedError, SettingsError
from rankcast.net import (
    ControlClient,
    Role,
    SocketOptions,
    authorize,
    configure,
    control_endpoint,
    new_key,
    revoke,
)
from rankcast.settings import set_layers, validate
from rankcast.wire import frames_topic, parse_status, status_topic, unpack, viewer_topic
from rankcast_receiver.settings import ReceiverSettings
from rankcast_receiver.state import State
from rankcast_sender.settings import SenderSettings
from rankcast_sender.sockets.audience import MAX_VIEWERS_OF_ONE
from support.fakes import free_address
from support.keyed_station import JPEG, KeyedStation
from support.processes import rankcast, read_report, run
from support.sabotage import sabotaged
from support.starvation import Starvation
from support.viewers import SMALL, Seen, Viewer, check_received, finish, sending


@pytest.fixture
def station(tmp_path: Path) -> KeyedStation:
    return KeyedStation(tmp_path)


def wait_until(true: Callable[[], bool], timeout_s: float = 30.0) -> float:
    """Seconds until it is so."""
    since, turn = time.monotonic(), threading.Event()
    while not true():
        assert time.monotonic() < since + timeout_s, "it never became true"
        turn.wait(0.01)
    return time.monotonic() - since


def gaps(seen: list[Seen]) -> list[float]:
    """Seconds between frames."""
    return [after.at - before.at for before, after in pairwise(seen)]


def state_of(viewer: Viewer) -> State | None:
    return next((state.state for state in viewer.subscriber.states), None)


def test_a_keyed_stream_arrives_whole_and_no_secret_is_ever_told(
    station: KeyedStation, tmp_path: Path
) -> None:
    options = station.make("viewer1")
    report = tmp_path / "received.json"
    debug = {"RANKCAST_LOG_LEVEL": "DEBUG"}
    all_of_them = ("--frames", "45", "--wait-viewers", "1", "--no-realtime")
    with (
        station.sending(*all_of_them, **debug) as sender,
        rankcast("receive", "--connect", sender.address, "--timeout", "30", "--report",
                 str(report), "--save", str(tmp_path / "saved"), *options, **debug) as receiver,
    ):  # fmt: skip
        assert receiver.wait() == 0, receiver.lines
        assert sender.process.wait() == 0, sender.process.lines
        said = "\n".join([*receiver.lines, *sender.process.lines])
    assert check_received(report)["delivered"] == sender.report()["published"] == 45
    said += report.read_text() + sender.report_file.read_text()
    said += run("send", "--check", "--source", SMALL, "--key", str(station.folder / "cam.key"),
                "--authorized", str(station.authorized)).stdout  # fmt: skip
    said += run("receive", "--check", *options).stdout
    assert "cam.key" in said
    assert "viewer1 (viewer) connected" in said
    for secret in station.secrets():
        assert not any(secret[at : at + 12] in said for at in range(0, 29, 4))


@pytest.mark.slow
def test_no_flood_of_subscriptions_by_an_admitted_key_keeps_a_viewer_out(
    station: KeyedStation, figure: Callable[[str], None]
) -> None:
    station.make("viewer1")
    station.make("mallory")
    (curve,) = station.curves("mallory")
    with (
        station.sending() as sender,
        zmq.Context() as context,
        context.socket(zmq.SUB) as flood,
    ):
        configure(flood, SocketOptions(64, 262_144, 1 << 20, curve=curve))
        flood.setsockopt(zmq.SNDHWM, 0)
        for topic in (status_topic("cam"), frames_topic("cam"), *tokens(0, 2)):
            flood.setsockopt(zmq.SUBSCRIBE, topic)
        flood.connect(sender.address)
        wait_counted(flood, 2)
        for topic in (b"junk%06d" % number for number in range(10_500)):
            flood.setsockopt(zmq.SUBSCRIBE, topic)
        sender.process.wait_line("the key of mallory is refused for 60 s")
        with Viewer(sender.address, curves=station.curves("viewer1")) as viewer:
            began = time.monotonic()
            viewer.wait_more(1)
            figure(f"joined {time.monotonic() - began:.2f} s after 10,500 topics of another key")
            viewer.wait_more(10)
            viewer.wait_for(lambda _: counted(viewer) == 1)


@pytest.mark.slow
def test_viewers_beyond_the_limit_of_a_key_are_served_but_not_counted(
    station: KeyedStation,
) -> None:
    station.make("many")
    (curve,) = station.curves("many")
    with station.sending() as sender, zmq.Context() as context, ExitStack() as stack:
        # As few bytes as a connection may send: several share the viewers.
        subs = [stack.enter_context(context.socket(zmq.SUB)) for _ in range(7)]
        for number, sub in enumerate(subs):
            configure(sub, SocketOptions(64, 262_144, 1 << 20, curve=curve))
            sub.setsockopt(zmq.SNDHWM, 0)
            for topic in (status_topic("cam"), frames_topic("cam"), *tokens(160 * number, 160)):
                sub.setsockopt(zmq.SUBSCRIBE, topic)
            sub.connect(sender.address)
        wait_counted(subs[0], MAX_VIEWERS_OF_ONE)
        sender.process.wait_line("are not counted")


def wait_counted(sub: zmq.Socket[bytes], viewers: int) -> None:
    """Wait until the sender says that it has so many viewers."""
    said = -1
    while said != viewers:
        assert sub.poll(30_000), f"the sender says {said} viewers, want {viewers}"
        packet = unpack(sub.recv().partition(b"\0")[2])
        if not packet.header.kind.is_picture:
            said = parse_status(packet).viewers


def tokens(start: int, count: int) -> Iterator[bytes]:
    """Return the individual topics of so many viewers."""
    for number in range(start, start + count):
        yield viewer_topic(number.to_bytes(16, "big"), "cam")


def counted(viewer: Viewer) -> int | None:
    """Return the viewers that the sender counts, according to its latest status."""
    for stream in viewer.subscriber.streams.values():
        if stream.status is not None:
            return stream.status.viewers
    return None


def test_without_the_right_keys_nothing_comes_and_the_reason_is_told(
    station: KeyedStation, tmp_path: Path
) -> None:
    station.make("viewer1")
    station.make("eve", None)
    cases = {
        "none": ([], "requires a key"),
        "unknown": (station.options("eve"), "does not know this key"),
        "wrong_server": (station.options("viewer1", "eve"), "check --server-key"),
    }
    with station.sending() as sender, Viewer(
        sender.address, curves=station.curves("viewer1")
    ) as known:  # fmt: skip
        known.wait_more(5)
        with ExitStack() as stack:
            receivers = {
                name: stack.enter_context(
                    rankcast("receive", "--connect", sender.address, "--timeout", "4", "--report",
                             str(tmp_path / f"{name}.json"), *options)
                )
                for name, (options, _) in cases.items()
            }  # fmt: skip
            for name, receiver in receivers.items():
                assert receiver.wait() == NoStreamError.exit_code, (name, receiver.lines)
                assert cases[name][1] in receiver.lines[-1], (name, receiver.lines)
                report = read_report(tmp_path / f"{name}.json")
                assert report["delivered"] == 0
                assert report["published"] in (0, None)
        known.wait_more(5)
        assert any("refused unknown key" in line for line in sender.process.lines)


@pytest.mark.slow
def test_a_station_with_a_key_never_talks_to_one_without(
    station: KeyedStation, tmp_path: Path
) -> None:
    options = station.make("viewer1")
    with sending(tmp_path, *JPEG) as sender:
        sender.wait_listening()
        done = run("receive", "--connect", sender.address, "--timeout", "2.5", *options)
    assert done.returncode == NoStreamError.exit_code
    assert "uses no keys" in done.stderr


def test_a_revoked_viewer_is_out_within_three_seconds_and_the_other_goes_on(
    station: KeyedStation, figure: Callable[[str], None]
) -> None:
    station.make("viewer1")
    station.make("viewer2")
    with (
        station.sending() as sender,
        Viewer(sender.address, curves=station.curves("viewer1"), live=False) as leaves,
        Viewer(sender.address, curves=station.curves("viewer2"), live=False) as stays,
    ):
        leaves.wait_more(10)
        stays.wait_more(10)
        done = run("keys", "revoke", "viewer1", "--dir", str(station.authorized))
        revoked = time.monotonic()  # a moment later than it took effect, at worst
        assert done.returncode == 0, done.stderr
        wait_until(lambda: state_of(leaves) is State.KEY_REFUSED)
        # Everything within three seconds came; then nothing, for as long again.
        stays.wait_for(lambda seen: seen[-1].at > revoked + 6)
        last = leaves.seen[-1].at - revoked
        assert last < 3
        assert state_of(stays) is State.LIVE
        pause = max(gaps(stays.seen))
        assert pause < 3
        figure(f"last frame {last:.2f} s after the revocation, the other paused {pause:.2f} s")
        assert any("the key of viewer1 has been revoked" in line for line in sender.process.lines)
        assert sum(leaves.subscriber.balance().lost.values()) < 90
        stays.stop()


@pytest.mark.slow
def test_row_18_a_key_that_is_authorised_later_is_live_two_seconds_after_it_was_read(
    station: KeyedStation, figure: Callable[[str], None]
) -> None:
    """The sender reads its folder once a second: three seconds after it was authorised."""
    station.make("late", None)
    with station.sending() as sender, Viewer(
        sender.address, curves=station.curves("late")
    ) as viewer:  # fmt: skip
        sender.wait_listening()
        wait_until(lambda: state_of(viewer) is State.KEY_REFUSED)
        # It stays refused for some tries, whose pauses grow.
        wait_until(lambda: viewer.subscriber.reconnects >= 4)
        assert not viewer.seen
        starved, since = Starvation(sender.pid, os.getpid()), time.monotonic()
        authorize(station.folder / "late.pub", station.authorized, Role.VIEWER)
        sender.process.wait_line("late has been authorised as viewer")
        read = time.monotonic()
        viewer.wait_for(lambda seen: len(seen) > 0)
        live, starved_s = viewer.seen[0].at, starved.seconds()
        figure(f"live {live - read:.2f} s after the key was read, {live - since:.2f} s after it "
               f"was authorised, {starved_s:.2f} s without a processor")  # fmt: skip
        assert live - read - starved_s <= 2.0
        assert live - since - starved_s <= 3.0
        viewer.wait_more(5)
        finish(sender, viewer)


@pytest.mark.slow
def test_a_malformed_file_keeps_viewers_in_and_is_told_until_it_is_repaired(
    station: KeyedStation,
) -> None:
    station.make("viewer1")
    with station.sending() as sender, Viewer(
        sender.address, curves=station.curves("viewer1")
    ) as viewer:  # fmt: skip
        viewer.wait_more(3)
        (station.authorized / "broken.pub").write_text("no key")
        done = run("keys", "revoke", "viewer1", "--dir", str(station.authorized))
        assert done.returncode == 2
        assert "running senders accept it until this is repaired" in done.stderr
        assert "broken.pub" in sender.process.wait_line("authorised keys not reloaded")
        viewer.wait_more(3)

        def alarm() -> object:
            status = viewer.subscriber.streams["cam"].status
            return status is not None and status.keys.get("alarm")

        wait_until(lambda: alarm() is True)
        (station.authorized / "broken.pub").unlink()
        wait_until(lambda: state_of(viewer) is State.KEY_REFUSED)


@pytest.mark.slow
def test_the_servers_key_is_changed_while_viewers_hold_both(
    station: KeyedStation, figure: Callable[[str], None]
) -> None:
    station.make("viewer1")
    new_key(station.folder, "cam-new")
    address = free_address()
    with Viewer(
        address, curves=station.curves("viewer1", "cam-new", "cam"), stay=True
    ) as viewer:  # fmt: skip
        with station.sending(address=address) as sender:
            viewer.wait_more(5, 60)
            sender.process.signal(signal.SIGKILL)
            sender.process.wait()
        with station.sending(address=address, key="cam-new") as sender:
            sender.wait_listening()
            since = time.monotonic()
            viewer.wait_more(1, 60)
            seconds = time.monotonic() - since
            figure(f"live {seconds:.2f} s after the start with the new key")
            assert seconds < 6
            viewer.wait_more(5)


def test_roles_are_kept_on_the_control_channel(station: KeyedStation) -> None:
    station.make("viewer1")
    station.make("chief", Role.OPERATOR)
    station.make("eve", None)
    with station.sending() as sender:
        sender.wait_listening()
        endpoint = control_endpoint(sender.address)
        viewer = ControlClient(endpoint, station.curves("viewer1")[0])
        chief = ControlClient(endpoint, station.curves("chief")[0])
        eve = ControlClient(endpoint, station.curves("eve")[0])
        plain = ControlClient(endpoint)
        try:
            assert viewer.call("get", args={}, timeout_s=10).ok
            assert viewer.call("keyframe", args={}, timeout_s=10).ok
            for op, args in (("set", {"quality": 30}), ("original", {})):
                with pytest.raises(RequestRefusedError, match="operator"):
                    viewer.call(op, args=args, timeout_s=10)
            assert chief.call("set", args={"quality": 30}, timeout_s=10).ok
            sender.process.wait_line("cam: chief (operator) set quality = 30")
            for stranger in (eve, plain):
                with pytest.raises(NoStreamError):
                    stranger.call("get", args={}, timeout_s=1.5)
            # A role that is taken away counts from the next request on.
            authorize(station.folder / "chief.pub", station.authorized, Role.VIEWER)

            def demoted() -> bool:
                try:
                    chief.call("set", args={"quality": 40}, timeout_s=10)
                except RequestRefusedError:
                    return True
                return False

            wait_until(demoted)
        finally:
            for client in (viewer, chief, eve, plain):
                client.close()


@pytest.mark.parametrize("bind", ["tcp://*:{}", "tcp://0.0.0.0:{}", "tcp://[::]:{}"])
def test_an_address_that_others_reach_needs_keys_or_the_word(bind: str) -> None:
    address = bind.format(free_address().rpartition(":")[2])
    done = run("send", "--source", SMALL, "--bind", address, "--frames", "1")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "rankcast keys new" in line
    assert "--insecure" in line


def test_a_control_address_that_others_reach_needs_them_too() -> None:
    done = run("send", "--source", SMALL, "--bind", free_address(), "--frames", "1",
               "--set", "network.control=tcp://*:6599")  # fmt: skip
    assert done.returncode == 2
    assert "tcp://*:6599 can be reached from other machines" in done.stderr


def test_insecure_is_taken_at_its_word(tmp_path: Path) -> None:
    port = free_address().rpartition(":")[2]
    with sending(tmp_path, "--insecure", *JPEG, address=f"tcp://*:{port}") as sender:
        assert "NO KEYS" in sender.process.wait_line(f"tcp://*:{port} can be reached")
        with Viewer(f"tcp://127.0.0.1:{port}") as viewer:
            viewer.wait_more(3)


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        (SenderSettings, "security.key=cam.key"),
        (SenderSettings, "security.authorized=authorized"),
        (ReceiverSettings, "security.key=viewer1.key"),
        (ReceiverSettings, "security.server_keys=cam.pub"),
    ],
)
def test_keys_come_in_pairs(settings: Any, option: str) -> None:
    with pytest.raises(SettingsError, match="together") as caught:
        validate(settings, set_layers([option]))
    assert "\n" not in str(caught.value)


def test_a_key_without_those_that_it_lets_in_does_not_start(station: KeyedStation) -> None:
    done = run("send", "--source", SMALL, "--key", str(station.folder / "cam.key"))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "--key and --authorized" in line


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_loose_keys_let_neither_end_start(station: KeyedStation) -> None:
    options = station.make("viewer1")
    for name, arguments in (
        ("cam", ("send", "--source", SMALL, "--key", str(station.folder / "cam.key"),
                 "--authorized", str(station.authorized))),
        ("viewer1", ("receive", *options)),
    ):  # fmt: skip
        (station.folder / f"{name}.key").chmod(0o644)
        done = run(*arguments)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert f"{name}.key: has mode 0644" in line


def test_the_sender_ends_with_1_when_its_authenticator_dies(
    station: KeyedStation, tmp_path: Path
) -> None:
    station.make("viewer1")
    broken = sabotaged(
        tmp_path / "broken",
        "rankcast_sender.sockets.key_policy:KeyPolicy.judge",
        "def fail(*_):\n    raise OSError('the authenticator is broken')\nreturn fail",
    )
    with station.sending(**broken) as sender:
        sender.wait_listening()
        with Viewer(sender.address, curves=station.curves("viewer1")) as viewer:
            assert sender.process.wait(20) == 1, sender.process.lines
            assert not viewer.seen
        assert "authenticator" in sender.process.lines[-1]


@pytest.mark.slow
def test_three_revocations_in_a_row_cost_the_rest_a_counted_gap_each(station: KeyedStation) -> None:
    for name in ("viewer1", "viewer2", "viewer3", "viewer4"):
        station.make(name)
    with station.sending() as sender, Viewer(
        sender.address, curves=station.curves("viewer4"), live=False
    ) as stays:  # fmt: skip
        stays.wait_more(5)
        for name in ("viewer1", "viewer2", "viewer3"):
            revoke(station.authorized, name)
            sender.process.wait_line(f"the key of {name} has been revoked")
            stays.wait_more(5)
        assert max(gaps(stays.seen)) < 3
        stays.stop()
