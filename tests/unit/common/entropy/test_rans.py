"""The entropy coder, alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rankcast.codec.svd import matrix
from rankcast.codec.svd.bands import BandReader
from rankcast.entropy import rans
from rankcast.errors import PayloadError


def pack_values(values: NDArray[np.int32]) -> bytes:
    """A matrix in one band: tables, then words."""
    coded = matrix.pack_values(values, [values.shape[0]])
    return bytes(coded.tables) + bytes(coded.words[0])


def unpack_values(data: bytes | bytearray, shape: tuple[int, int]) -> NDArray[np.int32]:
    tables = matrix.take_tables(BandReader(memoryview(data)))
    words = memoryview(data)[len(tables) :]
    return matrix.unpack_values(matrix.CodedMatrix(tables, [words]), [shape[0]], shape[1])


def parameters_of(zero: int, one: int, decay: int, shift: int = 0) -> NDArray[np.int64]:
    parameters = np.zeros((rans.CLASSES, rans.PARAMETERS), np.int64)
    parameters[0] = zero, one, decay, shift
    return parameters


def used_alone() -> NDArray[np.uint8]:
    used = np.zeros(rans.CLASSES, np.uint8)
    used[0] = 1
    return used


def frequencies_of(zero: int, one: int, decay: int, shift: int = 0) -> NDArray[np.uint16]:
    return rans.frequencies(parameters_of(zero, one, decay, shift), used_alone())[0]


@given(st.integers(1, 4095), st.integers(0, 255), st.integers(1, 255))
def test_every_table_sums_to_4096_and_ends_in_an_escape(zero: int, one: int, decay: int) -> None:
    frequency = frequencies_of(zero, one, decay)
    assert frequency.sum() == rans.SLOTS
    in_use = np.flatnonzero(frequency)
    assert in_use.size >= 2
    assert in_use.size % 2 == 0
    assert np.array_equal(in_use, np.arange(in_use.size)), "a hole in the symbols"


def test_classes_out_of_use_have_no_symbols() -> None:
    table = rans.frequencies(np.zeros((rans.CLASSES, rans.PARAMETERS), np.int64), used_alone() * 0)
    assert not table.any()


def coded_by_division(symbols: list[int], frequency: list[int]) -> tuple[list[int], list[int]]:
    """Words in the order of the decoder and the states it starts with, by plain division."""
    states, words = [1 << 15, 1 << 15], []
    starts = np.cumsum([0, *frequency]).tolist()
    for i in reversed(range(len(symbols))):
        symbol, state = symbols[i], states[i % 2]
        if state >= frequency[symbol] << 19:
            words.append(state & 0xFFFF)
            state >>= 16
        quotient, rest = divmod(state, frequency[symbol])
        states[i % 2] = (quotient << 12) + rest + starts[symbol]
    return words[::-1], states


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 4095), st.integers(0, 255), st.integers(1, 255), st.integers(0, 2**32 - 1))
def test_reciprocals_divide_exactly(zero: int, one: int, decay: int, seed: int) -> None:
    parameters = parameters_of(zero, one, decay)
    table = rans.frequencies(parameters, used_alone())
    frequency = table[0].tolist()
    pairs = np.count_nonzero(table[0]) // 2 - 1  # the escape has raw bits, which this leaves out
    values = np.random.default_rng(seed).integers(-pairs, pairs + 1, 400).astype(np.int32)
    symbols = [2 * abs(v) - (v > 0) for v in values.tolist()]
    ends = sorted(np.random.default_rng(seed).integers(0, 401, 3).tolist())
    parts, states = rans.encode(values, np.zeros(400, np.uint8), [*ends, 400], parameters, table)
    words = np.concatenate(parts).tolist()
    assert (words, list(states)) == coded_by_division(symbols, frequency)


def test_parameters_outside_their_ranges_are_refused() -> None:
    assert frequencies_of(1, 0, 1)[0] == 1
    for wrong in [(0, 0, 1), (4096, 0, 1), (1, 256, 1), (1, 0, 0), (1, 0, 256), (1, -1, 1),
                  (1, 0, 1, rans.MAX_SHIFT + 1), (1, 0, 1, -1)]:  # fmt: skip
        with pytest.raises(PayloadError, match="outside their ranges"):
            frequencies_of(*wrong)


@given(st.integers(1, 4095), st.integers(0, 255), st.integers(1, 255), st.integers(0, 24))
def test_every_slot_leads_to_the_symbol_that_holds_it(
    zero: int, one: int, decay: int, shift: int
) -> None:
    parameters = parameters_of(zero, one, decay, shift)
    table = rans.frequencies(parameters, used_alone())
    tables = rans.decoder_tables(parameters, table)
    assert np.array_equal(tables.lookup[0], np.repeat(np.arange(rans.SYMBOLS), table[0]))
    starts = np.cumsum(table[0]) - table[0]
    in_use = np.flatnonzero(table[0])
    assert np.array_equal(tables.entries[0, in_use] & 0xFFF, table[0, in_use])
    assert np.array_equal(tables.entries[0, in_use] >> 12 & 0xFFF, starts[in_use])
    assert not tables.lookup[1:].any()


def matrices() -> st.SearchStrategy[NDArray[np.int32]]:
    def build(seed: int, columns: int, length: int, scale: float) -> NDArray[np.int32]:
        rng = np.random.default_rng(seed)
        spread = rng.laplace(0, scale, (columns, length))
        return np.clip(np.rint(spread), -rans.MAX_VALUE, rans.MAX_VALUE).astype(np.int32)

    return st.builds(
        build,
        st.integers(0, 2**32 - 1),
        st.integers(1, 4),
        st.integers(1, 200),
        st.sampled_from([0.0, 0.1, 1.0, 10.0, 1e3, 1e6, 1e8, 1e12]),
    )


@settings(max_examples=100, deadline=None)
@given(matrices())
def test_matrices_of_any_scale_come_back(values: NDArray[np.int32]) -> None:
    coded = pack_values(values)
    assert np.array_equal(unpack_values(coded, values.shape), values)


def test_extreme_values_next_to_zeros_come_back() -> None:
    values = np.zeros((3, 130), np.int32)
    values[0, 0], values[1, 64], values[2, 129] = rans.MAX_VALUE, -rans.MAX_VALUE, 1
    coded = pack_values(values)
    assert np.array_equal(unpack_values(coded, values.shape), values)


@settings(max_examples=100, deadline=None)
@given(matrices(), st.data())
def test_the_first_bands_of_a_matrix_are_its_first_columns(
    values: NDArray[np.int32], data: st.DataObject
) -> None:
    columns, length = values.shape
    ends = [*sorted(data.draw(st.lists(st.integers(1, columns), max_size=3))), columns]
    coded = matrix.pack_values(values, ends)
    assert b"".join(map(bytes, coded.words)) == pack_values(values)[len(coded.tables) :]
    for count, end in enumerate(ends, 1):
        kept = matrix.CodedMatrix(coded.tables, coded.words[:count])
        found = matrix.unpack_values(kept, ends[:count], length, is_cut=True)
        assert np.array_equal(found, values[:end])


def test_a_band_whose_words_are_those_of_another_is_refused() -> None:
    values = np.rint(np.random.default_rng(0).laplace(0, 9, (4, 90))).astype(np.int32)
    coded = matrix.pack_values(values, [2, 4])
    first, second = map(bytes, coded.words)
    for words in ([first[:-2], first[-2:] + second], [first + second[:2], second[2:]],
                  [second, first], [first + second, b""], [first, second + b"\0"]):  # fmt: skip
        with pytest.raises(PayloadError):
            matrix.unpack_values(matrix.CodedMatrix(coded.tables, words), [2, 4], 90)
    cut = matrix.CodedMatrix(coded.tables, [first])
    assert np.array_equal(matrix.unpack_values(cut, [2], 90, is_cut=True), values[:2])
    with pytest.raises(PayloadError, match="want it whole"):
        matrix.unpack_values(cut, [2], 90)


def test_the_cost_is_near_the_entropy() -> None:
    rng = np.random.default_rng(3)
    values = np.rint(rng.laplace(0, 1.5, (20, 1000))).astype(np.int32)
    _, numbers = np.unique(values, return_counts=True)
    share = numbers / values.size
    entropy_bytes = -np.sum(share * np.log2(share)) * values.size / 8
    assert len(pack_values(values)) < 1.04 * entropy_bytes


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 3), st.integers(1, 150))
def test_random_bytes_end_in_a_payload_error_or_in_values(
    data: bytes, columns: int, length: int
) -> None:
    try:
        values = unpack_values(data, (columns, length))
    except PayloadError:
        return
    assert np.abs(values.astype(np.int64)).max() <= rans.MAX_VALUE


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.data())
def test_flipped_bits_end_in_a_payload_error_or_in_values(seed: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    values = np.rint(rng.laplace(0, 2.0, (3, 100))).astype(np.int32)
    coded = bytearray(pack_values(values))
    bit = data.draw(st.integers(0, 8 * len(coded) - 1))
    coded[bit // 8] ^= 1 << bit % 8
    try:
        decoded = unpack_values(coded, values.shape)
    except PayloadError:
        return
    assert decoded.shape == values.shape
    assert np.abs(decoded.astype(np.int64)).max() <= rans.MAX_VALUE


def test_missing_or_added_words_are_refused() -> None:
    coded = pack_values(np.arange(-50, 50, dtype=np.int32).reshape(1, 100))
    for wrong in (coded[:-2], coded + b"\0\0", coded[:-1], coded[:10], b""):
        with pytest.raises(PayloadError):
            unpack_values(wrong, (1, 100))
