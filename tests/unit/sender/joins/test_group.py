"""What is kept of a chain, and which of it leads to the newest frame."""

from __future__ import annotations

import pytest

from rankcast_sender.joins import group as module
from rankcast_sender.joins.group import Group, Link

MANY_BYTES = 10**6


def group_of(*links: tuple[int, int | None], size: int = 10) -> Group:
    group = Group()
    for sequence, ref in links:
        group.add(Link(sequence, ref, data(sequence, size)))
    return group


def data(sequence: int, size: int = 10) -> bytes:
    return sequence.to_bytes(4, "big") + bytes(size - 4)


def sequences(packets: object) -> list[int] | None:
    if packets is None:
        return None
    assert isinstance(packets, list)
    return [int.from_bytes(packet[:4], "big") for packet in packets]


def test_a_chain_begins_with_its_key_frame() -> None:
    group = group_of((0, None), (1, 0), (2, 1))
    assert sequences(group.cheapest(30, MANY_BYTES)) == [0, 1, 2]
    group.add(Link(3, None, data(3)))
    assert sequences(group.cheapest(30, MANY_BYTES)) == [3]


def test_frames_that_the_newest_does_not_need_are_left_out() -> None:
    group = group_of((0, None), (1, 0), (2, 0), (3, 2), (4, 2))
    assert sequences(group.cheapest(30, MANY_BYTES)) == [0, 2, 4]


def test_a_reference_is_taken_where_it_saves_bytes() -> None:
    group = group_of((0, None), *((k, k - 1) for k in range(1, 9)))
    number, _ = group.since(-1)
    assert group.refer(number, Link(6, None, data(6, 1000)))
    assert sequences(group.cheapest(30, MANY_BYTES)) == list(range(9))
    assert group.refer(number, Link(6, None, data(6, 20)))
    assert sequences(group.cheapest(30, MANY_BYTES)) == [6, 7, 8]


def test_a_reference_that_the_newest_frame_does_not_go_back_to_is_no_way() -> None:
    group = group_of((0, None), (1, 0), (2, 0))
    assert group.refer(group.number, Link(1, None, data(1, 5)))
    assert sequences(group.cheapest(30, MANY_BYTES)) == [0, 2]


def test_a_reference_of_the_chain_before_is_refused() -> None:
    group = group_of((0, None), (1, 0))
    number = group.number
    group.add(Link(2, None, data(2)))
    assert not group.refer(number, Link(1, None, data(1, 5)))


def test_what_is_too_long_or_too_large_is_no_way() -> None:
    group = group_of((0, None), *((k, k - 1) for k in range(1, 9)))
    assert group.cheapest(8, MANY_BYTES) is None
    assert sequences(group.cheapest(9, MANY_BYTES)) == list(range(9))
    assert group.cheapest(9, 89) is None


def test_a_lost_frame_breaks_the_chain_until_the_next_key_frame() -> None:
    group = group_of((0, None), (2, 1), (3, 2))
    assert group.is_broken
    assert group.cheapest(30, MANY_BYTES) is None
    assert group.kept_bytes == 0
    group.add(Link(4, None, data(4)))
    assert not group.is_broken
    assert sequences(group.cheapest(30, MANY_BYTES)) == [4]


def test_a_lost_frame_that_no_other_needs_breaks_nothing() -> None:
    group = group_of((0, None), (2, 0))
    assert sequences(group.cheapest(30, MANY_BYTES)) == [0, 2]


@pytest.mark.parametrize(("name", "most"), [("MAX_PACKETS", 5), ("MAX_BYTES", 55)])
def test_memory_is_bounded_and_a_long_chain_is_not_broken(
    name: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, most)
    group = group_of((0, None), *((k, k - 1) for k in range(1, 20)))
    assert group.kept_bytes == 0
    assert not group.whole
    assert not group.is_broken
