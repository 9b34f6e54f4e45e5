"""RankCut: packets at a lower rank, without decoding them, and whatever a peer sends instead."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rankcast
from rankcast.codec.svd import cut, read_bands
from rankcast.errors import LimitError, PayloadError, WireError
from rankcast.rank_cut import CutCounts, RankCut, cut_to_rank, ranks_of, report_values
from rankcast.wire import Kind, Limits, Status, pack, pack_status, unpack
from support.moving_scene import scene

ENCODER = rankcast.Encoder("svd", rank=80)
DATA = ENCODER.encode(scene(0, (90, 100, 3)))
WHOLE = unpack(DATA)
RANKS = [max(band.rank) for band in read_bands(WHOLE)]


def cutter(rank: int) -> RankCut:
    return RankCut(rank, "cam")


def test_a_packet_is_cut_to_its_highest_band_at_or_below_the_rank() -> None:
    assert RANKS == [10, 20, 40, 80]
    for wanted, bands in ((10, 1), (19, 1), (20, 2), (39, 2), (40, 3), (79, 3)):
        one = cutter(wanted)
        left = one.cut_bytes(DATA)
        expected = cut(WHOLE, bands)
        assert left == pack(expected.header, expected.body)
        assert unpack(left).header.rank == (RANKS[bands - 1],) * 3
        assert one.counts == CutCounts(1, 0, len(DATA), len(left))


def test_a_packet_that_has_no_higher_rank_is_the_very_same_object() -> None:
    for wanted in (80, 81, 65_535):
        one = cutter(wanted)
        assert one.cut_bytes(DATA) is DATA
        assert one.counts == CutCounts(0, 0, len(DATA), len(DATA))


def test_the_header_tells_rank_energy_and_error_of_what_is_left() -> None:
    left = unpack(cutter(20).cut_bytes(DATA)).header
    band = read_bands(WHOLE)[1]
    assert (left.rank, left.energy_ppb, left.squared_error) == (
        band.rank, band.energy_ppb, band.squared_error,
    )  # fmt: skip
    assert left.energy is not None
    assert WHOLE.header.energy is not None
    assert left.energy < WHOLE.header.energy


def test_a_rank_below_the_lowest_band_leaves_that_band_and_says_so_once_per_stream(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = cutter(3)
    for _ in range(5):
        assert unpack(one.cut_bytes(DATA)).header.rank == (10, 10, 10)
    assert one.counts.cut == 5
    assert caplog.messages == ["cam: cut to rank 10 instead of 3: no band has less"]


@pytest.mark.parametrize(
    ("codec", "options", "said"),
    [
        ("svd-patch", {}, "only packets of codec svd have bands"),
        ("jpeg", {}, "only packets of codec svd have bands"),
        ("pca", {"components": 30}, "only packets of codec svd have bands"),
        ("svd", {"rank": 14}, "packets have one band, of rank 14"),
    ],
)
def test_packets_that_cannot_be_cut_pass_whole_and_one_line_says_so(
    codec: str, options: dict[str, int], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "rankcast.rank_cut")
    encoder, one = rankcast.Encoder(codec, **options), cutter(9)
    for number in range(4):  # of svd-patch the later ones are predicted
        data = encoder.encode(scene(number, (48, 64)))
        assert one.cut_bytes(data) is data
    assert one.counts.uncut == 4
    assert one.counts.cut == 0
    assert one.counts.bytes_before == one.counts.bytes_after
    assert caplog.messages == [f"cam: not cut to rank 9: {said}"]


def test_a_peer_that_begins_a_stream_with_every_packet_does_not_flood_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = cutter(9)
    for number in range(200):
        header = replace(WHOLE.header, codec=2, stream_id=number.to_bytes(8, "little"))
        one.cut_bytes(pack(header, b"jpeg"))
    assert one.counts.uncut == 200
    assert len(caplog.messages) < 5


def test_a_status_is_no_picture_and_counts_as_none() -> None:
    data = pack_status(Kind.STATUS, bytes(8), Status(published=3), 1, 2)
    one = cutter(9)
    assert one.cut_bytes(data) is data
    assert one.counts == CutCounts()


def test_an_unknown_codec_passes_for_whoever_knows_it() -> None:
    data = pack(replace(WHOLE.header, codec=999), b"later")
    one = cutter(9)
    assert one.cut_bytes(data) is data
    assert one.counts.uncut == 1


def test_a_packet_beyond_the_limits_is_refused_before_it_is_cut() -> None:
    with pytest.raises(LimitError):
        cutter(9).cut_bytes(DATA, Limits(max_packet_bytes=1024))
    with pytest.raises(WireError):
        cutter(9).cut_bytes(DATA[:-1])


def entry_at(body: bytes, offset: int, value: int, size: int) -> bytes:
    return body[:offset] + value.to_bytes(size, "little") + body[offset + size :]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "got 0 bytes of factors"),
        (b"\x09" + bytes(WHOLE.body)[1:], "got 9 bands"),
        (entry_at(bytes(WHOLE.body), 8, 2**32 - 1, 4), "the lengths of bands promise"),
        # The squared error of the header is one less than its number, which has 64 bits.
        (entry_at(bytes(WHOLE.body), 12, 2**64 - 1, 8), "has no header"),
        (entry_at(bytes(WHOLE.body), 20, 2**32 - 1, 4), "want at most 1000000000"),
    ],
)
def test_bands_that_contradict_each_other_are_one_refused_packet(body: bytes, said: str) -> None:
    one = cutter(10)
    with pytest.raises(PayloadError, match=said) as caught:
        one.cut_bytes(pack(WHOLE.header, body))
    assert "\n" not in str(caught.value)
    assert one.cut_bytes(DATA) is not DATA  # the next one is cut as ever
    assert one.counts.cut == 1


def test_fields_that_grow_when_they_are_written_again_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # msgpack has floats of 4 bytes, which are read as such of 8 bytes and written so.
    floats = tuple(float(n) for n in range(64))
    header = replace(WHOLE.header, x={f"k{n}": floats for n in range(22)})
    with monkeypatch.context() as patch:
        patch.setattr(
            "rankcast.wire.packed_header.msgpack",
            SimpleNamespace(packb=partial(msgpack.packb, use_single_float=True)),
        )
        data = pack(header, WHOLE.body)
    assert unpack(data).header == header
    with pytest.raises(PayloadError, match="has no header"):
        cutter(10).cut_bytes(data)


@given(st.binary(max_size=200), st.integers(1, 90), st.integers(0, 64))
def test_whatever_the_body_is_nothing_but_a_wire_error_is_raised(
    noise: bytes, rank: int, start: int
) -> None:
    body = bytes(WHOLE.body)
    body = body[:start] + noise + body[start + len(noise) :]
    data = pack(WHOLE.header, body)
    one = cutter(rank)
    try:
        left = one.cut_bytes(data)
    except WireError as exc:
        assert "\n" not in str(exc)  # noqa: PT017 - most are refused, some are not
        return
    header = unpack(left).header
    assert len(left) <= len(data)
    assert left is data or max(header.rank) < max(WHOLE.header.rank)


@given(
    st.lists(st.integers(0, 65_535), max_size=64),
    st.sampled_from([0, 1, 2, 3, 5, 7, 900]),
    st.binary(max_size=80),
    st.integers(1, 65_535),
)
def test_whatever_the_header_claims_nothing_but_a_wire_error_is_raised(
    ranks: list[int], codec: int, body: bytes, rank: int
) -> None:
    data = pack(replace(WHOLE.header, rank=tuple(ranks), codec=codec), body)
    try:
        left = cutter(rank).cut_bytes(data)
    except WireError:
        return
    assert len(left) <= len(data)


def test_what_is_cut_decodes_to_the_truncation_of_the_whole() -> None:
    left = cutter(20).cut_bytes(DATA)
    want = rankcast.Decoder().decode_packet(cut(WHOLE, 2))
    assert np.array_equal(rankcast.Decoder().decode(left), want)
    again = cutter(10).cut_bytes(left)
    assert again == cutter(10).cut_bytes(DATA)


def test_bands_of_other_codecs_are_none_and_ranks_outside_are_refused() -> None:
    packet = unpack(rankcast.Encoder("jpeg").encode(scene(0, (48, 64))))
    assert ranks_of(packet) == ()
    assert [max(ranks) for ranks in ranks_of(WHOLE)] == RANKS
    with pytest.raises(ValueError, match="without bands"):
        cut_to_rank(packet, 1)
    for wrong in (0, -1, 65_536):
        with pytest.raises(ValueError, match="want 1 to 65535"):
            cutter(wrong)


def test_reports_have_the_sums_of_all_cameras_and_nothing_without_a_rank() -> None:
    both = CutCounts(1, 2, 30, 20) + CutCounts(4, 0, 100, 50)
    assert report_values(20, both) == {
        "rank": 20, "cut": 5, "uncut": 2, "bytes_before": 130, "bytes_after": 70,
    }  # fmt: skip
    assert report_values(0, CutCounts()) is None
