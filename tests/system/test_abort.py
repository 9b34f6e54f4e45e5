"""No peer ends a process: bursts, a PING behind them, and a reset.

With a bounded receive pipe, libzmq 4.3.5 aborts within these rounds (assertion `!_io_error`).
"""

from __future__ import annotations

import os
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

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
