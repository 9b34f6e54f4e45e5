"""PacketBacklog: bounded in items and in bytes, and counts the items it replaces."""

from __future__ import annotations

import threading

import pytest

from rankcast.runtime import MailboxClosed, PacketBacklog
from rankcast.runtime import packet_backlog as module

WAIT_S = 10.0


def taken(backlog: PacketBacklog[bytes]) -> list[bytes]:
    items = []
    while (item := backlog.get(0.0)) is not None:
        items.append(item)
    return items


def test_a_full_backlog_replaces_its_oldest_items_and_counts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LIVE_PACKETS", 3)
    backlog: PacketBacklog[bytes] = PacketBacklog(len)
    for item in (b"a", b"b", b"c", b"d", b"e"):
        assert backlog.put(item)
    assert backlog.replaced == 2
    assert taken(backlog) == [b"c", b"d", b"e"]


def test_a_backlog_is_bounded_in_bytes_and_always_takes_the_newest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LIVE_BYTES", 10)
    backlog: PacketBacklog[bytes] = PacketBacklog(len)
    for item in (b"1234", b"567", b"890"):
        backlog.put(item)
    assert backlog.replaced == 0
    backlog.put(b"x")
    assert backlog.replaced == 1
    assert taken(backlog) == [b"567", b"890", b"x"]
    backlog.put(b"small")
    backlog.put(bytes(11))
    assert backlog.replaced == 2
    assert taken(backlog) == [bytes(11)]
    backlog.put(bytes(10))
    assert taken(backlog) == [bytes(10)], "what was taken or replaced no longer counts"
    assert backlog.replaced == 2


def test_closing_a_backlog_wakes_its_reader_and_keeps_what_waits() -> None:
    backlog: PacketBacklog[bytes] = PacketBacklog(len)
    backlog.put(b"a")
    backlog.close()
    assert not backlog.put(b"b")
    assert backlog.get(WAIT_S) == b"a"
    with pytest.raises(MailboxClosed):
        backlog.get(WAIT_S)
    empty: PacketBacklog[bytes] = PacketBacklog(len)
    ended = threading.Event()

    def read() -> None:
        with pytest.raises(MailboxClosed):
            empty.get(2 * WAIT_S)
        ended.set()

    reader = threading.Thread(target=read)
    reader.start()
    empty.close()
    reader.join(WAIT_S)
    assert ended.is_set()


def test_a_backlog_that_blocks_holds_its_writer_back_and_replaces_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LIVE_PACKETS", 2)
    backlog: PacketBacklog[bytes] = PacketBacklog(len, blocks=True)
    written: list[bool] = []

    def write() -> None:
        written.extend(backlog.put(item) for item in (b"a", b"b", b"c", b"d"))

    writer = threading.Thread(target=write)
    writer.start()
    assert [backlog.get(WAIT_S) for _ in range(4)] == [b"a", b"b", b"c", b"d"]
    writer.join(WAIT_S)
    assert written == [True] * 4
    assert backlog.replaced == 0


def test_closing_a_backlog_that_blocks_wakes_its_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIVE_PACKETS", 1)
    backlog: PacketBacklog[bytes] = PacketBacklog(len, blocks=True)
    backlog.put(b"a")
    found: list[bool] = []
    writer = threading.Thread(target=lambda: found.append(backlog.put(b"b")))
    writer.start()
    backlog.close()
    writer.join(WAIT_S)
    assert found == [False]


def test_items_that_are_no_frames_take_room_and_count_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LIVE_PACKETS", 2)
    gone: list[bytes] = []
    backlog: PacketBacklog[bytes] = PacketBacklog(
        len, counts=lambda item: int(item != b"status"), on_replaced=gone.append
    )
    for item in (b"status", b"a", b"b", b"status"):
        backlog.put(item)
    assert (backlog.replaced, gone) == (1, [b"status", b"a"])
    assert backlog.discard() == 1


def test_discarding_a_backlog_returns_how_many_items_it_drops() -> None:
    backlog: PacketBacklog[bytes] = PacketBacklog(len)
    for item in (b"a", b"b", b"c"):
        backlog.put(item)
    assert backlog.discard() == 3
    with pytest.raises(MailboxClosed):
        backlog.get(0.0)
