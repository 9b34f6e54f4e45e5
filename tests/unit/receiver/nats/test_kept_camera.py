"""One camera out of its stream: holes are filled with live packets, and it goes over to live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rankcast.nats import PastOptions
from rankcast.nats.jetstream import JetStream, Stored
from rankcast.nats.jetstream.stored import Place
from rankcast.wire import Limits, unpack
from rankcast_receiver.nats import kept_camera
from rankcast_receiver.nats.kept_camera import KeptCamera, Ways
from rankcast_receiver.stream import ReceivedPacket
from support.recordings import packets_of, pictures

PACKETS = packets_of("svd-patch", pictures(12))
SUBJECT = "rankcast.berlin.line3.frames"


def live(number: int) -> ReceivedPacket:
    return ReceivedPacket("berlin.line3", 0.0, unpack(PACKETS[number]), memoryview(PACKETS[number]))


class Rig:
    """A camera whose inlet is this test."""

    def __init__(self, options: PastOptions = PastOptions()) -> None:  # noqa: B008 - frozen
        self.sequences: list[int] = []
        self.received_s: list[float] = []
        self.oldest_s: float | None = None
        """When the packet that the decoder takes next was received."""
        self.follows = 0
        self.unfollows = 0
        ways = Ways(
            JetStream(None),  # type: ignore[arg-type]
            self.deliver, lambda _size: True, lambda _name: self.oldest_s, self.follow,
            self.unfollow, lambda: None, Limits(),
        )  # fmt: skip
        self.camera = KeptCamera("berlin.line3", options, ways)

    def deliver(self, received: ReceivedPacket) -> ReceivedPacket:
        assert received.packet is not None
        self.sequences.append(received.packet.header.sequence)
        self.received_s.append(received.t_received_s)
        return received

    async def follow(self, _name: str) -> None:
        self.follows += 1

    async def unfollow(self, _name: str) -> None:
        self.unfollows += 1

    async def stored(self, *numbers: int, pending: int = 0) -> None:
        for number in numbers:
            place = Place(1, number + 1, number + 1, 10**18 + number * 10**7, pending)
            await self.camera._take(Stored(SUBJECT, PACKETS[number], "", place))


def in_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@in_loop
async def test_live_frames_are_joined_near_the_end_and_the_stream_is_left_where_they_meet() -> None:
    rig = Rig()
    await rig.stored(0, 1, pending=kept_camera.JOIN_PENDING + 1)
    assert rig.follows == 0
    await rig.stored(2, pending=5)
    assert rig.follows == 1
    for number in (4, 5, 6):
        assert rig.camera.hold(live(number))
    await rig.stored(3, 4)
    assert rig.camera.is_live
    assert rig.sequences == [0, 1, 2, 3, 4, 5, 6]
    assert not rig.camera.hold(live(7))


@in_loop
async def test_what_the_stream_lacks_is_taken_from_the_live_frames() -> None:
    rig = Rig()
    await rig.stored(0, 1, pending=9)
    for number in range(2, 8):
        rig.camera.hold(live(number))
    await rig.stored(5, pending=9)
    assert rig.camera.is_live
    assert rig.sequences == list(range(8))


@in_loop
async def test_a_durable_consumer_fills_holes_and_never_leaves_its_stream() -> None:
    rig = Rig(PastOptions(durable="archive"))
    await rig.camera.tick(0.0)
    assert rig.follows == 1
    await rig.stored(0, 1)
    for number in range(1, 6):
        assert rig.camera.hold(live(number))
    await rig.stored(4, 5)
    assert rig.sequences == [0, 1, 2, 3, 4, 5]
    assert not rig.camera.is_live
    assert rig.camera.acknowledgements.waiting == 6


@in_loop
async def test_live_frames_that_the_stream_never_has_are_waited_for_and_then_shown() -> None:
    rig = Rig()
    rig.camera._answers = True
    await rig.stored(0)
    rig.camera.hold(live(3))
    await rig.camera.tick(rig.camera._heard_s + kept_camera.PATIENCE_S / 2)
    assert not rig.camera.is_live
    await rig.camera.tick(rig.camera._held_since_s + 2 * kept_camera.PATIENCE_S)
    assert rig.camera.is_live
    assert rig.sequences == [0, 3]


@in_loop
async def test_a_camera_is_in_the_past_until_the_decoder_has_taken_what_was_read() -> None:
    rig = Rig()
    await rig.stored(0, 1, pending=9)
    rig.oldest_s = rig.received_s[0]
    for number in (2, 3):
        rig.camera.hold(live(number))
    await rig.stored(2)
    assert rig.camera.is_live
    await rig.camera.tick(0.0)
    assert "behind live" in rig.camera.behind
    rig.oldest_s = None
    await rig.camera.tick(0.0)
    assert not rig.camera.behind


@in_loop
async def test_the_past_of_a_stream_that_was_read_to_its_end_lasts_until_it_is_decoded() -> None:
    rig = Rig()
    await rig.stored(0, 1, 2)
    rig.oldest_s = rig.received_s[2]
    await rig.camera.tick(0.0)
    assert "behind live" in rig.camera.behind
    rig.oldest_s = None
    await rig.camera.tick(0.0)
    assert not rig.camera.behind


def test_live_frames_beyond_the_bound_are_let_go_until_the_stream_is_near_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_camera, "MAX_HELD", 3)

    async def run() -> None:
        rig = Rig()
        await rig.stored(0, pending=20)
        for number in range(2, 7):
            rig.camera.hold(live(number))
        await rig.camera.tick(0.0)
        assert (rig.unfollows, rig.camera.joined) == (1, False)
        await rig.stored(1, 2, 3, pending=40)
        await rig.stored(4, pending=3)
        assert (rig.follows, rig.camera.joined) == (2, True)
        assert rig.sequences == [0, 1, 2, 3, 4]

    asyncio.run(run())
