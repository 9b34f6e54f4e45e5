"""How much credit a receiver that keeps every frame gives, and when."""

from __future__ import annotations

from typing import Any, cast

import pytest

import rankcast
from rankcast.wire import unpack
from rankcast_receiver.net.connection import Connection
from rankcast_receiver.net.credit import RENEW_S, WINDOW_FRAMES, Credit
from rankcast_receiver.stream import PacketQueue
from support.fakes import picture
from support.received import received

TOKEN = bytes(range(16))


class FakeControl:
    """Records what is granted; refuses while it has no connection."""

    def __init__(self) -> None:
        self.granted: list[tuple[str, int]] = []
        self.up = True

    def grant(self, camera: str, token: bytes, stream_id: bytes, until: int) -> bool:
        assert token == TOKEN
        assert len(stream_id) == 8
        if self.up:
            self.granted.append((camera, until))
        return self.up


class FakeConnection:
    """A connection with one session."""

    def __init__(self) -> None:
        self.control: FakeControl | None = FakeControl()
        self.sessions = 1


class Keeper:
    """A queue, its credit, and a camera that sends."""

    def __init__(self, **options: Any) -> None:
        self.now_s = 100.0
        self.queue = PacketQueue(1, live=False, **options)
        self.woken = 0
        self.queue.wake = self._wake
        self.connection = FakeConnection()
        self.credit = Credit(self.queue, 0, TOKEN, now_s=lambda: self.now_s)
        self.encoders: dict[str, rankcast.Encoder] = {}

    def _wake(self) -> None:
        self.woken += 1

    def arrive(self, count: int, camera: str = "cam", shape: tuple[int, ...] = (24, 32)) -> None:
        encoder = self.encoders.setdefault(camera, rankcast.Encoder("raw"))
        for number in range(count):
            data = encoder.encode(picture(number, shape))
            self.queue.put(0, received(unpack(data), camera, data))

    def take(self, count: int) -> None:
        for _ in range(count):
            self.queue.take(0.0)

    def tick(self) -> list[tuple[str, int]]:
        self.credit.tick(cast(Connection, self.connection))
        control = self.connection.control
        if control is None:
            return []
        granted, control.granted = control.granted, []
        return granted


def test_credit_follows_what_the_decoder_takes_by_quarters_of_the_window() -> None:
    keeper = Keeper()
    assert keeper.tick() == [], "before anything is known of the stream"
    keeper.arrive(40)
    assert keeper.tick() == [], "nothing was taken"
    keeper.take(1)
    assert keeper.woken == 1, "the first credit is due at once"
    assert keeper.tick() == [("cam", 1 + WINDOW_FRAMES)]
    keeper.take(WINDOW_FRAMES // 4 - 1)
    assert (keeper.woken, keeper.tick()) == (1, [])
    keeper.take(1)
    assert keeper.woken == 2
    assert keeper.tick() == [("cam", 1 + WINDOW_FRAMES // 4 + WINDOW_FRAMES)]


def test_credit_is_repeated_every_second_and_at_once_on_a_new_connection() -> None:
    keeper = Keeper()
    keeper.arrive(1)
    keeper.take(1)
    granted = keeper.tick()
    keeper.now_s += RENEW_S - 0.1
    assert keeper.tick() == []
    keeper.now_s += 0.1
    assert keeper.tick() == granted
    keeper.connection.sessions += 1
    assert keeper.tick() == granted, "the sender has forgotten this keeper"


def test_credit_that_could_not_be_sent_is_sent_when_there_is_a_connection() -> None:
    keeper = Keeper()
    keeper.arrive(1)
    keeper.take(1)
    assert keeper.connection.control is not None
    keeper.connection.control.up = False
    assert keeper.tick() == []
    keeper.connection.control.up = True
    assert keeper.tick() == [("cam", 1 + WINDOW_FRAMES)]


@pytest.mark.parametrize(
    ("packets", "cameras", "window"),
    [(4096, 1, 64), (100, 1, 64), (50, 1, 40), (50, 4, 10), (1, 1, 1)],
)
def test_the_windows_of_all_cameras_fit_the_queue(
    packets: int, cameras: int, window: int
) -> None:  # fmt: skip
    keeper = Keeper(most_packets=packets)
    names = [f"cam{number}" for number in range(cameras)]
    for name in names:
        keeper.arrive(1, name)
        keeper.take(1)
    assert keeper.tick() == [(name, 1 + window) for name in names]


def test_large_packets_make_the_window_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rankcast_receiver.stream.packet_queue.KEEP_BYTES", 1_000_000)
    keeper = Keeper()
    keeper.arrive(1, shape=(240, 320))
    keeper.take(1)
    ((_, until),) = keeper.tick()
    assert until - 1 == int(0.8 * 1_000_000 / (240 * 320 + 90))


def test_another_stream_of_the_camera_starts_anew() -> None:
    keeper = Keeper()
    keeper.arrive(30)
    keeper.take(30)
    keeper.tick()
    keeper.encoders["cam"] = rankcast.Encoder("raw")
    keeper.arrive(1)
    keeper.take(1)
    assert keeper.tick() == [("cam", 1 + WINDOW_FRAMES)]
