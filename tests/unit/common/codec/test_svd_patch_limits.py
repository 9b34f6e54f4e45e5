"""`svd-patch` at its edges: long displacements, uneven planes, frames that are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rankcast
from rankcast.codec.svd_patch.geometry import Layout, geometry_of
from rankcast.errors import PayloadError, SettingsError
from rankcast.frame import Frame
from rankcast.wire import pack, unpack


@given(
    layout=st.sampled_from([Layout.GREY, Layout.YCC420, Layout.YCC444, Layout.BAYER]),
    height=st.integers(2, 5000),
    width=st.sampled_from([2, 641, 2000, 34_500]),
    places=st.lists(st.floats(0, 1), min_size=3, max_size=3),
)
def test_every_slice_lies_within_its_plane(
    layout: Layout, height: int, width: int, places: list[float]
) -> None:
    channels = (3,) if layout in (Layout.YCC420, Layout.YCC444) else ()
    geometry = geometry_of(layout, (height, width, *channels), 1)
    moved = sorted(round(place * geometry.bands) for place in places[: len(geometry.borders)])
    for borders in (geometry.borders, tuple(moved)):
        for plane in geometry.planes:
            ends = [0]
            for top, bottom in plane.slices(borders):
                assert top == ends[-1]
                assert bottom >= top
                ends.append(bottom)
            assert len(ends) == geometry.slices + 1
            assert ends[-1] == plane.units_y


def test_a_mosaic_whose_lower_planes_are_shorter_is_coded_and_hostile_ones_are_refused() -> None:
    frame = Frame(np.zeros((241, 34_500), np.uint8), cfa="RGGB")
    packet = unpack(rankcast.Encoder("svd-patch").encode(frame))
    assert not rankcast.Decoder().decode_packet(packet).any()
    small = unpack(
        rankcast.Encoder("svd-patch").encode(replace(frame, pixels=frame.pixels[:, :40]))
    )
    noise = np.random.default_rng(0).bytes(60_000)
    length = bytes([len(noise) & 127 | 128, len(noise) >> 7 & 127 | 128, len(noise) >> 14])
    body = b"\x01" + bytes([128, 128, 0]) + 2 * length + 2 * noise
    header = replace(small.header, shape=(241, 34_500), checksum=None)
    with pytest.raises(PayloadError):
        rankcast.Decoder().decode(pack(header, body))


@pytest.mark.parametrize("shift", [255.75, 256, 258])
@pytest.mark.parametrize("texture", [0, 300])
def test_displacements_beyond_the_longest_are_rebuilt_as_they_were_coded(
    shift: float, texture: int
) -> None:
    y, x = np.mgrid[0:320, 0:2400].astype(float)

    def picture(x: np.ndarray) -> np.ndarray:
        slow = np.sin(2 * np.pi * (x - 1200) / 4800) * np.cos(y / 200)
        return (32768 + 27000 * slow + texture * np.sin(x / 40 + y / 23)).astype(np.uint16)

    before, after = picture(x), picture(x)
    after[:96] = picture(x - shift)[:96]
    encoder, decoder = rankcast.Encoder("svd-patch", step=4.0), rankcast.Decoder()
    decoder.decode(encoder.encode(before))
    packet = unpack(encoder.encode(after))
    error = decoder.decode_packet(packet).astype(np.int64) - after
    assert packet.header.squared_error == int((error * error).sum())


def test_a_frame_that_could_not_be_packed_is_followed_by_a_key_frame() -> None:
    rng = np.random.default_rng(1)
    picture = np.kron(rng.integers(0, 255, (8, 8)), np.ones((8, 8))).astype(np.uint8)
    encoder, decoder = rankcast.Encoder("svd-patch"), rankcast.Decoder()
    decoder.decode(encoder.encode(picture))
    with pytest.raises(SettingsError):
        encoder.encode(np.roll(picture, 1, 1), meta={"a": "x" * 5000})
    assert decoder.decode(encoder.encode(np.roll(picture, 2, 1))).shape == picture.shape
