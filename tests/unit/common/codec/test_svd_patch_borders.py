"""Slices of `svd-patch` share the work: their borders move with what moves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankcast
from rankcast import pool
from rankcast.codec.svd_patch.balance import Balance
from rankcast.codec.svd_patch.geometry import SLICE_ROWS, Layout, geometry_of
from rankcast.codec.svd_patch.payload import HAS_BORDERS, split_payload
from rankcast.codec.svd_patch.units import INTER, KIND, SKIPPED, new_info
from rankcast.errors import PayloadError
from rankcast.frame import Frame, Pixels
from rankcast.wire import Packet, pack, unpack
from support.later import later

pytestmark = pytest.mark.timeout(300)

SHAPE = (736, 1280)
GEOMETRY = geometry_of(Layout.GREY, SHAPE, 1)


def busy_top(number: int, rows: int = 192) -> Pixels:
    """Noise in the upper rows, and nothing else that changes."""
    picture = np.full(SHAPE, 90, np.uint8)
    picture[:rows] = np.random.default_rng(number).integers(60, 120, (rows, SHAPE[1]))
    return picture


def borders_of(packet: Packet) -> tuple[int, ...]:
    return split_payload(packet.body, GEOMETRY).borders


def test_slices_follow_the_work_and_are_rebuilt_as_they_were_coded() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", step=16.0), rankcast.Decoder()
    found = []
    for number in range(4):
        picture = busy_top(number)
        packet = unpack(encoder.encode(picture))
        error = decoder.decode_packet(packet).astype(np.int64) - picture
        assert packet.header.squared_error == int((error * error).sum())
        found.append(borders_of(packet))
    # 192 rows are six bands; half of the work lies in the first three.
    assert found[0] == found[1] == GEOMETRY.borders
    assert found[2] == found[3]
    assert found[2] == (3,)
    encoder.request_keyframe()
    packet = unpack(encoder.encode(busy_top(9)))
    assert borders_of(packet) == GEOMETRY.borders, "a key frame is work everywhere"


def test_borders_stay_where_work_is_spread_evenly() -> None:
    encoder = rankcast.Encoder("svd-patch", step=16.0)
    packets = [unpack(encoder.encode(busy_top(number, SHAPE[0]))) for number in range(4)]
    assert {borders_of(packet) for packet in packets} == {GEOMETRY.borders}
    assert not any(packet.body[0] & HAS_BORDERS for packet in packets)


@given(
    shape=st.sampled_from([(720, 1280), (721, 1290, 3), (2160, 3840), (240, 34_560)]),
    busy=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
@settings(deadline=None)
def test_no_slice_has_much_more_than_its_share(
    shape: tuple[int, ...], busy: tuple[float, float]
) -> None:
    layout = Layout.YCC420 if len(shape) == 3 else Layout.GREY
    geometry = geometry_of(layout, shape, 1)
    balance, info = Balance(geometry), new_info(geometry)
    for units in info:
        units[..., KIND] = SKIPPED
        first, last = (round(place * len(units)) for place in sorted(busy))
        units[first:last, :, KIND] = INTER
    balance.learn(info)
    work = []
    for top, bottom in geometry.planes[0].slices(balance.borders):
        inter = info[0][top:bottom, :, KIND] == INTER
        work.append(int(inter.sum()) * 32 + int((~inter).sum()))
    band = max(SLICE_ROWS * units * 32 for units in (geometry.planes[0].units_x,))
    assert max(work) <= 1.15 * sum(work) / geometry.slices + band


@pytest.mark.parametrize("border", [GEOMETRY.bands + 1, 200, 1 << 20])
def test_borders_outside_the_picture_are_refused(border: int) -> None:
    packet = unpack(rankcast.Encoder("svd-patch").encode(busy_top(0)))
    number = bytes([border & 127 | 128, border >> 7 & 127 | 128, border >> 14])
    body = bytes([packet.body[0] | HAS_BORDERS]) + number + bytes(packet.body[1:])
    with pytest.raises(PayloadError, match="not falling and at most 23"):
        rankcast.Decoder().decode(pack(packet.header, body))


def test_other_borders_than_those_it_was_coded_with_do_no_harm() -> None:
    packet = unpack(rankcast.Encoder("svd-patch").encode(busy_top(0)))
    header = replace(packet.header, checksum=None)
    decoder = rankcast.Decoder()
    for border in range(GEOMETRY.bands + 1):
        body = bytes([packet.body[0] | HAS_BORDERS, border]) + bytes(packet.body[1:])
        try:
            shown = decoder.decode(pack(header, body))
        except PayloadError:
            continue
        assert shown.shape == SHAPE
    assert decoder.decode_packet(packet).shape == SHAPE


def _with_borders(body: bytes, *borders: int) -> bytes:
    return bytes([body[0] | HAS_BORDERS, *borders]) + body[1:]


def test_a_picture_has_one_way_to_say_its_borders() -> None:
    packet = unpack(rankcast.Encoder("svd-patch").encode(busy_top(0)))
    body = bytes(packet.body)
    with pytest.raises(PayloadError, match="want the usual ones left out"):
        rankcast.Decoder().decode(pack(packet.header, _with_borders(body, *GEOMETRY.borders)))
    small = unpack(rankcast.Encoder("svd-patch").encode(busy_top(0)[:64, :64]))
    with pytest.raises(PayloadError, match="want the usual ones left out"):
        rankcast.Decoder().decode(pack(small.header, _with_borders(bytes(small.body))))


@pytest.mark.parametrize("extra", [1, 5])
def test_a_slice_without_rows_has_no_bytes(extra: int) -> None:
    # Two rows of units: the first of two slices has none.
    picture = np.resize(np.arange(40, 90, dtype=np.uint8), (15, 61_500))
    packet = unpack(rankcast.Encoder("svd-patch", step=60.0).encode(picture))
    body = bytes(packet.body)
    assert geometry_of(Layout.GREY, picture.shape, 1).borders == (0,)
    assert body[:2] == b"\x01\x00"
    shown = rankcast.Decoder().decode_packet(packet)
    # A decoder of slices alone would read these ahead and never miss them.
    longer = body[:1] + bytes([extra]) + bytes(extra) + body[2:]
    with pytest.raises(PayloadError, match=f"got {extra} bytes for a slice without rows"):
        rankcast.Decoder().decode(pack(packet.header, longer))
    # And the last one has none where all rows are before it.
    geometry = geometry_of(Layout.GREY, picture.shape, 1)
    rows = body[2:]
    moved = bytes([1 | HAS_BORDERS, geometry.bands]) + _leb128(len(rows)) + rows
    assert np.array_equal(rankcast.Decoder().decode(pack(packet.header, moved)), shown)
    with pytest.raises(PayloadError, match=f"got {extra} bytes for a slice without rows"):
        rankcast.Decoder().decode(pack(packet.header, moved + bytes(extra)))


def _leb128(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + _leb128(value >> 7)


def _moving(number: int, shape: tuple[int, ...], dtype: type) -> Pixels:
    """A picture of waves: they move in a part of it, as does noise."""
    height, width = shape[:2]
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    part = slice(width // 3, width // 3 + 600)
    picture = 0.5 + 0.3 * np.sin(x / 90) * np.cos(y / 17)
    picture[:, part] += 0.1 * np.sin((x[:, part] + 2.3 * number) / 5)
    noise = np.random.default_rng(number).normal(0, 0.02, (height, 200))
    picture[:, part.stop : part.stop + 200] += noise
    if len(shape) == 3:
        picture = picture[:, :, None] * np.linspace(0.7, 1.1, shape[2])
    pixels: Pixels = (np.clip(picture, 0, 1) * np.iinfo(dtype).max).astype(dtype)
    return pixels


@pytest.mark.parametrize(
    ("layout", "shape", "dtype"),
    [
        (Layout.GREY, (15, 61_500), np.uint8),
        (Layout.YCC420, (97, 9510, 3), np.uint8),
        later(Layout.YCC420, (66, 14_001, 3), np.uint16),
        (Layout.YCC444, (65, 14_200, 3), np.uint8),
        # The lower planes of these have a row of units less than the upper ones.
        (Layout.BAYER, (129, 7151), np.uint8),
        (Layout.BAYER, (65, 14_200), np.uint16),
        later(Layout.CHANNELS, (130, 7100, 2), np.uint8),
        later(Layout.GREY, (129, 64_310), np.uint8),
    ],
    ids=str,
)
def test_any_borders_are_rebuilt_as_they_were_coded(
    layout: Layout, shape: tuple[int, ...], dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    geometry = geometry_of(layout, shape, np.dtype(dtype).itemsize)
    count, bands = geometry.slices - 1, geometry.bands
    assert count >= 1
    random = np.random.default_rng(bands)
    # Nothing above, nothing below, cells of half-size chroma that begin beside multiples of 32.
    wanted: list[tuple[int, ...]] = [(0,) * count, (bands,) * count, (1,) * count]
    wanted.append(tuple(sorted(random.integers(0, bands + 1, count).tolist())))

    def learn(balance: Balance, _info: object) -> None:
        balance.borders = wanted[learnt[balance] % len(wanted)]
        learnt[balance] += 1

    learnt: Counter[Balance] = Counter()
    monkeypatch.setattr(Balance, "learn", learn)
    options = {"colour": "ycc444"} if layout is Layout.YCC444 else {}
    encoders = [rankcast.Encoder("svd-patch", threads=n, **options) for n in (1, 2)]
    decoders = [rankcast.Decoder(), rankcast.Decoder()]
    before, found = pool.threads(), []
    try:
        for number in range(len(wanted) + 2):
            picture = _moving(number, shape, dtype)
            frame = Frame(picture, cfa="GBRG" if layout is Layout.BAYER else "")
            packets = [unpack(encoder.encode(frame)) for encoder in encoders]
            assert packets[0].body == packets[1].body
            found.append(split_payload(packets[0].body, geometry).borders)
            for threads, decoder in zip((1, 2), decoders, strict=True):
                rankcast.set_threads(threads)
                error = decoder.decode_packet(packets[0]).astype(np.int64) - picture
                assert int((error * error).sum()) == packets[0].header.squared_error
    finally:
        rankcast.set_threads(before)
    assert found == [geometry.borders, geometry.borders, *wanted]
