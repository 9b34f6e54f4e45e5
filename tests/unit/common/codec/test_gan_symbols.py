"""The entropy coder of codec `gan`: levels come back, and a broken code is refused or harmless."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankcast.codec.gan.layout import channel_table, context_count
from rankcast.codec.gan.symbols import coder_from, decode_code, encode_code, learned_priors
from rankcast.core import function
from rankcast.errors import PayloadError

TABLE = channel_table(15, 6)
MARGIN = 4096
PRIORS = np.full(context_count(len(TABLE)), 1 << 15, np.uint16)


def code_of(seed: int, scale: float, shape: tuple[int, int] = (6, 7)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    falling = np.exp(-TABLE[:, 1] / 1.5)
    busy = rng.random((*shape, 1)) < 0.5
    values = rng.laplace(0, scale, (*shape, len(TABLE))) * falling * busy
    return values.astype(np.float32)


def test_planes_and_bands_follow_the_diagonals_of_a_block() -> None:
    assert TABLE[:, 0].tolist() == [0] * 15 + [1] * 6 + [2] * 6
    assert TABLE[:15, 1].tolist() == [0] + [1] * 5 + [2] * 9
    assert TABLE[15:21, 2].tolist() == list(range(6))
    assert channel_table(1, 2)[:, 2].tolist() == [-1, 0, -1, 0, -1]


@given(
    st.integers(0, 2**32),
    st.floats(0.01, 1e5),
    st.sampled_from([0.0, 0.15, 2.0]),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
@settings(max_examples=60)
def test_what_was_chosen_is_what_is_read(
    seed: int, scale: float, price: float, shape: tuple[int, int]
) -> None:
    values = code_of(seed, scale, shape)
    body, levels = encode_code(coder_from(PRIORS), values, TABLE, price)
    read = decode_code(coder_from(PRIORS), memoryview(body), values.shape, TABLE)
    assert np.array_equal(read, levels)
    bounded = values.clip(-1e5, 1e5)
    if price == 0:
        assert np.abs(levels - bounded).max() <= 0.5 + 1e-2
    else:
        assert np.all(np.abs(levels) <= np.abs(bounded) + 0.51)


def test_no_number_is_too_odd_to_be_coded() -> None:
    values = code_of(1, 5.0)
    values[0, 0, :4] = (np.nan, np.inf, -np.inf, 1e30)
    body, levels = encode_code(coder_from(PRIORS), values, TABLE, 0.15)
    assert np.array_equal(
        decode_code(coder_from(PRIORS), memoryview(body), values.shape, TABLE), levels
    )
    assert levels[0, 0, 0] == 0
    assert levels[0, 0, 1] == -levels[0, 0, 2] > 10_000


def test_a_code_of_noise_that_outgrows_its_buffer_is_coded_again() -> None:
    values = np.random.default_rng(0).uniform(-1e5, 1e5, (6, 7, len(TABLE))).astype(np.float32)
    body, levels = encode_code(coder_from(PRIORS), values, TABLE, 0.0)
    assert len(body) > 1.5 * values.size
    assert np.abs(levels - values).max() <= 0.51
    read = decode_code(coder_from(PRIORS), memoryview(body), values.shape, TABLE)
    assert np.array_equal(read, levels)


def test_a_price_saves_bytes_and_a_still_position_costs_next_to_nothing() -> None:
    values = code_of(2, 1.0, (40, 40))
    sizes = [len(encode_code(coder_from(PRIORS), values, TABLE, p)[0]) for p in (0.0, 0.1, 0.5)]
    assert sizes[0] > sizes[1] > sizes[2]
    empty, levels = encode_code(coder_from(PRIORS), np.zeros_like(values), TABLE, 0.1)
    assert not levels.any()
    assert len(empty) < 40 * 40 / 8 / 10


def test_learned_priors_save_bytes() -> None:
    coder = coder_from(PRIORS)
    for seed in range(20):
        encode_code(coder, code_of(seed, 1.5), TABLE, 0.15)
    priors = learned_priors([coder])
    fresh = code_of(99, 1.5)
    plain, levels = encode_code(coder_from(PRIORS), fresh, TABLE, 0.0)
    learned, _ = encode_code(coder_from(priors), fresh, TABLE, 0.0)
    assert len(learned) < 0.95 * len(plain)
    read = decode_code(coder_from(priors), memoryview(learned), fresh.shape, TABLE)
    assert np.array_equal(read, levels)


def test_a_cut_or_longer_body_is_refused() -> None:
    values = code_of(3, 2.0)
    body, _ = encode_code(coder_from(PRIORS), values, TABLE, 0.1)
    for wrong in (b"", body[: len(body) // 2], body[:-9], body + bytes(9), body + b"\1" * 40):
        with pytest.raises(PayloadError, match="bytes of code"):
            decode_code(coder_from(PRIORS), memoryview(wrong), values.shape, TABLE)


@given(st.binary(min_size=1, max_size=300), st.integers(0, 65_535))
@settings(max_examples=100)
def test_random_bytes_never_read_out_of_bounds(body: bytes, prior: int) -> None:
    priors = np.full_like(PRIORS, prior)
    try:
        levels = decode_code(coder_from(priors), memoryview(body), (5, 6, len(TABLE)), TABLE)
    except PayloadError:
        return
    assert np.abs(levels).max() < 2**19


def amid(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a copy of `array` in the middle of a larger one, and the larger one."""
    room = np.full(array.size + 2 * MARGIN, 77, array.dtype)
    inside = room[MARGIN:-MARGIN].reshape(array.shape)
    inside[...] = array
    return inside, room


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 6)])
@pytest.mark.parametrize("channels", [(1, 1), (15, 6), (64, 64)])
def test_nothing_beside_the_arrays_is_written(
    shape: tuple[int, int], channels: tuple[int, int]
) -> None:
    rng = np.random.default_rng(4)
    table = channel_table(*channels)
    priors = rng.integers(0, 65_536, context_count(len(table))).astype(np.uint16)
    values = rng.laplace(0, 20, (*shape, len(table))).astype(np.float32)
    body = np.zeros(values.size * 8, np.uint8)
    for attempt in range(20):
        state, state_room = amid(coder_from(priors))
        levels, levels_room = amid(np.zeros(values.shape, np.int32))
        coded, coded_room = amid(np.zeros(shape, np.uint16))
        if attempt % 2:
            size = int(rng.integers(0, 300))
            function("rk_gan_decode")(
                state, rng.integers(0, 256, 300).astype(np.uint8), size, levels, coded, *shape,
                table, len(table),
            )  # fmt: skip
        else:
            data, data_room = amid(body[: int(rng.integers(1, body.size))])
            function("rk_gan_encode")(
                state, data, data.size, values, levels, coded, *shape, table, len(table), 0.1
            )
            assert (data_room[:MARGIN] == 77).all()
            assert (data_room[-MARGIN:] == 77).all()
        for room in (state_room, levels_room, coded_room):
            assert (room[:MARGIN] == 77).all()
            assert (room[-MARGIN:] == 77).all()
