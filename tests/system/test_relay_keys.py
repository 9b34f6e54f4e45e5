"""Keys that may see some cameras only, at a relay: they get these, and catch-ups of these."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import zmq

from rankcast.errors import RequestRefusedError
from rankcast.net import ControlClient, control_endpoint
from rankcast.net.authorized_keys import authorize
from rankcast.net.key_file import Role
from rankcast.wire import frames_topic, keeper_topic, split_message, token_of, viewer_topic
from rankcast_receiver import Subscriber
from support.fakes import free_address
from support.keyed_station import KeyedStation
from support.processes import rankcast
from support.relaying import relaying

WAIT_S = 30.0
TWO = """
[[camera]]
name = "line3"
source = "synthetic:conveyor?width=96&height=96&fps=20"
[[camera.stream]]
name = "sub"
scale = "1/2"
[[camera]]
name = "line4"
source = "synthetic:conveyor?width=96&height=96&fps=20"
[[camera.stream]]
name = "sub"
scale = "1/2"
"""


def test_a_key_of_one_camera_sees_and_catches_up_with_that_one_alone(tmp_path: Path) -> None:
    station = KeyedStation(tmp_path)
    for name in ("anna", "boss"):
        station.make(name)
    authorize(tmp_path / "anna.pub", station.authorized, Role.VIEWER, cameras=frozenset({"line3"}))
    settings, address = tmp_path / "two.toml", free_address()
    settings.write_text(TWO)
    keys = ("--key", str(tmp_path / "cam.key"), "--authorized", str(station.authorized))
    with (
        relaying(tmp_path, address, options=keys) as relay,
        Subscriber(
            relay.address, curves=station.curves("anna"), timeout_s=WAIT_S, stay=True
        ) as anna,
        rankcast("send", "--config", str(settings), "--bind", address),
        Subscriber(
            relay.address, curves=station.curves("boss"), timeout_s=WAIT_S, stay=True
        ) as boss,
    ):
        seen: set[str] = set()
        for frame in boss:
            seen.add(frame.camera)
            if seen == {"line3", "line4"}:
                break
        # Connected before any camera was known.
        found = [frame.camera for frame, _ in zip(anna, range(10), strict=False)]
        assert set(found) == {"line3"}
        with ControlClient(control_endpoint(relay.address), station.curves("anna")) as client:
            assert set(client.call("status", timeout_s=WAIT_S).result["cameras"]) == {"line3"}
            for name in ("line4", "line4.sub"):
                with pytest.raises(RequestRefusedError, match=name):
                    client.call("get", name, timeout_s=WAIT_S)
        caught_up = listen(relay.address, station)
        assert caught_up == {"line3"}
        substreams = [frames_topic(name) for name in ("line3.sub", "line4.sub")]
        individual = [viewer_topic(bytes(16), name) for name in ("line3.sub", "line4.sub")]
        assert frames_of(relay.address, station, [*substreams, *individual]) == {"line3.sub"}
        relay.stop()


def frames_of(address: str, station: KeyedStation, topics: list[bytes]) -> set[str]:
    """Subscribe with the limited key; return the streams whose frames came until two had time."""
    (curve,) = station.curves("anna")
    found: set[str] = set()
    with zmq.Context() as context, context.socket(zmq.XSUB) as socket:
        socket.linger = 0
        socket.curve_publickey, socket.curve_secretkey = curve.public, curve.secret
        socket.curve_serverkey = curve.server_public
        socket.connect(address)
        for topic in topics:
            socket.send(b"\1" + topic)
        until, frames = time.monotonic() + WAIT_S, 0
        while frames < 40:
            assert time.monotonic() < until, found
            if socket.poll(1000):
                message = socket.recv()
                if not message.startswith(b"/"):
                    found.add(split_message(memoryview(message))[0])
                    frames += 1
    return found


def listen(address: str, station: KeyedStation) -> set[str]:
    """Ask for everything with the limited key; return the cameras whose catch-ups came."""
    (curve,) = station.curves("anna")
    token, found = os.urandom(16), set()
    with zmq.Context() as context, context.socket(zmq.XSUB) as socket:
        socket.linger = 0
        socket.curve_publickey, socket.curve_secretkey = curve.public, curve.secret
        socket.curve_serverkey = curve.server_public
        socket.connect(address)
        for topic in (b"", b"l", viewer_topic(token, None), keeper_topic(token, "line4"),
                      b"/viewer/", viewer_topic(token, "line4")):  # fmt: skip
            socket.send(b"\1" + topic)
        until = time.monotonic() + 3.0
        while (left := until - time.monotonic()) > 0:
            if not socket.poll(1000 * left):
                continue
            message = memoryview(socket.recv())
            individual = token_of(message)
            if individual is not None:
                assert individual[0] == token
                found.add(bytes(individual[1][:5]).decode())
            else:
                assert bytes(message[:5]) == b"line3"
    return found
