"""What happens to a relay and its viewers: hostile uplinks, loops, slow viewers, wrong clocks."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq

from rankcast.frame import Frame
from rankcast.wire import frames_topic, status_topic
from rankcast_receiver import Subscriber
from rankcast_receiver.clock import SenderClock
from support.cameras import cameras
from support.everything import Everything
from support.fakes import free_address
from support.processes import rankcast, rankcast_environment
from support.relaying import ROOMY, relaying
from support.sabotage import sabotaged
from support.viewers import WAIT_S, Viewer, sending

SMALL = "synthetic:conveyor?width=160&height=128&fps=30"
HOUR_NS = 3600 * 10**9
READ_NS = 2_000_000
"""Two clocks are read one after the other, and a processor may be taken away in between."""


@pytest.mark.slow
def test_a_relay_that_is_connected_to_itself_says_so_and_ends(tmp_path: Path) -> None:
    address = free_address()
    with relaying(tmp_path, address, address=address) as relay:
        assert relay.process.wait() == 2
        assert "leads back to this relay itself" in relay.process.lines[-1]


@pytest.mark.slow
def test_two_relays_in_a_circle_multiply_nothing(tmp_path: Path) -> None:
    first, second = free_address(), free_address()
    with (
        sending(tmp_path, source=SMALL) as sender,
        relaying(tmp_path, sender.address, second, address=first) as one,
        relaying(tmp_path, first, address=second) as two,
    ):
        one.process.wait_line(f"{second} leads back to this relay itself and is left out")
        with Viewer(second, camera="cam-1") as viewer:
            viewer.wait_more(10)
            assert set(viewer.subscriber.streams) == {"cam-1"}
        assert set(two.stop()["cameras"]) == {"cam-1"}
        report = one.stop()
        sender.stop()
    assert report["cameras"]["cam-1"]["error"] is None
    assert all(c["forwarded"] == 0 for name, c in report["cameras"].items() if name != "cam-1")


def test_an_uplink_full_of_rubbish_costs_counted_packets_and_no_process(tmp_path: Path) -> None:
    address = free_address()
    with zmq.Context() as context, context.socket(zmq.XPUB) as hostile:
        hostile.linger = 0
        hostile.bind(address)
        with (
            sending(tmp_path, *ROOMY, source=SMALL) as sender,
            relaying(tmp_path, sender.address, address, options=ROOMY) as relay,
            Viewer(relay.address, camera="cam-1") as viewer,
        ):
            viewer.wait_more(5)
            for number in range(300):
                name = f"evil{number % 80}"
                hostile.send(frames_topic(name) + os.urandom(200))
                hostile.send(status_topic(name) + os.urandom(200))
                hostile.send(b"/viewer/*/" + b"0" * 32 + b"\0" + os.urandom(100))
                hostile.send(os.urandom(100))
            viewer.wait_more(10)
            assert viewer.subscriber.balance().lost.get("network_gap", 0) == 0
            assert set(viewer.subscriber.streams) == {"cam-1"}
            report = relay.stop()
            sender.stop()
    assert set(report["cameras"]["cam-1"]["lost"]) <= {"stopped"}
    assert all(c["forwarded"] == 0 for name, c in report["cameras"].items() if name != "cam-1")


@pytest.mark.slow
def test_a_slow_viewer_behind_a_relay_slows_nobody(tmp_path: Path) -> None:
    with (
        sending(tmp_path, "--codec", "raw", source=SMALL) as sender,
        relaying(tmp_path, sender.address) as relay,
        zmq.Context() as context,
        context.socket(zmq.SUB) as slow,
        Viewer(relay.address) as viewer,
    ):
        slow.linger, slow.rcvhwm, slow.rcvbuf = 0, 1, 4096
        slow.subscribe(b"")
        slow.connect(relay.address)  # and never reads
        viewer.wait_more(90)
        assert viewer.subscriber.balance().lost.get("network_gap", 0) == 0
        report = relay.stop()
        sender.stop()
    assert set(report["lost"]) <= {"stopped"}


@pytest.mark.slow
@pytest.mark.parametrize("count", [16, pytest.param(64, marks=pytest.mark.slow)])
def test_many_cameras_go_through_one_relay(
    tmp_path: Path, figure: Callable[[str], None], count: int
) -> None:
    address, rounds = free_address(), 30
    with (
        cameras(address, count, rounds, **rankcast_environment()) as sender,
        relaying(tmp_path, address) as relay,
    ):
        everything = Everything(relay.address)
        try:
            known_s = everything.wait_states(count, lambda state: state.value != "connecting")
            sender.say()
            everything.wait_frames(count * rounds)
        finally:
            everything.close()
        report = relay.stop()
    figure(f"{count} cameras known behind a relay after {known_s:.2f} s")
    assert len(report["cameras"]) == count
    assert report["forwarded"] + sum(report["lost"].values()) == count * rounds
    assert everything.frames + sum(
        sum(balance.lost.values()) for balance in everything.balances
    ) == count * rounds  # fmt: skip


@pytest.mark.slow
def test_ages_through_two_relays_are_right_within_the_error_that_is_stated(
    tmp_path: Path, figure: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on four machines: whether two ends are on one is not looked at."""
    monkeypatch.setattr(SenderClock, "hear", lambda *_: None)
    ages = Ages()
    clocks = [_apart(tmp_path / str(k), off_ns) for k, off_ns in enumerate((HOUR_NS, -HOUR_NS, 7))]
    with (
        sending(tmp_path, source=SMALL, **clocks[0]) as sender,
        relaying(tmp_path, sender.address, **clocks[1]) as first,
        relaying(tmp_path, first.address, **clocks[2]) as second,
        Viewer(second.address, ages.add) as viewer,
    ):
        viewer.wait_for(lambda _: bool(ages.off["cam"]))
        viewer.wait_more(60)
        second.stop()
        first.stop()
        sender.stop()
    figure(f"through two relays: {ages.check('cam')}")


@pytest.mark.slow
def test_cameras_of_stations_whose_clocks_differ_have_right_ages_behind_one_relay(
    tmp_path: Path, figure: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SenderClock, "hear", lambda *_: None)
    ages = Ages()
    clocks = [_apart(tmp_path / str(k), off_ns) for k, off_ns in enumerate((0, HOUR_NS, -HOUR_NS))]
    with (
        sending(tmp_path, source=SMALL, **clocks[0]) as one,
        sending(tmp_path, source=SMALL, **clocks[1]) as two,
        relaying(tmp_path, one.address, two.address, **clocks[2]) as relay,
        Everyone(relay.address, ages.add),
    ):
        ages.wait_for("cam-1", "cam-2")
        relay.stop()
        one.stop()
        two.stop()
    figure(f"first {ages.check('cam-1')}; second {ages.check('cam-2')}")


class Ages:
    """Compares when frames are said to have been taken with when they were, by camera."""

    def __init__(self) -> None:
        self.off: dict[str, list[tuple[int, int]]] = defaultdict(list)

    def add(self, frame: Frame) -> None:
        """Take a frame; the monotonic clock, which all processes share, tells the truth."""
        if frame.t_capture_here_ns is not None:
            wrong_ns = frame.t_capture_here_ns - frame.t_capture_mono_ns
            self.off[frame.camera].append((wrong_ns, frame.clock_error_ns))

    def wait_for(self, *names: str) -> None:
        """Wait until each camera has had enough frames."""
        until = time.monotonic() + WAIT_S
        while any(len(self.off[name]) < 40 for name in names):
            assert time.monotonic() < until, {name: len(self.off[name]) for name in names}
            threading.Event().wait(0.05)

    def check(self, name: str) -> str:
        """Compare the frames of a camera but the first ones; return what was found."""
        assert all(abs(wrong) < HOUR_NS / 100 for wrong, _ in self.off[name]), self.off[name]
        found = self.off[name][10:]
        right = sum(abs(wrong) <= error + READ_NS for wrong, error in found)
        worst_ns = max(error for _, error in found)
        assert right >= 0.95 * len(found), found
        assert worst_ns < HOUR_NS / 100
        really_ms = max(abs(wrong) for wrong, _ in found) / 1e6
        return (
            f"{right} of {len(found)} ages right, errors of up to {worst_ns / 1e6:.1f} ms "
            f"stated, of {really_ms:.1f} ms made"
        )


class Everyone(Everything):
    """A live viewer of all cameras that hands on its frames."""

    def __init__(self, address: str, add: Callable[[Frame], None]) -> None:
        self._add = add
        super().__init__(address)

    def _run(self) -> None:
        with Subscriber(self._address, stopped=self._stop.is_set) as viewer:
            for frame in viewer:
                self._add(frame)

    def __enter__(self) -> Everyone:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _apart(folder: Path, off_ns: int) -> dict[str, str]:
    """A machine with another UTC clock, which takes no other for itself."""
    return sabotaged(
        folder,
        "time:time_ns",
        f"""
        import sys
        def wrong():
            clock = sys.modules.get("rankcast_receiver.clock.sender_clock")
            if clock is not None:
                clock.SAME_NS = -1
            return original() + {off_ns}
        return wrong
        """,
    )


@pytest.mark.slow
def test_settings_that_cannot_work_are_refused_with_one_line() -> None:
    for options, text in (
        (("--from", "tcp://nobody"), "tcp://nobody"),
        (("--to", "udp://1:2"), "udp://1:2"),
        (("--no-realtime", "--control", "off"), "realtime = false needs the control channel"),
        (("--server-key", "x.pub"), "need --key"),
        (("--to", "tcp://*:6000"), "--insecure"),
        (("--from", "tcp://127.0.0.1:1", "--from", "tcp://127.0.0.1:1"), "twice"),
        (("--set", "uplink.camera=A"), "camera name"),
    ):
        with rankcast(*options, module="rankcast_relay") as process:
            assert process.wait() == 2, (options, process.lines)
            process.wait_line(text, 5)
            assert len(process.lines) == 1
