"""Substreams between real processes: what is encoded, for whom, and what a narrow link carries."""

from __future__ import annotations

import json
import os
import signal
import statistics
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rankcast import pool
from rankcast.encoder import Encoder
from rankcast.frame import Frame
from rankcast.images import read_image
from rankcast_sender.sources.synthetic import ConveyorOptions, ConveyorSource
from rankcast_sender.substreams import Reduction
from support.fakes import free_address
from support.faultproxy import FaultProxy
from support.faults import Faults
from support.later import later
from support.processes import rankcast, read_report, run
from support.starvation import Starvation
from support.substream_station import Watcher, station, stream

Figure = Callable[[str], None]
SOON_S = 20.0
NARROW_BYTES_S = 125_000
"""1 Mbit/s."""
SETTLING_S = 10.0
TINY = "width=160&height=120&fps=20"


def test_a_substream_is_received_and_nothing_else_is_encoded(tmp_path: Path) -> None:
    streams = stream("sub") + stream("slow", 'scale = "1/4"\nfps = 5.0')
    with station(tmp_path, streams, TINY) as sender:
        for name, shape in (("sub", (60, 80)), ("slow", (30, 40))):
            file = tmp_path / f"{name}.json"
            folder = tmp_path / name
            received = run("receive", "--connect", sender.address, "--stream", name, "--frames",
                           "12", "--save", str(folder), "--report", str(file),
                           "--timeout", "20")  # fmt: skip
            assert received.returncode == 0, received.stderr
            report = read_report(file)
            assert report["balanced"]
            assert report["cameras"]["line3"]["stream"] == name
            assert report["cameras"]["line3"]["stream_changes"] == 0
            saved = sorted(folder.glob("*.png"))
            assert len(saved) == 12
            assert read_image(saved[0]).shape[:2] == shape
            assert saved[0].name.startswith("line3_")
        entry = sender.end()
    assert entry["published"] == 0
    assert entry["substreams"]["sub"]["published"] >= 12
    slow = entry["substreams"]["slow"]
    assert slow["grabbed"] == pytest.approx(entry["grabbed"] / 4, rel=0.2, abs=3)
    assert set(slow["lost"]) <= {"nobody_watching", "mailbox"}


@pytest.mark.slow
def test_who_subscribes_to_everything_gets_no_substream(tmp_path: Path) -> None:
    with station(tmp_path, stream("sub"), TINY) as sender:
        assert (
            run(
                "receive", "--connect", sender.address, "--frames", "10", "--timeout", "20"
            ).returncode
            == 0
        )
        entry = sender.end()
    assert entry["published"] >= 10
    sub = entry["substreams"]["sub"]
    assert sub["published"] == 0
    assert sub["grabbed"] == sub["lost"]["nobody_watching"] == entry["grabbed"]


@pytest.mark.slow
def test_a_part_outside_the_picture_fails_in_one_line_and_the_camera_goes_on(
    tmp_path: Path,
) -> None:
    streams = stream("bad", "roi = [300, 0, 100, 80]") + stream("sub")
    with station(tmp_path, streams) as sender:
        line = sender.process.wait_line("line3.bad: the stream has failed")
        assert "outside the picture of 320 x 240" in line
        received = run("receive", "--connect", sender.address, "--stream", "sub", "--frames", "5",
                       "--timeout", "20")  # fmt: skip
        assert received.returncode == 0, received.stderr
        entry = sender.end()
    assert entry["error"] is None
    assert entry["substreams"]["bad"]["state"] == "failed"


@pytest.mark.slow
def test_a_stream_that_the_sender_lacks_is_told_with_those_it_has(tmp_path: Path) -> None:
    with (
        station(tmp_path, stream("sub")) as sender,
        rankcast("receive", "--connect", sender.address, "--stream", "foo", "--timeout",
                 "6") as viewer,
    ):  # fmt: skip
        viewer.wait_line("the sender has no stream foo of this camera; it has main, sub")
        assert viewer.wait() == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("send", "--source", "replay:old.mcap", "--set", 'camera.stream=[{name="sub"}]'),
         "with a recording as the source"),
        later(("send", "--no-realtime", "--set", 'camera.stream=[{name="sub"}]'),
              "needs realtime = true"),
        (("receive", "--stream", "auto", "--save", "x"), "with every frame kept"),
        later(("receive", "--stream", "auto", "--display", "--record", "x.mcap"),
              "a recording holds one stream"),
        later(("receive", "--stream", "a/b"), "stream name 'a/b'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(arguments: tuple[str, ...], message: str) -> None:
    with rankcast(*arguments, "--check") as process:
        assert process.wait() == 2
        process.wait_line(message)
        assert len(process.lines) == 1


@pytest.mark.slow
def test_pages_show_the_substream(tmp_path: Path) -> None:
    web = free_address().removeprefix("tcp://")
    with (
        station(tmp_path, stream("sub")) as sender,
        rankcast("receive", "--connect", sender.address, "--stream", "sub", "--web", web) as viewer,
    ):
        viewer.wait_line("line3: live")
        until = time.monotonic() + SOON_S
        shown: dict[str, Any] | None = None
        while not shown and time.monotonic() < until:
            with urllib.request.urlopen(f"http://{web}/api/cameras", timeout=5) as reply:
                shown = json.load(reply)["cameras"][0]["stream"]
            time.sleep(0.1)  # the sampling interval
        assert shown is not None
        assert (shown["name"], shown["shape"][:2]) == ("sub", [120, 160])
        with urllib.request.urlopen(f"http://{web}/api/cameras/line3/snapshot", timeout=5) as reply:
            assert reply.read(4) == b"\x89PNG"
        assert viewer.stop(signal.SIGTERM, within_s=5.0) == 0


@pytest.mark.slow
def test_a_half_size_substream_costs_a_third_of_its_camera(figure: Figure) -> None:
    """`make bench-substream` measures it for longer."""
    pool.set_threads(1)
    source = ConveyorSource("conveyor", ConveyorOptions(width=1280, height=720))
    shares = []
    for run_number in range(5):
        spent_s = {1: 0.0, 2: 0.0}
        encoders = {1: Encoder(), 2: Encoder(effort="fast")}
        for number in range(10):
            frame = Frame(source.render(10 * run_number + number), frame=number)
            for divisor, encoder in encoders.items():
                began_s = time.process_time()
                encoder.encode(Reduction(divisor).apply(frame))
                spent_s[divisor] += time.process_time() - began_s
        shares.append(spent_s[2] / spent_s[1])
    figure(f"a half-size substream costs {statistics.median(shares):.2f} of its camera")
    assert statistics.median(shares) < 0.35


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_auto_takes_what_a_narrow_link_carries_and_returns_when_it_widens(
    tmp_path: Path, figure: Figure
) -> None:
    """2 Mbit/s of 640 x 360 at 15 fps do not fit into 1 Mbit/s; 0.4 Mbit/s of half the size do."""
    streams = stream("sub", 'scale = "1/2"\nbitrate = "400 kbit/s"')
    source, codec = "width=640&height=360&fps=15", '[codec]\nbitrate = "2 Mbit/s"\n'
    with (
        station(tmp_path, streams, source, codec) as sender,
        FaultProxy(sender.address, Faults(bytes_per_s=NARROW_BYTES_S), buffer_bytes=8192) as proxy,
    ):
        viewer = Watcher(proxy.address)
        try:
            down_s = viewer.wait(lambda: viewer.shows("sub"), SOON_S)
            time.sleep(SETTLING_S)  # the queue on the way empties
            starved, since = Starvation(os.getpid(), sender.process.process.pid), time.monotonic()
            time.sleep(6.0)  # the run
            starved_ms = 1000 * starved.seconds()
            ages = sorted(age for at, name, age in viewer.seen if at > since and name == "sub")
            proxy.set(Faults())
            up_s = viewer.wait(lambda: viewer.shows("main"), 120)
        finally:
            viewer.close()
        balance, choice = viewer.result
        p99_ms = ages[int(0.99 * len(ages))]
        figure(
            f"sub after {down_s:.1f} s, then p99 of the age {p99_ms:.0f} ms, main {up_s:.1f} s "
            f"after the link widened; {starved_ms:.0f} ms without a processor"
        )
        assert len(ages) > 60
        assert p99_ms < 500 + starved_ms
        assert balance.under_way == 0
        assert balance.passed == len(viewer.seen)
        assert choice.changes >= 2
        sender.end()
