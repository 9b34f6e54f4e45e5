"""Pictures of a recording that the server decodes: in order, newest first, skipped where late."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import anyio
import pytest

from rankcast.errors import NeedKeyframe, RankcastError, UnknownModelError
from rankcast_receiver.web.pictures import JpegPiece
from rankcast_receiver.web.recordings.jpeg_maker import JpegMaker
from rankcast_receiver.web.recordings.playback import PlayedPiece
from rankcast_receiver.web.recordings.served_pictures import MOST_WAITING, ServedPictures


def piece(sequence: int, *, starts: bool = False, camera: str = "cam") -> PlayedPiece:
    return PlayedPiece(camera, b"message", 0, "kmeans", starts, b"stream", sequence, sequence)


class FakeMaker:
    """Decodes at once, or when the test lets it."""

    def __init__(self) -> None:
        self.made: list[tuple[int, bool]] = []
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()
        self.may_end.set()
        self.error: RankcastError | None = None

    def make(self, one: PlayedPiece, wanted: bool) -> JpegPiece | None:
        self.begun.release()
        assert self.may_end.wait(20)
        if self.error is not None:
            raise self.error
        self.made.append((one.sequence, wanted))
        return JpegPiece(b"jpeg", one.sequence) if wanted else None


@dataclass
class Page:
    """What was sent."""

    places: anyio.CapacityLimiter
    maker: FakeMaker = field(default_factory=FakeMaker)
    shown: list[int] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.served = ServedPictures(
            cast(JpegMaker, self.maker), self.places, self._send, self._tell, lambda: None
        )

    async def _send(self, _camera: str, picture: JpegPiece) -> None:
        self.shown.append(picture.sequence)

    async def _tell(self, message: dict[str, Any]) -> None:
        self.told.append(message)

    async def until_idle(self) -> None:
        async with asyncio.timeout(20):
            while self.served.is_busy:
                await asyncio.sleep(0.001)

    async def hold(self, first: PlayedPiece, *, leads: bool = False) -> None:
        """Begin to decode `first`, and no more until `release`."""
        self.maker.may_end.clear()
        self.served.put(first, shown=True, leads=leads)
        assert await asyncio.to_thread(self.maker.begun.acquire, timeout=20)


def run(test: Callable[[Page], Awaitable[None]], places: int = 4) -> None:
    async def whole() -> None:
        page = Page(anyio.CapacityLimiter(places))
        serving = asyncio.create_task(page.served.run())
        try:
            await test(page)
        finally:
            page.maker.may_end.set()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            page.served.close()
        assert page.places.borrowed_tokens == 0

    asyncio.run(whole())


def test_a_chain_is_decoded_in_order_and_what_leads_to_it_is_not_shown() -> None:
    async def test(page: Page) -> None:
        for number in range(5):
            page.served.put(piece(number, starts=number == 0), shown=number == 4, leads=True)
        assert page.served.catches_up
        await page.until_idle()
        assert [sequence for sequence, _ in page.maker.made] == [0, 1, 2, 3, 4]
        assert page.shown == [4]
        assert not page.served.catches_up
        assert page.served.take_skipped() == {}

    run(test)


def test_pictures_that_are_late_are_skipped_and_counted() -> None:
    async def test(page: Page) -> None:
        await page.hold(piece(0, starts=True))
        for number in range(1, 101):
            page.served.put(piece(number, starts=True), shown=True, leads=False)
        page.maker.may_end.set()
        await page.until_idle()
        assert page.shown == [0, 100]
        assert page.served.take_skipped() == {"cam": 99}
        assert page.served.take_skipped() == {}

    run(test)


def test_a_chain_that_is_late_shows_its_newest_picture() -> None:
    async def test(page: Page) -> None:
        await page.hold(piece(0, starts=True))
        for number in range(1, 10):
            page.served.put(piece(number), shown=True, leads=False)
        page.maker.may_end.set()
        await page.until_idle()
        assert [sequence for sequence, _ in page.maker.made] == list(range(10))
        assert (page.shown[0], page.shown[-1]) == (0, 9)
        assert page.served.take_skipped() == {"cam": 10 - len(page.shown)}

    run(test)


def test_a_chain_that_is_far_behind_waits_for_a_key_frame() -> None:
    async def test(page: Page) -> None:
        await page.hold(piece(0, starts=True))
        for number in range(1, MOST_WAITING + 1):
            assert page.served.has_room(piece(number))
            page.served.put(piece(number), shown=True, leads=False)
        assert not page.served.has_room(piece(MOST_WAITING + 1))
        assert page.served.has_room(piece(0, camera="other"))
        page.served.put(piece(MOST_WAITING + 1), shown=True, leads=False)
        page.served.put(piece(MOST_WAITING + 2), shown=True, leads=False)
        page.maker.may_end.set()
        await page.until_idle()
        assert page.shown == [0]
        page.served.put(piece(200, starts=True), shown=True, leads=False)
        await page.until_idle()
        assert page.shown == [0, 200]
        assert page.served.take_skipped() == {"cam": MOST_WAITING + 2}

    run(test)


def test_after_a_jump_nothing_from_before_is_shown() -> None:
    async def test(page: Page) -> None:
        await page.hold(piece(0, starts=True))
        page.served.put(piece(1), shown=True, leads=False)
        page.served.jump()
        page.served.put(piece(50, starts=True), shown=True, leads=True)
        page.maker.may_end.set()
        await page.until_idle()
        assert page.shown == [50]
        assert [sequence for sequence, _ in page.maker.made] == [0, 50]

    run(test)


@pytest.mark.parametrize(
    ("error", "lasting"), [(UnknownModelError("no model"), True), (NeedKeyframe("lost"), False)]
)
def test_a_camera_that_does_not_decode_is_told_once_until_it_does(
    error: RankcastError, lasting: bool
) -> None:
    async def test(page: Page) -> None:
        page.maker.error = error
        for number in range(3):
            page.served.put(piece(number, starts=True), shown=True, leads=False)
            await page.until_idle()
        said = {"type": "refused", "camera": "cam", "error": str(error), "lasting": lasting}
        assert page.told == [said]
        page.maker.error = None
        page.served.put(piece(3, starts=True), shown=True, leads=False)
        await page.until_idle()
        page.maker.error = error
        page.served.put(piece(4, starts=True), shown=True, leads=False)
        await page.until_idle()
        assert page.told == [said, said]
        assert page.shown == [3]

    run(test)


def test_of_more_pages_than_allowed_the_last_is_told_and_served_once_another_has_left() -> None:
    async def test(page: Page) -> None:
        other = object()
        page.places.acquire_on_behalf_of_nowait(other)
        page.served.put(piece(0, starts=True), shown=True, leads=False)
        await page.until_idle()
        assert "1 pages already" in page.told[0]["error"]
        assert page.told[0]["lasting"]
        assert page.maker.made == []
        page.places.release_on_behalf_of(other)
        page.served.put(piece(1, starts=True), shown=True, leads=False)
        await page.until_idle()
        assert page.shown == [1]

    run(test, places=1)


def test_a_page_that_leaves_waits_for_its_thread_before_another_gets_its_place() -> None:
    async def test() -> None:
        page = Page(anyio.CapacityLimiter(1))
        serving = asyncio.create_task(page.served.run())
        await page.hold(piece(0, starts=True))
        serving.cancel()
        await asyncio.wait({serving}, timeout=0.05)
        assert not serving.done()
        assert page.places.borrowed_tokens == 1
        page.maker.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await serving
        page.served.close()
        assert page.places.borrowed_tokens == 0
        assert page.shown == []

    asyncio.run(test())
