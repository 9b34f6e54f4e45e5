"""A sender behind a narrow uplink that knows two servers, and connections that end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from rankcast.frame import Pixels
from rankcast.nats import KeepOptions, NatsAddress, NatsOptions
from rankcast.nats.client import Message, NatsConnection
from support.certificates import make_certificate
from support.faultproxy import SOCKET_BUFFER_BYTES, FaultProxy
from support.faults import Faults
from support.kept_camera import keeping, wait
from support.nats_server import NatsServer, nats_server
from support.viewer_thread import ViewerThread

MEGABIT = Faults(up_bytes_per_s=125_000)
FRAMES = 12


def noise(number: int) -> Pixels:
    """Return a picture of about 60 kB as JPEG."""
    return np.random.default_rng(number).integers(0, 255, (256, 320), np.uint8)


@contextmanager
def serving(folder: Path, *, tls: bool) -> Iterator[tuple[NatsServer, NatsOptions]]:
    pair = make_certificate(folder)
    text = f'tls {{ cert_file: "{pair.certificate}", key_file: "{pair.key}" }}' if tls else ""
    with nats_server(folder, text) as server:
        yield server, NatsOptions(tls_ca=pair.certificate if tls else None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("buffer_bytes", "tls"), [(8192, False), (SOCKET_BUFFER_BYTES, False), (8192, True)]
)
def test_a_narrow_uplink_costs_frames_but_no_connection(
    tmp_path: Path, buffer_bytes: int, tls: bool
) -> None:
    with (
        serving(tmp_path, tls=tls) as (server, nats),
        FaultProxy(server.address.replace("nats", "tcp"), MEGABIT, 0, buffer_bytes) as one,
        FaultProxy(server.address.replace("nats", "tcp"), MEGABIT, 0, buffer_bytes) as two,
    ):
        address = f"{one.address.replace('tcp', 'nats')},{two.address.removeprefix('tcp://')}"
        with (
            keeping(address, KeepOptions(), codec="jpeg", picture=noise, nats=nats) as camera,
            ViewerThread(server.address, nats=nats) as viewer,
        ):
            wait(lambda: len(camera.sent) > FRAMES and viewer.newest >= camera.sent[FRAMES],
                 "frames")  # fmt: skip
            camera.finish()
            wait(lambda: viewer.newest >= camera.sent[-1], "the last frame")
        assert one.counters().connections + two.counters().connections == 1
    lost = camera.publisher.balance().lost
    assert set(lost) <= {"slow_server", "nobody_watching"}
    assert viewer.balance.under_way == 0


def test_a_subscription_between_two_sessions_does_nothing() -> None:
    async def check() -> None:
        address = NatsAddress.of("nats://127.0.0.1:1")
        connection = NatsConnection(address, NatsOptions(), "test", _nothing)
        end = await connection.subscribe(connection.new_inbox(), _drop)
        await end()

    asyncio.run(check())


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True])
def test_a_lost_connection_is_told_in_lines_without_a_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, tls: bool
) -> None:
    with (
        serving(tmp_path, tls=tls) as (server, nats),
        FaultProxy(server.address.replace("nats", "tcp")) as one,
    ):

        async def lose_many() -> int:
            address = NatsAddress.of(one.address.replace("tcp", "nats"))
            connection = NatsConnection(address, nats, "test", _nothing)
            stop = asyncio.Event()
            run = asyncio.ensure_future(connection.run(stop))
            for sessions in range(1, 21):
                async with asyncio.timeout(10.0):
                    while not (connection.is_up and connection.state.sessions >= sessions):
                        await asyncio.sleep(0.005)  # the state has no event
                # Pings are under way in some of these moments.
                for _ in range(10):
                    await connection.publish("a", bytes(1000))
                await asyncio.sleep(0.001 * (sessions % 5))
                one.reset()
            stop.set()
            await run
            return connection.state.sessions

        with caplog.at_level(logging.INFO):
            assert asyncio.run(lose_many()) >= 20
    assert not [record for record in caplog.records if record.name == "asyncio"]
    assert not [record for record in caplog.records if record.exc_info]


async def _nothing() -> None:
    """Subscribe to nothing."""


def _drop(message: Message) -> None:
    """Take a message."""
