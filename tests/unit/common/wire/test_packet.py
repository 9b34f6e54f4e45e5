"""The packet format: every field comes back as it was sent."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import SettingsError, WireError
from rankcast.wire import Header, Kind, pack, unpack
from rankcast.wire.packed_header import FIELD_COUNT, PICTURE_COUNT
from support import packets
from support.headers import FULL, UINT64, headers


@given(headers(), st.binary(max_size=64))
def test_a_round_trip_is_exact_to_the_byte(header: Header, body: bytes) -> None:
    data = pack(header, body)
    parsed = unpack(data)
    assert parsed.size == len(data)
    assert bytes(parsed.body) == body
    assert pack(parsed.header, parsed.body) == data


def test_every_field_comes_back_with_its_type() -> None:
    got = unpack(pack(FULL, b"body")).header
    assert got == FULL
    assert type(got.kind) is Kind
    assert got.dtype == np.uint16
    assert got.samples == 24


def test_the_fields_have_the_order_of_the_documentation() -> None:
    data = pack(FULL, b"")
    fields = msgpack.unpackb(data[len(data) - _fields_bytes(FULL) :], use_list=False)
    assert FIELD_COUNT == len(packets.FIELDS) == len(fields) == 7
    by_name = dict(zip(packets.FIELDS, fields, strict=True))
    assert by_name["device_time_ns"] == 4
    assert by_name["checksum"] == 2**32 - 1
    assert by_name["x"] == FULL.x
    assert len(packets.PICTURE) == PICTURE_COUNT
    picture = dict(zip(packets.PICTURE, by_name["picture"], strict=True))
    assert (picture["dtype"], picture["cfa"], picture["model_id"]) == (2, 4, b"m" * 32)


def _fields_bytes(header: Header) -> int:
    bare = replace(header, params=(), codec=None, checksum=None, device_frame_id=None,
                   device_time_ns=None, meta={}, x={})  # fmt: skip
    # The length of the fields takes 2 bytes instead of 1.
    return len(pack(header)) - len(pack(bare)) - 1


def test_a_packet_is_that_of_the_documentation_to_the_byte() -> None:
    header = Header(
        Kind.PREDICTED,
        b"streamid",
        sequence=300,
        frame=301,
        ref_sequence=298,
        params=(7,),
        t_capture_mono_ns=5,
        utc_drift_ns=-2,
        energy_ppb=999_999_999,
    )
    content = bytes((1,)) + b"streamid" + bytes((0xAC, 2, 1, 2, 5, 3, 0, 2, 3)) + b"\x91\x91\x07"
    assert pack(header, b"body")[8:] == content + b"body"
    assert pack(header, b"body")[:4] == b"RKC\2"
    assert unpack(pack(header, b"body")).header == header


def test_fields_at_the_end_that_are_nil_may_be_sent_or_not() -> None:
    fields = packets.header(checksum=9)
    assert fields[-1] is None
    for count in (3, 4, 7):
        assert unpack(packets.assemble(fields[:count])).header.checksum == 9


def test_the_body_is_a_read_only_view_and_not_a_copy() -> None:
    buffer = bytearray(packets.packet())
    parsed = unpack(buffer)
    assert parsed.body.readonly
    buffer[-1] = 99
    assert parsed.body[-1] == 99


@pytest.mark.parametrize("kind_of_buffer", [bytes, bytearray, memoryview])
def test_any_buffer_will_do(kind_of_buffer: Any) -> None:
    assert unpack(kind_of_buffer(packets.packet())).header.sequence == 5


def test_a_complete_header_of_a_predicted_frame_is_not_packed() -> None:
    header = Header(Kind.PREDICTED, packets.STREAM_ID, 5, ref_sequence=4, codec=3, shape=(4, 4))
    with pytest.raises(ValueError, match="want predicted ones short"):
        pack(header)
    with pytest.raises(OverflowError, match="want an integer from 0"):
        pack(replace(header, kind=Kind.KEY, ref_sequence=None, sequence=2**64))


def test_a_predicted_frame_names_its_reference_and_is_short() -> None:
    header = unpack(packets.packet(kind=1, ref_sequence=4, params=None, picture=None)).header
    assert (header.ref_sequence, header.is_short, header.codec) == (4, True, None)
    assert (header.t_capture_utc_ns, header.utc_drift_ns) == (0, 8)
    assert unpack(packets.packet(kind=1, ref_sequence=4)).header.shape == (2, 3)


def test_a_key_frame_and_a_reference_have_a_picture() -> None:
    for head in (b"", [[1, 2]]):
        with pytest.raises(WireError, match="KEY without a picture"):
            unpack(packets.assemble(head))
    with pytest.raises(WireError, match="REFERENCE without a picture"):
        unpack(packets.packet(kind=4, picture=None))


@pytest.mark.parametrize("kind", [2, 3])
def test_status_and_end_carry_no_picture(kind: int) -> None:
    assert unpack(packets.packet(kind=kind, codec=None, shape=None)).header.shape is None
    for change in ({}, {"picture": None, "params": [1]}):
        with pytest.raises(WireError, match="with a picture or params"):
            unpack(packets.packet(kind=kind, **change))


def test_the_product_of_sides_at_the_limit_is_taken() -> None:
    assert unpack(packets.packet(shape=[16_384, 8_192])).header.samples == 2**27


def test_unknown_extensions_are_skipped() -> None:
    later = {"gain": 2.5, "regions": ((1, 2, 3, 4),)}
    assert unpack(packets.packet(x=later)).header.x == later


@pytest.mark.parametrize(
    "meta",
    [
        {1: 2},
        {"a": [1]},
        {"a": {"b": 1}},
        {"a": np.int64(3)},
        {"a": 2**64},
        {"a": -(2**63) - 1},
        {"a": "\ud800"},
        {"\udcff": 1},
        {"a": object()},
    ],
)
def test_metadata_that_cannot_travel_is_a_settings_error(meta: Any) -> None:
    with pytest.raises(SettingsError, match="metadata"):
        pack(Header(Kind.KEY, packets.STREAM_ID, 0, meta=meta))


def test_a_header_that_no_reader_takes_is_not_packed() -> None:
    with pytest.raises(SettingsError, match="header fields of"):
        pack(Header(Kind.KEY, packets.STREAM_ID, 0, x={"a": "x" * 9000}))


@pytest.mark.parametrize(
    ("squared_error", "dtype_bytes", "want"),
    [
        (None, 1, None),
        (0, 1, math.inf),
        (6, 1, 10 * math.log10(255**2)),
        (6, 2, 10 * math.log10(65_535**2)),
        (UINT64, 2, 10 * math.log10(65_535**2 * 6 / UINT64)),
    ],
)
def test_psnr_follows_from_squared_error_shape_and_dtype(
    squared_error: int | None, dtype_bytes: int, want: float | None
) -> None:
    header = Header(
        Kind.KEY,
        packets.STREAM_ID,
        0,
        shape=(2, 3),
        dtype_bytes=dtype_bytes,
        squared_error=squared_error,
    )
    assert header.psnr_db == (want if want is None else pytest.approx(want))
    assert Header(Kind.STATUS, packets.STREAM_ID, 0, squared_error=1).psnr_db is None
