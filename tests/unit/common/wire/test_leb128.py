"""LEB128: every number below 2^64 comes back, and nothing else is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import WireError
from rankcast.wire.leb128 import NumberReader, pack_number
from support import packets

NUMBERS = st.integers(0, 2**64 - 1)


@given(st.lists(NUMBERS, max_size=5), st.binary(max_size=3))
def test_numbers_come_back_one_after_another(values: list[int], rest: bytes) -> None:
    data = b"".join(map(pack_number, values))
    reader = NumberReader(memoryview(data + rest))
    assert [reader.read("n") for _ in values] == values
    assert reader.position == len(data)


@given(NUMBERS)
def test_the_bytes_are_those_of_another_implementation(value: int) -> None:
    assert pack_number(value) == packets.leb128(value)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x80", b"\xff" * 9, b"\xff" * 10, b"\xff" * 9 + b"\x02", b"\x80\x00", b"\x80" * 20],
)
def test_what_is_cut_too_large_or_longer_than_needed_is_refused(data: bytes) -> None:
    with pytest.raises(WireError, match="sequence is not an LEB128 number"):
        NumberReader(memoryview(data)).read("sequence")


@pytest.mark.parametrize("value", [-1, 2**64])
def test_a_number_that_no_reader_takes_is_not_written(value: int) -> None:
    with pytest.raises(OverflowError, match="want an integer from 0"):
        pack_number(value)
