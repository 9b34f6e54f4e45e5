"""Row 29 of the fault matrix: the clock of one end is stepped by an hour as frames come, or drifts.

libfaketime lies to one process about the time of day; the monotonic clock stays true, as it does
when an administrator or NTP steps a clock. Where it is missing, the sender's own way of reading the
clock is replaced.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rankcast.boot_clock import boot_ns
from rankcast.frame import Frame
from rankcast.runtime.clock_offset import DRIFT_PPM
from rankcast_receiver.clock import SenderClock
from rankcast_receiver.clock.sender_clock import MEASURED, SAME
from rankcast_receiver.sinks.display.tile import Tile
from support.processes import rankcast
from support.sabotage import sabotaged
from support.starvation import Starvation
from support.viewers import (
    WAIT_S,
    Viewer,
    check_all_arrived_or_counted,
    check_received,
    finish,
    sending,
)

pytestmark = pytest.mark.slow

Figure = Callable[[str], None]
FPS = 30
HOUR_NS = 3600 * 10**9
READ_NS = 2_000_000
"""Two clocks are read one after the other, and a processor may be taken away in between."""
FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib")


def library() -> Path:
    """The library that lies, or a visible skip."""
    for folder in map(Path, FOLDERS):
        for pattern in ("faketime/libfaketimeMT.so.1", "*/faketime/libfaketimeMT.so.1"):
            for found in folder.glob(pattern):
                return found
    pytest.skip("no libfaketime on this machine")


@pytest.mark.parametrize(
    ("stepped", "steps"),
    [
        ("sender", ("+3600",)),
        pytest.param("sender", ("+3600", "-3600", "+0"), marks=pytest.mark.slow),
        pytest.param("receiver", ("+3600", "-3600", "+0"), marks=pytest.mark.slow),
    ],
)
def test_row_29_a_clock_that_is_stepped_costs_no_frame_and_no_connection(
    tmp_path: Path, figure: Figure, stepped: str, steps: tuple[str, ...]
) -> None:
    offset, report = tmp_path / "offset", tmp_path / "received.json"
    offset.write_text("+0\n")
    lie = {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        # Otherwise it takes the monotonic time-outs of condition variables for times of day. They
        # have passed long ago, so whoever waits spins, and Python never hands its lock on.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        # It steps the clock since boot too, which nobody can set: the monotonic one is the same.
        **sabotaged(
            tmp_path / "clock",
            "rankcast.boot_clock:boot_ns",
            "import rankcast.boot_clock as clock\nclock._BOOT_TIME = None\nreturn original",
        ),
    }
    with (
        sending(
            tmp_path, "--verbose", "--wait-viewers", "2", **(lie if stepped == "sender" else {})
        ) as sender,
        rankcast("receive", "--connect", sender.address, "--set", "stream.mode=keep", "--verbose",
                 "--report", str(report), **(lie if stepped == "receiver" else {})) as receiver,
        Viewer(sender.address, live=False) as viewer,
    ):  # fmt: skip
        receiver.wait_line("fps")
        for step in steps:
            offset.write_text(f"{step}\n")
            liar = sender.process if stepped == "sender" else receiver
            # Each line of the log begins with the hour: the lie is believed.
            liar.wait_match(f"^{time.strftime('%H', time.localtime(time.time() + int(step)))}:")
            viewer.wait_more(30)
        sender.stop()
        check_all_arrived_or_counted(viewer.finish(), sender.report())
        assert receiver.wait() == 0, receiver.lines
        assert viewer.subscriber.balance().lost == {}
        assert viewer.subscriber.reconnects == 0
    received = check_received(report)
    figure(f"{stepped} stepped: latency {received['latency_ms']}, lost {received['lost']}")
    assert received["lost"] == {}
    assert received["reconnects"] == 0
    # Both ends share the monotonic clock of this machine, which nobody stepped: what it tells is
    # right, and said to be.
    assert received["clock"] == SAME
    assert received["latency_error_ms"] == 0.0
    assert 0 <= received["latency_ms"]["p99"] < 10_000
    assert received["age_ms"]["max"] < 10_000


class Ages:
    """Compares when frames are said to have been taken with when they were."""

    def __init__(self) -> None:
        self.off_ns: list[tuple[float, int, int]] = []
        """Monotonic time, how far from the truth, and the error that was admitted."""
        self.words: list[str] = []

    def add(self, frame: Frame) -> None:
        """Take a frame from a sender on this machine, whose monotonic clock tells the truth."""
        now = time.monotonic()
        if frame.t_capture_here_ns is not None:
            off_ns = frame.t_capture_here_ns - frame.t_capture_mono_ns
            self.off_ns.append((now, off_ns, frame.clock_error_ns))
            self.words += Tile(frame, now).text(now, boot_ns(), None).lines[1:]

    def within(self, since: float) -> float:
        """Share of the frames since then that are as near to the truth as they claim to be."""
        near = [abs(off) <= error + READ_NS for at, off, error in self.off_ns if at > since]
        return sum(near) / len(near)


@pytest.mark.slow
@pytest.mark.parametrize(
    "drift_frames", [FPS, pytest.param(45 * FPS, id="drift", marks=pytest.mark.slow)]
)
def test_row_29_pings_follow_a_clock_that_drifts_and_is_stepped_and_the_step_is_flagged(
    tmp_path: Path, figure: Figure, monkeypatch: pytest.MonkeyPatch, drift_frames: int
) -> None:
    """As from another machine: whether both ends are on one is not looked at."""
    monkeypatch.setattr(SenderClock, "hear", lambda *_: None)
    step = tmp_path / "step"
    step.write_text("0")
    clock = sabotaged(
        tmp_path / "clock",
        "time:time_ns",
        f"""
        from time import monotonic_ns
        begun_ns = monotonic_ns()
        def other_clock():
            with open({str(step)!r}) as file:
                step_ns = int(file.read() or 0)
            return original() + step_ns + (monotonic_ns() - begun_ns) * {DRIFT_PPM} // 1_000_000
        return other_clock
        """,
    )
    ages = Ages()
    with (
        sending(tmp_path, "--wait-viewers", "1", **clock) as sender,
        Viewer(sender.address, ages.add, live=False) as viewer,
    ):
        viewer.wait_for(lambda _: MEASURED in viewer.subscriber.clocks.values())
        measured = time.monotonic()
        viewer.wait_more(drift_frames, WAIT_S + drift_frames / FPS)
        assert ages.within(measured) >= 0.9
        admitted_ms = max(error for _, _, error in ages.off_ns) / 1e6
        followed_s, starved_s = [], []
        for step_ns in (HOUR_NS, 0):
            starved, stepped = Starvation(sender.pid, os.getpid()), time.monotonic()
            write_whole(step, str(step_ns))
            viewer.wait_for(lambda seen, at=stepped: seen[-1].at > at + 1.5)
            wrong = [at for at, off, _ in ages.off_ns if at > stepped and abs(off) > HOUR_NS / 2]
            followed_s.append(max(wrong, default=stepped) - stepped)
            starved_s.append(starved.seconds())
            right = time.monotonic()
            viewer.wait_more(15)
            assert ages.within(right) >= 0.9
        figure(
            f"errors of up to {admitted_ms:.1f} ms admitted; a step of an hour was followed "
            f"after {max(followed_s):.2f} s"
        )
        # Pings go once a second; until the next one a picture from the future is called that.
        for took_s, waited_s in zip(followed_s, starved_s, strict=True):
            assert took_s - waited_s <= 1.2
        assert any("age clock?" in words for words in ages.words)
        finish(sender, viewer)
        assert viewer.subscriber.balance().lost == {}
        assert viewer.subscriber.reconnects == 0


def write_whole(path: Path, text: str) -> None:
    """Put `text` there so that nobody reads a part of it."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)
