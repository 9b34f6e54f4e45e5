"""Strangers at the port: another service in the sender's place, half-open connections.

The numbers in the names are rows of the fault matrix. In every row the ledgers of both ends
balance, and the number burnt into the pixels of each decoded frame is that of its header.
"""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from rankcast_receiver.state import State
from support.fakes import free_address
from support.viewers import Seen, Sender, Viewer, finish, joined, port_of, sending

pytestmark = pytest.mark.slow

Figure = Callable[[str], None]
FPS = 30
SPIN_MS = 10.0
"""Processor time for a frame beyond the usual: a thread that spins uses 33 ms."""


@contextmanager
def other_service(address: str, answer: bytes) -> Iterator[None]:
    """A server at `address` that says `answer` to everybody, and is none of ours."""
    listener = socket.create_server(port_of(address))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(5)
                try:
                    peer.recv(4096)
                    peer.sendall(answer)
                    while peer.recv(4096):
                        continue
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n" * 4, id="http"),
        pytest.param(bytes(range(1, 255)) * 8, id="garbage", marks=pytest.mark.slow),
    ],
)
def test_row_17_another_service_on_the_port_is_survived_until_it_is_put_right(
    tmp_path: Path, figure: Figure, answer: bytes
) -> None:
    address = free_address()
    with ExitStack() as stack:
        with other_service(address, answer):
            viewer = stack.enter_context(Viewer(address))
            viewer.wait_state(State.PROTOCOL_REFUSED, 0.0)
        # A codec without kernels: how long a sender loads them is not what is measured.
        sender = stack.enter_context(
            sending(tmp_path, "--wait-viewers", "1", "--codec", "raw", address=address)
        )
        sender.wait_listening()
        listening = time.monotonic()
        viewer.wait_for(lambda seen: len(seen) > 0)
        live_s = viewer.seen[0].at - listening
        figure(f"live {live_s:.2f} s after the true sender listens")
        assert live_s <= 3.0
        viewer.wait_more(10)
        finish(sender, viewer)


def cpu_s(sender: Sender) -> float:
    """Processor time that a sender has used so far."""
    times = psutil.Process(sender.pid).cpu_times()
    return float(times.user + times.system)


def rate_fps(seen: list[Seen]) -> float:
    """At which frames came."""
    return (len(seen) - 1) / (seen[-1].at - seen[0].at)


@pytest.mark.parametrize("peers", [150, pytest.param(500, marks=pytest.mark.slow)])
def test_row_30_half_open_peers_beyond_the_descriptors_cost_a_viewer_no_frames(
    tmp_path: Path, figure: Figure, peers: int
) -> None:
    with (
        sending(tmp_path, "--wait-viewers", "1") as sender,
        Viewer(sender.address, live=False) as viewer,
        ExitStack() as flood,
    ):
        viewer.wait_more(30)
        begun_s = cpu_s(sender)
        calm = viewer.wait_more(30)
        calm_ms = (cpu_s(sender) - begun_s) / 30 * 1e3
        limit = sender.descriptors() + 30
        resource.prlimit(sender.pid, resource.RLIMIT_NOFILE, (limit, limit))
        for _ in range(peers):
            peer = flood.enter_context(socket.socket())
            peer.setblocking(False)
            peer.connect_ex(port_of(sender.address))
        begun_s = cpu_s(sender)
        seen = viewer.wait_more(90)
        flooded_ms = (cpu_s(sender) - begun_s) / 90 * 1e3
        published = seen[-1].sequence - seen[0].sequence + 1
        figure(
            f"{rate_fps(seen):.1f} fps of {FPS} beside {peers} half-open connections, "
            f"{rate_fps(calm):.1f} without; {flooded_ms:.1f} ms of processor time for a frame, "
            f"{calm_ms:.1f} without"
        )
        assert len(seen) >= 0.95 * published
        # A sender that starves publishes less, and what it does not publish no viewer misses. A
        # machine that is busy with something else was so a second ago.
        assert rate_fps(seen) >= 0.95 * min(FPS, rate_fps(calm))
        flood.close()
        # The port serves newcomers again once the half-open ones are gone.
        with joined(sender.address) as late:
            late.wait_more(5)
            begun_s = cpu_s(sender)
            late.wait_more(30)
            after_ms = (cpu_s(sender) - begun_s) / 30 * 1e3
            figure(f"{after_ms:.1f} ms of processor time for a frame once they are gone")
            # libzmq asks for connections that it cannot take again and again: not for ever.
            assert after_ms <= calm_ms + SPIN_MS
            finish(sender, viewer)
            late.finish()
