"""Slices of `svd-patch` share the work: their borders move with what moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankcast
from rankcast.codec.svd_patch.balance import Balance
from rankcast.codec.svd_patch.geometry import SLICE_ROWS, Layout, geometry_of
from rankcast.codec.svd_patch.payload import HAS_BORDERS, split_payload
from rankcast.codec.svd_patch.picture import new_info
from rankcast.codec.svd_patch.slice import INTER, KIND, SKIPPED
from rankcast.errors import PayloadError
from rankcast.frame import Pixels
from rankcast.wire import Packet, pack, unpack

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
    with pytest.raises(PayloadError, match="want them to rise"):
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
