"""Substreams through a real NATS server: what is encoded, for whom, and who may have them."""

from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rankcast.errors import NoStreamError
from rankcast.images import read_image
from rankcast.nats import NatsOptions
from rankcast.runtime import NETWORK_GAP
from rankcast_receiver import Subscriber
from support.faultproxy import FaultProxy
from support.faults import Faults
from support.nats_server import BareClient, NatsServer, nats_server
from support.processes import Rankcast, rankcast, read_report, run

STREAMS = (
    '[[camera.stream]]\nname = "sub"\nscale = "1/2"\n'
    '[[camera.stream]]\nname = "slow"\nscale = "1/4"\nfps = 5.0\n'
)
WAIT_S = 30.0
TINY = "width=160&height=120&fps=20"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_server(tmp_path, f'jetstream {{ store_dir: "{tmp_path}/store" }}') as running:
        yield running


@contextmanager
def station(
    address: str,
    folder: Path,
    more: str = "",
    *,
    source: str = "width=320&height=240&fps=20",
    streams: str = STREAMS,
) -> Iterator[Rankcast]:
    settings = folder / "sender.toml"
    settings.write_text(
        f'[camera]\nname = "line3"\nsource = "synthetic:conveyor?{source}"\n'
        f'{streams}[network]\nbind = "{address}"\n[nats]\nsite = "berlin"\n{more}'
    )
    report = str(folder / "sent.json")
    with rankcast("send", "--config", str(settings), "--report", report) as process:
        process.wait_line("connected to the NATS server")
        yield process


def sent(process: Rankcast, folder: Path) -> dict[str, Any]:
    """End the sender and return the published frames of each stream."""
    assert process.stop(signal.SIGTERM, within_s=10.0) == 0
    report = read_report(folder / "sent.json")
    assert report["balanced"], report
    entry = report["cameras"]["line3"]
    published = {name: each["published"] for name, each in entry["substreams"].items()}
    return {"main": entry["published"], **published}


def test_a_substream_is_received_and_nothing_else_is_encoded(
    server: NatsServer, tmp_path: Path
) -> None:
    with station(server.address, tmp_path, source=TINY) as sender:
        file = tmp_path / "sub.json"
        received = run(
            "receive", "--connect", server.address, "--stream", "sub", "--frames", "12",
            "--save", str(tmp_path / "sub"), "--report", str(file), "--timeout", "20",
        )  # fmt: skip
        assert received.returncode == 0, received.stderr
        published = sent(sender, tmp_path)
    report = read_report(file)
    assert report["balanced"]
    assert report["foreign_messages"] == 0
    entry = report["cameras"]["berlin.line3"]
    assert (entry["stream"], entry["stream_changes"], entry["lost"]) == ("sub", 0, {})
    assert read_image(next((tmp_path / "sub").glob("berlin.line3_*.png"))).shape[:2] == (60, 80)
    # The viewer that has left says so: no four seconds of frames for nobody.
    assert 12 <= published["sub"] < 60
    assert (published["main"], published["slow"]) == (0, 0)


@pytest.mark.slow
def test_whoever_takes_everything_gets_no_substream_and_the_server_keeps_none(
    server: NatsServer, tmp_path: Path
) -> None:
    with station(server.address, tmp_path, "keep_age_s = 60.0", source=TINY) as sender:
        sender.wait_line("the server keeps 60 s of it")
        received = run(
            "receive", "--connect", server.address, "--frames", "10", "--timeout", "20"
        )  # fmt: skip
        assert received.returncode == 0, received.stderr
        kept = stream_subjects(server)
        published = sent(sender, tmp_path)
    assert published["main"] >= 10
    assert (published["sub"], published["slow"]) == (0, 0)
    assert kept == {"rankcast.berlin.line3.frames", "rankcast.berlin.line3.status"}
    assert not [line for line in sender.lines if "did not keep" in line]


def stream_subjects(server: NatsServer) -> set[str]:
    with BareClient(server.port) as client:
        client.subscribe("answer")
        asked = json.dumps({"subjects_filter": ">"}).encode()
        client.publish("$JS.API.STREAM.INFO.rankcast=berlin=line3", asked, "answer")
        return set(json.loads(client.message()[1])["state"]["subjects"])


@pytest.mark.slow
def test_a_substream_that_is_watched_is_changed_by_its_own_name_and_left_alone_without_viewers(
    server: NatsServer, tmp_path: Path
) -> None:
    def control(*words: str) -> str:
        ended = run("control", server.address, *words)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    with station(server.address, tmp_path) as sender:
        with Subscriber(server.address, stream="sub", timeout_s=WAIT_S) as viewer:
            frames = iter(viewer)
            first = next(frames)
            assert (first.camera, first.stream) == ("berlin.line3", "sub")
            control("set", "quality=31", "--camera", "berlin.line3.sub")
            assert "quality = 31" in control("get", "--camera", "berlin.line3.sub")
            assert "quality = 31" not in control("get", "--camera", "berlin.line3")
            # More than a second: a status has come as well. Its viewer is one of that stream alone.
            assert len(list(itertools.islice(frames, 30))) == 30
            status = viewer.streams["berlin.line3"].status
            assert status is not None
            assert status.viewers == 1
            assert NETWORK_GAP not in viewer.balance().lost
        published = sent(sender, tmp_path)
    assert published["main"] == 0
    assert published["slow"] == 0


@pytest.mark.slow
def test_a_stream_that_the_sender_lacks_is_told_with_those_it_has(
    server: NatsServer, tmp_path: Path
) -> None:
    with (
        station(server.address, tmp_path),
        rankcast("receive", "--connect", server.address, "--stream", "foo", "--timeout",
                 "6") as viewer,
    ):  # fmt: skip
        viewer.wait_line("the sender has no stream foo of this camera; it has main, sub, slow")
        assert viewer.wait() == 4


@pytest.mark.slow
def test_a_viewer_comes_back_to_its_substream_after_the_server_was_restarted(
    server: NatsServer, tmp_path: Path
) -> None:
    with (
        station(server.address, tmp_path) as sender,
        Subscriber(server.address, stream="sub", timeout_s=WAIT_S) as viewer,
    ):
        frames = iter(viewer)
        before = next(frames)
        server.kill()
        server.start()
        after = next(frame for frame in frames if frame.sequence > before.sequence + 40)
        assert (after.stream, after.stream_id) == ("sub", before.stream_id)
        published = sent(sender, tmp_path)
    assert viewer.foreign_messages == 0
    assert published["main"] == 0


PERMISSIONS = """
authorization {
  users: [
    {user: camera, password: "s3cret1"}
    {user: small, password: "s3cret2", permissions: {
      publish: ["rankcast.*.*.control"]
      subscribe: ["rankcast.*.*.frames.*", "rankcast.*.*.status", "rankcast.*.*.status.*",
                  "_INBOX.>"]
    }}
    {user: large, password: "s3cret3", permissions: {
      publish: ["rankcast.*.*.control"]
      subscribe: ["rankcast.*.*.frames", "rankcast.*.*.status", "_INBOX.>"]
    }}
  ]
}
"""


@pytest.mark.slow
def test_permissions_by_subject_say_who_may_have_which_stream(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def options(user: str, number: int) -> NatsOptions:
        file = tmp_path / f"{user}.password"
        file.write_text(f"s3cret{number}")
        return NatsOptions(user=user, password_file=file)

    def takes(user: str, number: int, stream: str) -> bool:
        with Subscriber(
            running.address, stream=stream, timeout_s=5.0, nats=options(user, number)
        ) as viewer:
            try:
                return next(iter(viewer)).stream == stream
            except NoStreamError:
                return False

    options("camera", 1)
    access = f'user = "camera"\npassword_file = "{tmp_path}/camera.password"\n'
    with (
        nats_server(tmp_path, PERMISSIONS) as running,
        station(running.address, tmp_path, access, source=TINY),
    ):
        assert takes("small", 2, "sub")
        assert not takes("small", 2, "main")
        assert takes("large", 3, "main")
        assert not takes("large", 3, "sub")
    for subject in ("rankcast.berlin.line3.frames", "rankcast.berlin.line3.frames.sub"):
        assert f"does not let this user subscribe to {subject}" in caplog.text


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_auto_takes_what_a_narrow_link_carries_and_returns_when_it_widens(
    server: NatsServer, tmp_path: Path
) -> None:
    """2 Mbit/s of 640 x 360 at 15 fps do not fit into 1 Mbit/s; 0.4 Mbit/s of half the size do."""
    narrow = Faults(bytes_per_s=125_000)
    with (
        station(
            server.address, tmp_path, '[codec]\nbitrate = "2 Mbit/s"\n',
            source="width=640&height=360&fps=15",
            streams='[[camera.stream]]\nname = "sub"\nscale = "1/2"\nbitrate = "400 kbit/s"\n',
        ),
        FaultProxy(server.address.removeprefix("nats://"), narrow, buffer_bytes=8192) as proxy,
        Subscriber(
            proxy.address.replace("tcp://", "nats://"), stream="auto", timeout_s=60.0
        ) as viewer,
    ):  # fmt: skip
        frames = iter(viewer)
        assert next(frames).stream == "main"
        first = next(frame for frame in frames if frame.stream == "sub")
        # The first key frame of a stream may come late; a second later nothing waits any more.
        late = [frame for frame in itertools.islice(frames, 120) if frame.stream != "sub"]
        assert not late
        proxy.set(Faults())
        assert next(frame for frame in frames if frame.stream == "main").camera == first.camera
        assert viewer.choices["berlin.line3"].changes == 2
        assert NETWORK_GAP not in viewer.balance().lost
        assert viewer.reconnects == 0
