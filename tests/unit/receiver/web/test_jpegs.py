"""JPEG is made when somebody wants it, once for each picture and quality, whoever wants it."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

from rankcast.frame import Coding, Frame
from rankcast_receiver.web.live.flow import Load
from rankcast_receiver.web.live.jpeg_flow import GIVEN_UP_S, MOST_ON_WAY, JpegFlow
from rankcast_receiver.web.pictures import JpegPiece, Jpegs, NewestPictures, jpegs
from support.fakes import picture


def frame(sequence: int, dtype: type = np.uint8) -> Frame:
    return Frame(
        picture(sequence, (24, 32), dtype), camera="cam", sequence=sequence,
        coding=Coding("pca", 100, psnr_db=40.0), meta={"serial": b"\1"},
    )  # fmt: skip


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Sequence and quality of each JPEG."""
    found: list[tuple[int, int]] = []
    encode = jpegs.encode_jpeg

    def counted(of: Frame, quality: int) -> bytes:
        found.append((of.sequence, quality))
        return encode(of, quality)

    monkeypatch.setattr(jpegs, "encode_jpeg", counted)
    return found


def test_many_clients_share_a_jpeg(made: list[tuple[int, int]]) -> None:
    newest = NewestPictures(lambda _: None)
    newest.put(frame(1))

    async def ask() -> None:
        source = Jpegs(newest)
        assert made == []  # nobody wants one
        await asyncio.gather(*(source.get("cam", quality) for quality in [80] * 20 + [50] * 20))
        await source.piece("cam")
        newest.put(frame(2))
        await source.piece("cam")

    asyncio.run(ask())
    assert sorted(made) == [(1, 50), (1, 80), (2, 80)]


def test_a_client_that_leaves_takes_the_jpeg_from_nobody(made: list[tuple[int, int]]) -> None:
    newest = NewestPictures(lambda _: None)
    newest.put(frame(1))

    async def ask() -> None:
        source = Jpegs(newest)
        leaving = asyncio.create_task(source.get("cam", 80))
        staying = asyncio.create_task(source.get("cam", 80))
        await asyncio.sleep(0)
        leaving.cancel()
        jpeg = await staying
        assert jpeg is not None
        assert jpeg.data.startswith(b"\xff\xd8")

    asyncio.run(ask())
    assert made == [(1, 80)]


def test_what_was_made_of_older_pictures_is_dropped_with_them() -> None:
    async def ask() -> None:
        newest = NewestPictures(lambda _: None)
        source = Jpegs(newest)
        newest.put(frame(1))
        await source.piece("cam")
        await source.get("cam", 50)
        newest.put(frame(2))
        source.note_picture("cam")
        assert (source._made, source._pieces) == ({}, {})
        assert await source.get("cam", 50) is not None

    asyncio.run(ask())


def test_no_more_bytes_are_kept_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpegs, "encode_jpeg", lambda _frame, _quality: bytes(20 << 20))

    async def ask() -> None:
        newest = NewestPictures(lambda _: None)
        newest.put(frame(1))
        source = Jpegs(newest)
        for quality in range(1, 11):
            await source.get("cam", quality)
        assert len(source._made) == jpegs.MOST_KEPT_BYTES // (20 << 20) + 1

    asyncio.run(ask())


def test_the_message_says_which_picture_it_is() -> None:
    newest = NewestPictures(lambda _: None)
    newest.put(frame(7, np.uint16))

    async def ask() -> JpegPiece | None:
        source = Jpegs(newest)
        assert await source.piece("other") is None
        return await source.piece("cam")

    piece = asyncio.run(ask())
    assert piece is not None
    topic, _, rest = piece.message.partition(b"\0")
    size = int.from_bytes(rest[:4], "little")
    head = json.loads(rest[4 : 4 + size])
    assert topic == b"cam/jpeg"
    assert (piece.sequence, head["sequence"], head["codec"]) == (7, 7, "pca")
    assert (head["shape"], head["dtype"], head["psnr_db"]) == ([24, 32, 1], "uint16", 40.0)
    assert head["meta"] == {"serial": "01"}
    assert rest[4 + size :].startswith(b"\xff\xd8")


class Source:
    """Makes a piece of the newest number."""

    def __init__(self) -> None:
        self.sequence = 0
        self.made = 0

    async def piece(self, camera: str) -> JpegPiece:
        self.made += 1
        return JpegPiece(camera.encode(), self.sequence)


def test_a_page_that_acknowledges_nothing_has_no_further_picture_made() -> None:
    async def watch() -> None:
        source, load = Source(), Load()
        flow = JpegFlow("cam", source, load, lambda: None)
        for number in range(10):
            source.sequence = number
            flow.note_picture(0.0)
            await asyncio.sleep(0)
            if flow.waits:
                load.bytes -= len(flow.take().message)
        assert source.made == MOST_ON_WAY
        flow.acknowledge(1, 0.0)
        await asyncio.sleep(0)
        assert flow.take().sequence == 9
        assert flow.skipped == 10 - MOST_ON_WAY - 1
        flow.note_picture(GIVEN_UP_S + 1)
        await asyncio.sleep(0)
        assert flow.waits
        flow.fall_out()
        assert not flow.waits

    asyncio.run(watch())
