"""Substreams behind relays: encoded once for all viewers of a site, and only while one watches."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq

from rankcast.errors import RequestRefusedError
from rankcast.net import ControlClient, control_endpoint
from rankcast.wire import (
    TOKEN_BYTES,
    Kind,
    Status,
    frames_topic,
    pack_status,
    status_topic,
    token_of,
    unpack,
    viewer_topic,
)
from rankcast_sender.sockets.rebinding import BINDS_AT_ONCE
from support.fakes import free_address
from support.faultproxy import FaultProxy
from support.faults import Faults
from support.processes import run
from support.relaying import relaying
from support.starvation import Starvation
from support.substream_station import Watcher, station, stream

Figure = Callable[[str], None]
WAIT_S = 20.0
NARROW_BYTES_S = 125_000
"""1 Mbit/s."""
ONE_GROUP = "[codec]\ngop = 100000\nkeyframe_interval_s = 0.0\n"
SUB = frames_topic("line3.sub")
TINY = "width=160&height=120&fps=20"


def ask(address: str, op: str, camera: str = "line3.sub", **args: Any) -> dict[str, Any]:
    """Return the result of a control request."""
    with ControlClient(control_endpoint(address)) as client:
        return dict(client.call(op, camera, args, timeout_s=WAIT_S).result)


def wait_status(address: str, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until the status of the substream is as it should be; return it."""
    until = time.monotonic() + WAIT_S
    while not reached(status := ask(address, "status")):
        assert time.monotonic() < until, status
        time.sleep(0.1)  # the sampling interval
    return status


def wait_told(address: str) -> None:
    """Wait until a relay has the substream, and says so."""
    until = time.monotonic() + WAIT_S
    while True:
        try:
            assert "sub" in ask(address, "status", "line3")["streams"]
            ask(address, "status")
        except (RequestRefusedError, AssertionError):
            assert time.monotonic() < until
            time.sleep(0.1)  # the sampling interval
        else:
            return


@contextmanager
def listening(address: str, *topics: bytes) -> Iterator[Any]:
    """A plain subscriber of these topics."""
    with zmq.Context() as context, context.socket(zmq.XSUB) as socket:
        socket.linger = 0
        socket.connect(address)
        for topic in topics:
            socket.send(b"\1" + topic)
        yield socket


def test_a_substream_is_encoded_and_passed_on_once_while_viewers_of_the_relay_watch_it(
    tmp_path: Path,
) -> None:
    with (
        station(tmp_path, stream("sub"), TINY) as sender,
        relaying(tmp_path, sender.address) as relay,
    ):
        with Watcher(relay.address, "main") as everything:
            everything.wait_more(20)
        wait_told(relay.address)
        # The relay reads its status, which is not watching.
        assert ask(sender.address, "status")["published"] == 0
        with Watcher(relay.address, "sub") as first, Watcher(relay.address, "sub") as second:
            first.wait_more(20)
            second.wait_more(20)
            assert wait_status(relay.address, lambda said: said["viewers"] == 2)
            assert ask(sender.address, "status")["viewers"] == 1
        left = wait_status(sender.address, lambda said: said["viewers"] == 0)
        with Watcher(relay.address, "main") as everything:
            everything.wait_more(20)
        assert ask(sender.address, "status")["published"] == left["published"]
        for viewer in (first, second):
            balance, _ = viewer.result
            assert balance.entered == balance.passed + sum(balance.lost.values())
            assert {name for _, name, _ in viewer.seen} == {"sub"}
        report = relay.stop()["cameras"]["line3"]["substreams"]["sub"]
        entry = sender.end()["substreams"]["sub"]
    assert report["forwarded"] + sum(report["lost"].values()) == report["published"]
    # Those that were under way when the last viewer had left are nobody's.
    assert entry["published"] - 3 <= report["published"] <= entry["published"]
    assert entry["lost"]["nobody_watching"] > 40


@pytest.mark.slow
def test_a_substream_comes_through_two_relays_and_each_receives_it_no_longer_than_watched(
    tmp_path: Path,
) -> None:
    with (
        station(tmp_path, stream("sub")) as sender,
        relaying(tmp_path, sender.address) as first,
        relaying(tmp_path, first.address) as second,
    ):
        wait_told(second.address)
        assert ask(second.address, "status", "line3")["streams"] == {
            "main": "320x240", "sub": "160x120",
        }  # fmt: skip
        received = run("receive", "--connect", second.address, "--stream", "sub", "--frames", "20",
                       "--timeout", "20")  # fmt: skip
        assert received.returncode == 0, received.stderr
        for address in (second.address, first.address, sender.address):
            wait_status(address, lambda said: said["viewers"] == 0)
        second.stop()
        first.stop()
        sender.end()


@pytest.mark.slow
def test_who_subscribes_to_everything_at_a_relay_gets_no_substream(tmp_path: Path) -> None:
    with (
        station(tmp_path, stream("sub")) as sender,
        relaying(tmp_path, sender.address) as relay,
    ):
        wait_told(relay.address)
        everything = (b"", b"l", b"line3/frames", viewer_topic(os.urandom(TOKEN_BYTES), None))
        with listening(relay.address, *everything) as socket:
            names = set()
            for _ in range(60):
                assert socket.poll(int(1000 * WAIT_S))
                names.add(socket.recv().partition(b"\0")[0])
        assert names <= {b"line3/frames", b"line3/status"} | {n for n in names if n[:1] == b"/"}
        assert b"line3/frames" in names
        assert ask(relay.address, "status")["viewers"] == 0
        relay.stop()
        assert sender.end()["substreams"]["sub"]["published"] == 0


@pytest.mark.slow
def test_a_viewer_joins_a_substream_that_is_watched_by_a_catch_up(tmp_path: Path) -> None:
    with (
        station(tmp_path, stream("sub"), TINY, ONE_GROUP) as sender,
        relaying(tmp_path, sender.address) as relay,
    ):
        wait_told(relay.address)
        with Watcher(relay.address, "sub") as first:
            first.wait_more(40)  # longer than a catch-up may be
            token = os.urandom(TOKEN_BYTES)
            with listening(relay.address, SUB, viewer_topic(token, "line3.sub")) as socket:
                found = None
                while found is None:
                    assert socket.poll(int(1000 * WAIT_S))
                    message = socket.recv()
                    found = token_of(memoryview(message))
                    if message.startswith(SUB):
                        assert unpack(message[len(SUB) :]).header.kind is not Kind.KEY
                assert bytes(found[1]).startswith(SUB)
            first.wait_more(1)
        report = relay.stop()["cameras"]["line3"]["substreams"]["sub"]
        sender.end()
    assert report["catch_ups"] >= 1
    assert report["keyframe_requests"] <= 1


@pytest.mark.slow
def test_requests_about_a_substream_reach_it_and_not_its_camera(tmp_path: Path) -> None:
    with (
        station(tmp_path, stream("sub"), TINY, ONE_GROUP) as sender,
        relaying(tmp_path, sender.address) as relay,
    ):
        wait_told(relay.address)
        assert ask(relay.address, "set", quality=33) == {"quality": 33}
        assert ask(relay.address, "get")["quality"] == 33
        assert ask(relay.address, "get", "line3")["quality"] != 33
        main = frames_topic("line3")
        with listening(relay.address, SUB, main) as socket:
            # Once those are through by which the viewers join, only what is asked for comes.
            kinds: dict[bytes, list[Kind]] = {SUB: [], main: []}
            asked_at: dict[bytes, int] = {}
            until = time.monotonic() + WAIT_S
            while not asked_at or Kind.KEY not in kinds[SUB][asked_at[SUB] :]:
                assert time.monotonic() < until, kinds
                assert socket.poll(int(1000 * WAIT_S))
                message = socket.recv()
                topic = SUB if message.startswith(SUB) else main
                kinds[topic].append(unpack(message[len(topic) :]).header.kind)
                quiet = all(len(k) > 80 and Kind.KEY not in k[-60:] for k in kinds.values())
                if not asked_at and quiet:
                    asked_at = {topic: len(found) for topic, found in kinds.items()}
                    assert ask(relay.address, "keyframe")["coming"]
        assert Kind.KEY not in kinds[main][asked_at[main] :]
        relay.stop()
        sender.end()


@pytest.mark.slow
def test_a_rank_on_the_way_holds_for_substreams(tmp_path: Path) -> None:
    with (
        station(tmp_path, stream("sub"), codec='[codec]\nname = "svd"\nrank = 72\n') as sender,
        relaying(tmp_path, sender.address, options=("--rank", "20")) as relay,
        Watcher(relay.address, "sub") as viewer,
    ):
        viewer.wait_more(5)
        assert viewer.coding is not None
        assert set(viewer.coding.rank) == {18}
        relay.stop()
        sender.end()


@pytest.mark.slow
def test_with_every_frame_kept_a_relay_passes_main_streams_alone_and_says_so(
    tmp_path: Path,
) -> None:
    with (
        station(tmp_path, stream("sub"), TINY) as sender,
        relaying(tmp_path, sender.address, options=("--no-realtime",)) as relay,
    ):
        relay.process.wait_line("line3: its substreams are not relayed: with --no-realtime")
        received = run("receive", "--connect", relay.address, "--stream", "sub", "--timeout", "5")
        assert received.returncode == 4
        assert "the sender has no stream sub of this camera; it has main" in received.stderr
        relay.stop()
        sender.end()


@pytest.mark.slow
def test_a_sender_that_invents_substreams_costs_the_viewers_of_others_a_few_reconnections(
    tmp_path: Path,
) -> None:
    evil, stop, stream_id = free_address(), threading.Event(), os.urandom(8)

    def invent() -> None:
        with zmq.Context() as context, context.socket(zmq.XPUB) as hostile:
            hostile.linger = 0
            hostile.bind(evil)
            number = 0
            while not stop.wait(0.3):
                number += 1
                status = Status(streams={"main": "", f"s{number}": ""})
                packet = pack_status(Kind.STATUS, stream_id, status, 1, 2)
                hostile.send(status_topic("evil") + packet)
                other = pack_status(Kind.STATUS, os.urandom(8), status, 1, 2)
                hostile.send(status_topic(f"evil.s{number - 1}") + other)

    thread = threading.Thread(target=invent, name="hostile")
    thread.start()
    try:
        with (
            station(tmp_path, stream("sub")) as sender,
            relaying(tmp_path, sender.address, evil) as relay,
            Watcher(relay.address, "sub", camera="line3-1", stay=True) as viewer,
        ):
            relay.process.wait_line("is not relayed: the limit is 16 names of substreams of one")
            viewer.wait_more(60)
            assert sum("the limit is 16" in line for line in relay.process.lines) == 1
            report = relay.stop()
            sender.end()
    finally:
        stop.set()
        thread.join()
    assert viewer.reconnects <= BINDS_AT_ONCE
    assert len(report["cameras"]["evil-2"]["substreams"]) <= 16


@pytest.mark.slow
def test_viewers_of_a_substream_outlive_sender_and_relay(tmp_path: Path) -> None:
    with ExitStack() as stack:
        sender = stack.enter_context(station(tmp_path, stream("sub")))
        relay = stack.enter_context(relaying(tmp_path, sender.address))
        viewer = stack.enter_context(Watcher(relay.address, "sub", stay=True))
        viewer.wait_more(10)
        sender.process.process.kill()
        sender.process.process.wait()
        again = stack.enter_context(station(tmp_path, stream("sub"), address=sender.address))
        viewer.wait_more(10)
        relay.process.process.kill()
        relay.process.process.wait()
        second = stack.enter_context(relaying(tmp_path, sender.address, address=relay.address))
        viewer.wait_more(20)
        # A sender that has the substream no longer: its viewers are told.
        again.end()
        stack.enter_context(station(tmp_path, "", address=sender.address))
        viewer.close()
        balance, _ = viewer.result
        assert balance.under_way == 0
        received = run("receive", "--connect", relay.address, "--stream", "sub", "--timeout", "6")
        assert received.returncode == 4, received.stderr
        second.stop()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_auto_behind_a_relay_takes_what_a_narrow_link_carries_and_returns(
    tmp_path: Path, figure: Figure
) -> None:
    """2 Mbit/s of 640 x 360 at 15 fps do not fit into 1 Mbit/s; 0.4 Mbit/s of half the size do."""
    streams = stream("sub", 'scale = "1/2"\nbitrate = "400 kbit/s"')
    source, codec = "width=640&height=360&fps=15", '[codec]\nbitrate = "2 Mbit/s"\n'
    with (
        station(tmp_path, streams, source, codec) as sender,
        relaying(tmp_path, sender.address) as relay,
        FaultProxy(relay.address, Faults(bytes_per_s=NARROW_BYTES_S), buffer_bytes=8192) as proxy,
    ):
        wait_told(relay.address)
        with Watcher(proxy.address) as viewer:
            down_s = viewer.wait(lambda: viewer.shows("sub"), 30.0)
            time.sleep(10.0)  # the queue on the way empties
            starved, since = Starvation(os.getpid(), sender.process.process.pid), time.monotonic()
            before = ask(relay.address, "status")["published"]
            time.sleep(6.0)  # the run
            sent = ask(relay.address, "status")["published"] - before
            starved_ms = 1000 * starved.seconds()
            ages = sorted(age for at, name, age in viewer.seen if at > since and name == "sub")
            proxy.set(Faults())
            up_s = viewer.wait(lambda: viewer.shows("main"), 150)  # a trial each 120 s at least
        balance, choice = viewer.result
        p99_ms = ages[int(0.99 * len(ages))]
        figure(f"sub after {down_s:.1f} s, then p99 of the age {p99_ms:.0f} ms, main {up_s:.1f} s "
               f"after the link widened; {starved_ms:.0f} ms without a processor")  # fmt: skip
        assert len(ages) > 0.6 * sent > 10
        assert p99_ms < 500 + starved_ms
        assert balance.under_way == 0
        assert choice.changes >= 2
        wait_status(sender.address, lambda said: said["viewers"] == 0)
        relay.stop()
        sender.end()
