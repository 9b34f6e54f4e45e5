"""The adaptive binary range coder: what goes in comes out, in the bits that theory says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankcast.entropy.rangecoder import (
    OVERRUN,
    POSITION,
    REGISTERS,
    bit_cost,
    code_bit,
    code_bits,
    finish_encoder,
    new_coder,
    start_decoder,
    start_encoder,
)

pytestmark = pytest.mark.timeout(300)


def _write(symbols: list[tuple[int, int]], contexts: int = 4) -> bytes:
    coder, data = new_coder(contexts), np.zeros(1 << 16, np.uint8)
    start_encoder(coder, len(data))
    for context, value in symbols:
        if context < 0:
            code_bits(coder, data, -context, value)
        else:
            code_bit(coder, data, REGISTERS + context, value)
    return data[: finish_encoder(coder, data)].tobytes()


def _read(part: bytes, symbols: list[tuple[int, int]], contexts: int = 4) -> list[int]:
    coder = new_coder(contexts)
    data = np.frombuffer(part or b"\0", np.uint8).copy()
    start_decoder(coder, data, 0, len(part))
    found = []
    for context, _ in symbols:
        if context < 0:
            found.append(int(code_bits(coder, data, -context, 0)))
        else:
            found.append(int(code_bit(coder, data, REGISTERS + context, 0)))
    assert coder[OVERRUN] == 0
    assert coder[POSITION] >= len(part)
    return found


_bit = st.tuples(st.integers(0, 3), st.integers(0, 1))
_plain = st.integers(1, 20).flatmap(lambda n: st.tuples(st.just(-n), st.integers(0, (1 << n) - 1)))


@given(st.lists(st.one_of(_bit, _plain), max_size=300))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(symbols: list[tuple[int, int]]) -> None:
    assert _read(_write(symbols), symbols) == [value for _, value in symbols]


@pytest.mark.parametrize("value", [0, 1])
def test_a_run_that_forces_carries_comes_back(value: int) -> None:
    symbols = [(0, value)] * 5000 + [(-16, 0xFFFF), (1, 1 - value)] * 200 + [(0, 1 - value)] * 9
    assert _read(_write(symbols), symbols) == [v for _, v in symbols]


def test_nothing_written_takes_no_bytes() -> None:
    assert len(_write([])) <= 1


def test_ten_thousand_equal_bits_take_a_few_bytes() -> None:
    assert len(_write([(0, 1)] * 10_000)) < 12


def test_skewed_bits_cost_their_entropy() -> None:
    bits = (np.random.default_rng(1).random(50_000) < 0.1).astype(int)
    size = len(_write([(0, int(bit)) for bit in bits]))
    entropy = 50_000 * 0.469 / 8
    assert size < 1.03 * entropy


def test_the_cost_of_a_bit_is_what_it_adds() -> None:
    coder = new_coder(1)
    data = np.zeros(100, np.uint8)
    start_encoder(coder, len(data))
    assert bit_cost(coder, REGISTERS, 1) == pytest.approx(1.0, abs=0.01)
    for _ in range(200):
        code_bit(coder, data, REGISTERS, 1)
    assert bit_cost(coder, REGISTERS, 1) < 0.02
    assert bit_cost(coder, REGISTERS, 0) > 6


def test_a_full_buffer_sets_the_flag_and_writes_nothing_beyond() -> None:
    coder, data = new_coder(1), np.zeros(8, np.uint8)
    start_encoder(coder, 4)
    for k in range(100):
        code_bits(coder, data, 8, k * 37 & 0xFF)
    assert coder[OVERRUN] == 1
    assert not data[4:].any()


def test_reading_far_past_the_end_sets_the_flag() -> None:
    coder, data = new_coder(1), np.array([1, 2, 3], np.uint8)
    start_decoder(coder, data, 0, 3)
    for _ in range(40):
        code_bits(coder, data, 8, 0)
    assert coder[OVERRUN] == 1
