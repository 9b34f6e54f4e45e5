"""Parts of packets: what is split comes back whole, and nothing hostile takes memory."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import LimitError, WireError
from rankcast.nats import PART_BYTES, Assembler, split_packet
from rankcast.nats.parts import MAX_IN_PROGRESS, PATIENCE_S

MAX_BYTES = 10_000
PACKETS = st.binary(max_size=MAX_BYTES).filter(lambda data: data[:3] != b"RKP")
"""No packet begins as a part does."""
SUBJECT = "rankcast.default.cam.frames"


def assembler(now_s: list[float] | None = None) -> Assembler:
    clock = now_s or [0.0]
    return Assembler(MAX_BYTES, 4 * MAX_BYTES, lambda: clock[0])


def part(
    number: int = 1, index: int = 0, count: int = 2, total: int = 100, size: int = 50
) -> bytes:
    return struct.pack("<3sBQHHI", b"RKP", 1, number, index, count, total) + bytes(size)


@given(PACKETS, st.integers(0, 2**70), st.integers(PART_BYTES + 1, 4000))
def test_what_is_split_comes_back_whole(data: bytes, number: int, max_payload: int) -> None:
    parts = split_packet(data, number, max_payload)
    assert all(len(each) <= max_payload for each in parts)
    whole = assembler()
    *before, last = [whole.take(SUBJECT, each) for each in parts]
    assert before == [None] * len(before)
    assert last == data
    assert (whole.waiting_bytes, whole.incomplete, whole.stray) == (0, 0, 0)


@given(st.data())
def test_a_missing_part_costs_that_packet_and_no_other(data: st.DataObject) -> None:
    packets = [bytes([value]) * 500 for value in range(3)]
    sent = [split_packet(packet, number, 120) for number, packet in enumerate(packets)]
    hurt = data.draw(st.integers(0, 2))
    missing = data.draw(st.integers(0, len(sent[hurt]) - 1))
    whole, came = assembler(), []
    for number, parts in enumerate(sent):
        for index, each in enumerate(parts):
            if (number, index) != (hurt, missing) and (got := whole.take(SUBJECT, each)):
                came.append(bytes(got))
    assert came == [packet for number, packet in enumerate(packets) if number != hurt]


@given(st.lists(st.one_of(st.binary(max_size=64), st.binary(max_size=64).map(b"RKP".__add__),
                          st.builds(part, st.integers(0, 3), st.integers(0, 4), st.integers(0, 4),
                                    st.integers(0, 300), st.integers(0, 120)))))  # fmt: skip
def test_nothing_that_a_stranger_sends_takes_more_than_the_bounds(messages: list[bytes]) -> None:
    whole = assembler()
    for number, message in enumerate(messages):
        try:
            whole.take(f"subject {number % 3}", message)
        except WireError:
            continue
        assert 0 <= whole.waiting_bytes <= 4 * MAX_BYTES + 4096


@pytest.mark.parametrize(
    "message",
    [
        part(count=1, total=50), part(count=0), part(index=2), part(total=0, size=1),
        part(size=49), part(size=51), part(count=9, total=3, size=1), b"RKP", part()[:PART_BYTES],
        b"RKP\2" + part()[4:],
    ],
)  # fmt: skip
def test_a_part_that_contradicts_itself_is_refused(message: bytes) -> None:
    with pytest.raises(WireError):
        assembler().take(SUBJECT, message)


def test_a_length_above_the_limit_is_refused_before_anything_is_kept() -> None:
    whole = assembler()
    with pytest.raises(LimitError):
        whole.take(SUBJECT, part(total=MAX_BYTES + 2, size=MAX_BYTES // 2 + 1))
    assert whole.waiting_bytes == 0


def test_parts_without_a_beginning_are_counted() -> None:
    whole = assembler()
    assert whole.take(SUBJECT, part(index=1)) is None
    assert (whole.stray, whole.incomplete) == (1, 0)


def test_a_part_that_comes_twice_ends_its_packet() -> None:
    whole = assembler()
    whole.take(SUBJECT, part(count=3, total=150))
    whole.take(SUBJECT, part(count=3, total=150))
    assert whole.incomplete == 1


def test_endless_beginnings_on_many_subjects_are_bounded_in_number_and_in_time() -> None:
    clock = [0.0]
    whole = Assembler(MAX_BYTES, 10**9, lambda: clock[0])
    for number in range(2 * MAX_IN_PROGRESS):
        whole.take(f"subject {number}", part())
    assert whole.incomplete == MAX_IN_PROGRESS
    clock[0] = PATIENCE_S + 1
    whole.take("another", part())
    assert whole.incomplete == 2 * MAX_IN_PROGRESS


def test_a_server_that_takes_almost_nothing_gets_nothing() -> None:
    with pytest.raises(LimitError):
        split_packet(bytes(100_000), 1, PART_BYTES + 1)
