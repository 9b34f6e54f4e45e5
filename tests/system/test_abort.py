"""No peer ends a process: bursts, a PING behind them, and a reset; routing ids of its choice.

With a bounded receive pipe, libzmq 4.3.5 aborts within these rounds (assertion `!_io_error`), with
routing ids that can be foreseen at once (assertion `ok` in add_out_pipe).
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
import zmq

from rankcast.net import CONTROL_PORT_OFFSET, CurveClient
from support.keyed_station import KeyedStation
from support.raw_zmtp import PING, RawPeer, message
from support.viewers import Viewer, port_of, sending

ROUNDS = 20
KEYED_ROUNDS = 5
BURST_S = 0.2
"""As long as a peer that pings every millisecond needs to send several PINGs between messages."""
UNSEEDED = (1_804_289_383, 3_829_176_425, 4_105_231_441)
"""Routing ids with which the first ROUTER sockets of a process begin while nobody seeds rand()."""
CLAIMS = 20
"""Of each; altogether fewer than the connections of one address."""
LATER = 100
IMPOSTORS = 8000
LEAST_IMPOSTORS = 2000
"""Those that are not refused while the port is bound again."""
MOST_GROWTH_MB = 20.0
"""An impostor that is kept takes 13 kB, so many 26 MB."""


def burst_and_reset(port: int, kind: str, number: int) -> None:
    """Send messages and PINGs, and reset the connection up to 4 ms later."""
    peer = RawPeer(port, kind)
    # A subscription, or a request that is none.
    body = message(b"\1" + bytes([65 + number % 20]))
    peer.send(body * 900 + PING + body * 100 + PING)
    time.sleep(0.0005 * (number % 8))  # the delay of the reset is what is varied
    peer.reset()


def keyed_burst_and_reset(port: int, curve: CurveClient) -> None:
    """Do the same with pyzmq alone, as a viewer that the sender admits."""
    with zmq.Context() as context:
        dealer = context.socket(zmq.DEALER)
        for option, value in (
            (zmq.LINGER, 0), (zmq.SNDHWM, 0), (zmq.HEARTBEAT_IVL, 1),
            (zmq.HEARTBEAT_TIMEOUT, 60_000), (zmq.CURVE_SECRETKEY, curve.secret),
            (zmq.CURVE_PUBLICKEY, curve.public), (zmq.CURVE_SERVERKEY, curve.server_public),
        ):  # fmt: skip
            dealer.setsockopt(option, value)
        with dealer:
            dealer.connect(f"tcp://127.0.0.1:{port}")
            assert dealer.poll(5000, zmq.POLLOUT)
            until = time.monotonic() + 2 * BURST_S
            with suppress(zmq.Again):  # the sender has closed the connection
                while time.monotonic() < until:
                    for _ in range(50):
                        dealer.send(b"x", zmq.NOBLOCK)
                    time.sleep(0.0002)  # lets the heartbeat in between
            _reset_on_close(port)


def _reset_on_close(port: int) -> None:
    """Let the end of each connection of this process to `port` be a reset."""
    for name in os.listdir("/proc/self/fd"):
        try:
            # The duplicate is closed here, the connection stays open.
            with socket.socket(fileno=os.dup(int(name))) as duplicate:
                if duplicate.getpeername()[1] == port:
                    duplicate.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
        except (OSError, IndexError):  # no socket, or not connected
            continue


@pytest.mark.parametrize("kind", ["SUB", "DEALER"])
def test_a_ping_behind_a_burst_and_a_reset_end_no_sender(tmp_path: Path, kind: str) -> None:
    with sending(tmp_path, "--codec", "jpeg") as sender, Viewer(sender.address) as viewer:
        viewer.wait_more(1)
        port = port_of(sender.address)[1] + (CONTROL_PORT_OFFSET if kind == "DEALER" else 0)
        for number in range(ROUNDS):
            burst_and_reset(port, kind, number)
        viewer.wait_more(5)
        assert sender.process.process.poll() is None, sender.process.lines


@pytest.mark.slow
def test_nor_does_an_admitted_viewer_end_a_sender_with_keys(tmp_path: Path) -> None:
    station = KeyedStation(tmp_path)
    station.make("viewer")
    # A key that floods is refused: each round has its own.
    names = [f"mallory{number}" for number in range(KEYED_ROUNDS)]
    for name in names:
        station.make(name)
    with (
        station.sending() as sender,
        Viewer(sender.address, curves=station.curves("viewer")) as viewer,
    ):
        viewer.wait_more(1)
        port = port_of(sender.address)[1] + CONTROL_PORT_OFFSET
        for name in names:
            keyed_burst_and_reset(port, *station.curves(name))
        viewer.wait_more(5)
        assert sender.process.process.poll() is None, sender.process.lines


def control_port(address: str) -> int:
    return port_of(address)[1] + CONTROL_PORT_OFFSET


def test_who_claims_the_routing_ids_of_later_clients_ends_no_sender(tmp_path: Path) -> None:
    with sending(tmp_path) as sender, ExitStack() as stack:
        sender.process.wait_line("control channel")
        port = control_port(sender.address)
        for first, number in itertools.product(UNSEEDED, range(CLAIMS)):
            claimed = b"\0" + (first + 1 + number).to_bytes(4, "big")
            stack.callback(RawPeer(port, "DEALER", claimed).reset)
        for _ in range(LATER):
            RawPeer(port, "DEALER", source="127.0.0.2").reset()
        with Viewer(sender.address) as viewer:
            viewer.wait_more(5)
        assert sender.process.process.poll() is None, sender.process.lines


@pytest.mark.timeout(180)
@pytest.mark.skipif(sys.platform != "linux", reason="needs many loopback addresses")
def test_connections_with_the_routing_id_of_another_one_leave_nothing_behind(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    with sending(tmp_path) as sender, ExitStack() as stack:
        sender.process.wait_line("control channel")
        port = control_port(sender.address)
        with Viewer(sender.address) as viewer:
            viewer.wait_more(30)  # all libraries are loaded by then
        memory = psutil.Process(sender.process.process.pid).memory_info
        before, made = memory().rss, 0
        for number in range(IMPOSTORS):
            source = f"127.2.{number // 250}.{1 + number % 250}"
            with suppress(OSError, AssertionError):  # the port is bound again now and then
                if number % 100 == 0:  # the one before may be closed by now
                    stack.callback(RawPeer(port, "DEALER", b"same", source).reset)
                with RawPeer(port, "DEALER", b"same", source).socket as peer:
                    peer.sendall(message(b"no request"))
                made += 1
        growth_mb = (memory().rss - before) / 1e6
        with Viewer(sender.address) as viewer:
            viewer.wait_more(5)
    figure(f"grew by {growth_mb:.1f} MB")
    assert made > LEAST_IMPOSTORS
    assert growth_mb < MOST_GROWTH_MB
