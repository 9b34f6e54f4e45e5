"""What a receiver says when frames stop, and how it comes back; several senders and cameras."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rankcast_receiver.state import State
from support.fakes import free_address
from support.faultproxy import FaultProxy
from support.faults import Faults
from support.processes import rankcast, read_report, run
from support.viewers import check_received, check_saved, joined, sending

Figure = Callable[[str], None]
SOURCE = "synthetic:conveyor?width=320&height=240&fps=30"


def test_a_killed_sender_is_told_within_1_5_s_and_back_within_3(
    tmp_path: Path, figure: Figure
) -> None:
    address, report = free_address(), tmp_path / "r.json"
    with rankcast("receive", "--connect", address, "--stay", "--report", str(report)) as receiver:
        with sending(tmp_path, address=address) as first:
            receiver.wait_line("cam: live")
            receiver.wait_line("received")
            first.process.signal(signal.SIGKILL)
            killed = time.monotonic()
            first.process.wait()
            line = receiver.wait_line("cam: sender dead")
            stale_s = time.monotonic() - killed
        before = len(receiver.lines)
        with sending(tmp_path, address=address) as second:
            second.wait_listening()
            listening = time.monotonic()
            receiver.wait_new_line("cam: live", before)
            live_s = time.monotonic() - listening
            second.stop()
        receiver.signal(signal.SIGTERM)
        assert receiver.wait(5) == 0
    figure(f"stale {stale_s:.2f} s after SIGKILL, live {live_s:.2f} s after the new one listens")
    assert "the sender is gone" in line
    assert stale_s <= 1.5
    assert live_s <= 3.0
    values = check_received(report)
    assert len(values["streams"]) == 2
    assert values["state"] == "ended"


@pytest.mark.slow
def test_a_stopped_sender_is_a_dead_network_and_told_in_the_final_line(tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    with sending(tmp_path) as sender:
        with rankcast("receive", "--connect", sender.address, "--timeout", "4",
                      "--report", str(report)) as receiver:  # fmt: skip
            receiver.wait_frames()
            sender.process.signal(signal.SIGSTOP)
            receiver.wait_line("network dead")
            assert receiver.wait(20) == 4
        sender.process.signal(signal.SIGCONT)
    assert "no frame within 4 s" in receiver.lines[-1]
    assert read_report(report)["state"] == "network_dead"
    assert any("end:" in line and "network dead" in line for line in receiver.lines)


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Not on the terminal of the tests."""


@contextmanager
def http_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Quiet) as server:
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
def test_a_web_server_on_the_port_is_named_as_another_service(tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    with http_server() as address:
        done = run("receive", "--connect", address, "--timeout", "3", "--report", str(report))
    assert done.returncode == 4
    assert "another service on that port" in done.stderr.splitlines()[-1]
    assert read_report(report)["state"] == "protocol_refused"


@pytest.mark.slow
def test_nobody_at_the_port_is_a_dead_sender_and_an_unknown_host_a_dead_network(
    tmp_path: Path,
) -> None:
    for address, state, word in (
        (free_address(), "sender_dead", "refused"),
        (
            "tcp://no-such-host.invalid:5555",
            "network_dead",
            "the name no-such-host.invalid does not resolve",
        ),
    ):
        report, started = tmp_path / "r.json", time.monotonic()
        done = run("receive", "--connect", address, "--timeout", "1", "--report", str(report))
        assert time.monotonic() - started < 10
        assert done.returncode == 4
        assert "no frame within 1 s" in done.stderr
        assert "Traceback" not in done.stderr
        assert "nothing answered" in done.stderr.splitlines()[-1]
        assert word in done.stderr.splitlines()[-1]
        values = read_report(report)
        assert values["state"] == state
        assert (values["delivered"], values["published"]) == (0, None)


@pytest.mark.slow
def test_a_wrong_camera_name_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    with sending(tmp_path, "--name", "left") as sender:
        sender.wait_listening()
        done = run("receive", "--connect", sender.address, "--camera", "lfet", "--timeout", "3",
                   "--report", str(report))  # fmt: skip
        sender.stop()
    assert done.returncode == 4
    assert "the sender has no camera lfet; it has left" in done.stderr.splitlines()[-1]
    assert read_report(report)["state"] == "no_such_camera"
    assert sender.report()["published"] == 0, "asking must not make the sender encode"


@pytest.mark.slow
def test_two_senders_with_one_camera_name_are_saved_apart(tmp_path: Path) -> None:
    addresses = [free_address(), free_address()]
    out, report = tmp_path / "out", tmp_path / "r.json"
    arguments = ("--no-realtime", "--frames", "12", "--wait-viewers", "1", "--codec", "raw")
    with (
        rankcast("receive", "--connect", addresses[0], "--connect", addresses[1], "--save",
                 str(out), "--timeout", "30", "--report", str(report)) as receiver,
        sending(tmp_path, *arguments, address=addresses[0]) as first,
        sending(tmp_path, *arguments, address=addresses[1]) as second,
    ):  # fmt: skip
        assert first.process.wait() == 0
        assert second.process.wait() == 0
        assert receiver.wait() == 0, receiver.lines
    values = check_received(report)
    assert values["delivered"] == values["published"] == 24
    assert {name: c["sender"] for name, c in values["cameras"].items()} == {
        "cam-1": addresses[0],
        "cam-2": addresses[1],
    }
    for name in values["cameras"]:
        alone = tmp_path / name
        alone.mkdir()
        for path in out.glob(f"{name}_*"):
            path.rename(alone / path.name)
        assert check_saved(alone) == list(range(12))
    assert list(out.iterdir()) == []


@pytest.mark.slow
def test_two_cameras_of_one_sender_are_taken_and_the_third_is_left(tmp_path: Path) -> None:
    config = tmp_path / "sender.toml"
    config.write_text(
        "\n".join(
            f'[[camera]]\nname = "{name}"\nsource = "{SOURCE}"\nframes = 10\nrealtime = false\n'
            for name in ("left", "middle", "right")
        )
        + "[network]\nwait_viewers = 1\n"
    )
    address, report = free_address(), tmp_path / "r.json"
    with (
        rankcast("receive", "--connect", address, "--camera", "left,right", "--set",
                 "stream.mode=keep", "--timeout", "30", "--report", str(report)) as receiver,
        rankcast("send", "--config", str(config), "--bind", address) as sender,
    ):  # fmt: skip
        assert receiver.wait() == 0, receiver.lines
        # Nobody watches the one in the middle: it waits for a viewer that never comes.
        sender.signal(signal.SIGTERM)
        assert sender.wait(10) == 0, sender.lines
    values = check_received(report)
    received = {name: camera["received"] for name, camera in values["cameras"].items()}
    assert received == {"left": 10, "right": 10}
    assert len(values["streams"]) == 2


@pytest.mark.slow
def test_where_every_frame_comes_late_all_are_shown_and_none_is_called_live(
    tmp_path: Path, figure: Figure
) -> None:
    with (
        sending(tmp_path, "--codec", "jpeg") as sender,
        FaultProxy(sender.address) as proxy,
        joined(proxy.address) as viewer,
    ):
        viewer.wait_more(15)
        proxy.set(Faults(latency_s=1.5))  # a handshake would take too long with it
        viewer.wait_for(lambda seen: seen[-1].age_ms > 1000)
        late = viewer.wait_more(30)
        told = viewer.subscriber.states[0]
        proxy.set(Faults())
        live_s = viewer.wait_state(State.LIVE, late[0].at)
        figure(f"late frames are {late[-1].age_ms:.0f} ms old: {told}")
        assert min(seen.age_ms for seen in late) > 1000
        assert told.state is State.STALE
        assert "after capture" in told.detail
        assert live_s > late[-1].at, "none of them was called live"
        sender.stop()
        viewer.finish()


def test_after_a_loss_a_key_frame_is_asked_for_and_the_stream_goes_on(
    tmp_path: Path, figure: Figure
) -> None:
    """No key frame comes by itself here: without the request the picture would stay."""
    report = tmp_path / "r.json"
    narrow = ("--set", "network.buffer_bytes=4096", "--set", "network.queue_messages=1")
    never = ("--set", "codec.gop=1000000", "--set", "codec.keyframe_interval_s=0")
    with sending(tmp_path, "--verbose", *narrow, *never, source=f"{SOURCE}&noise=2") as sender:
        with rankcast("receive", "--connect", sender.address, "--set", "stream.mode=keep", *narrow,
                      "--verbose", "--report", str(report)) as receiver:  # fmt: skip
            receiver.wait_line("received")
            receiver.signal(signal.SIGSTOP)
            sender.process.wait_lines("published", 4)
            receiver.signal(signal.SIGCONT)
            receiver.wait_line("waiting_for_keyframe")
            receiver.wait_lines("received", 2)
            receiver.signal(signal.SIGTERM)
            assert receiver.wait(5) == 0
        sender.stop()
    values = check_received(report)
    figure(f"{values['keyframe_requests']} requests, lost {json.dumps(values['lost'])}")
    assert values["lost"]["network_gap"] > 0
    assert values["keyframe_requests"] >= 1
    assert values["state"] == "live"
    assert values["lost"]["waiting_for_keyframe"] < 30, "a second's worth is a slow answer"
    assert values["latency_error_ms"] == 0.0
    assert values["clock"] == "same machine"
