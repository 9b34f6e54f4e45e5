"""Metrics and health of real processes: a stuck thread, a port that is taken, the end."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from support.fakes import free_address
from support.processes import Rankcast, rankcast, run
from support.sabotage import sabotaged

SMALL = "synthetic:conveyor?width=160&height=120&fps=30"
HANG = """
import threading

def hang_in_the_middle(*arguments, **options):
    hang_in_the_middle.calls += 1
    if hang_in_the_middle.calls >= 40:
        threading.Event().wait()
    return original(*arguments, **options)

hang_in_the_middle.calls = 0
return hang_in_the_middle
"""


def url_of(process: Rankcast) -> str:
    return process.wait_line("metrics address: ").rpartition(" ")[2]


@pytest.mark.slow
def test_a_sender_whose_grab_thread_hangs_is_named_as_stuck_and_still_scraped(
    tmp_path: Path,
) -> None:
    render = "rankcast_sender.sources.synthetic:ConveyorSource.render"
    hanging = sabotaged(tmp_path / "hang", render, HANG)
    with rankcast("send", "--source", SMALL, "--bind", free_address(), "--metrics",
                  "127.0.0.1:0", **hanging) as sender:  # fmt: skip
        url = url_of(sender)
        assert httpx.get(f"{url}healthz").status_code == 200
        ends_s = time.monotonic() + 40
        while (answer := httpx.get(f"{url}healthz", timeout=10)).status_code == 200:
            assert time.monotonic() < ends_s, "it was never found"
        assert answer.status_code == 503
        assert list(answer.json()["threads"]) == ["grab of cam"]
        assert httpx.get(f"{url}readyz").status_code == 503
        assert 'rankcast_sender_camera_state{camera="cam",state="stalled"} 1' in (
            httpx.get(f"{url}metrics").text
        )


@pytest.mark.parametrize("command", ["send", pytest.param("receive", marks=pytest.mark.slow)])
def test_a_port_that_is_taken_is_one_line_before_anything_starts(command: str) -> None:
    options = {
        "send": ["--source", SMALL, "--bind", free_address()],
        "receive": ["--connect", free_address()],
    }
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run(command, *options[command], "--metrics", address)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"rankcast: the metrics address {address} cannot be taken: Address already in use; give "
        "another port, or 0 for any free one"
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["send", "receive"])
def test_a_signal_ends_it_within_2_seconds_whoever_is_connected(command: str) -> None:
    options = {
        "send": ["--source", SMALL, "--bind", free_address()],
        "receive": ["--connect", free_address()],
    }
    with rankcast(command, *options[command], "--metrics", "127.0.0.1:0") as process:
        url = httpx.URL(url_of(process))
        with (
            socket.create_connection((url.host, url.port or 0)) as silent,
            httpx.Client() as client,
        ):
            assert client.get(url.join("/healthz")).status_code == 200
            silent.sendall(b"GET /metrics HTTP/1.1\r\nHost: ")
            assert process.stop(signal.SIGTERM) == 0
    assert not any("ERROR" in line or "Traceback" in line for line in process.lines)


@pytest.mark.slow
def test_a_receiver_is_ready_only_while_its_camera_is_live() -> None:
    address = free_address()
    with rankcast("receive", "--connect", address, "--stay", "--metrics", "127.0.0.1:0") as viewer:
        url = url_of(viewer)
        assert httpx.get(f"{url}readyz").status_code == 503
        assert httpx.get(f"{url}healthz").status_code == 200
        with rankcast("send", "--source", SMALL, "--bind", address):
            viewer.wait_line("cam: live")
            assert httpx.get(f"{url}readyz").json() == {
                "status": "ready", "cameras": {"cam": "live"},
            }  # fmt: skip
        viewer.wait_match("cam: (sender|network) dead")
        assert httpx.get(f"{url}readyz").status_code == 503


@pytest.mark.slow
def test_a_web_address_serves_metrics_and_health_too() -> None:
    with rankcast("receive", "--connect", free_address(), "--web", "127.0.0.1:0",
                  "--metrics", "127.0.0.1:0") as viewer:  # fmt: skip
        web = viewer.wait_match("web address: ").rpartition(" ")[2]
        own = url_of(viewer)
        for url in (web, own):
            assert "rankcast_info" in httpx.get(f"{url}metrics").text
            assert httpx.get(f"{url}healthz").json() == {"status": "ok"}
            assert httpx.get(f"{url}readyz").status_code == 503
        assert viewer.stop(signal.SIGTERM) == 0
