"""The adaptive binary range coder: what goes in comes out, in the bits that theory says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankcast.core import function
from rankcast.entropy.rangecoder import OVERRUN, POSITION, Bytes, Coder, new_coder

_start_encoder = function("rk_range_start_encoder")
_start_decoder = function("rk_range_start_decoder")
_finish_encoder = function("rk_range_finish_encoder")
_code = function("rk_range_code")
_cost = function("rk_range_cost")


def code(coder: Coder, data: Bytes, symbols: list[tuple[int, int]]) -> list[int]:
    """Write symbols, or read them: a context and a bit, or minus a count and as many bits."""
    contexts = np.array([context for context, _ in symbols], np.int64)
    values = np.array([value for _, value in symbols], np.int64)
    _code(coder, data, contexts, values, len(values))
    return values.tolist()


def cost(coder: Coder, bit: int) -> float:
    bits = np.zeros(1, np.float32)
    _cost(coder, 0, bit, bits)
    return float(bits[0])


def _write(symbols: list[tuple[int, int]], contexts: int = 4) -> bytes:
    coder, data = new_coder(contexts), np.zeros(1 << 16, np.uint8)
    _start_encoder(coder, len(data))
    code(coder, data, symbols)
    return data[: _finish_encoder(coder, data)].tobytes()


def _read(part: bytes, symbols: list[tuple[int, int]], contexts: int = 4) -> list[int]:
    coder = new_coder(contexts)
    data = np.frombuffer(part or b"\0", np.uint8).copy()
    _start_decoder(coder, data, 0, len(part))
    found = code(coder, data, [(context, 0) for context, _ in symbols])
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
    _start_encoder(coder, len(data))
    assert cost(coder, 1) == pytest.approx(1.0, abs=0.01)
    code(coder, data, [(0, 1)] * 200)
    assert cost(coder, 1) < 0.02
    assert cost(coder, 0) > 6


def test_a_full_buffer_sets_the_flag_and_writes_nothing_beyond() -> None:
    coder, data = new_coder(1), np.zeros(8, np.uint8)
    _start_encoder(coder, 4)
    code(coder, data, [(-8, k * 37 & 0xFF) for k in range(100)])
    assert coder[OVERRUN] == 1
    assert not data[4:].any()


def test_reading_far_past_the_end_sets_the_flag() -> None:
    coder, data = new_coder(1), np.array([1, 2, 3], np.uint8)
    _start_decoder(coder, data, 0, 3)
    code(coder, data, [(-8, 0)] * 40)
    assert coder[OVERRUN] == 1
