"""The packet format: every field comes back, and everything else is refused."""

from __future__ import annotations

import math
import struct
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import LimitError, SettingsError, UnknownVersionError, WireError
from rankcast.wire import OFFLINE, PREFIX, Header, Kind, Limits, pack, unpack
from rankcast.wire.header import FIELD_COUNT, MAX_HEADER_BYTES
from support import packets

UINT64 = 2**64 - 1
FULL = Header(
    kind=Kind.PREDICTED,
    stream_id=packets.STREAM_ID,
    sequence=UINT64,
    frame=UINT64 - 1,
    ref_sequence=UINT64 - 2,
    layer=255,
    codec=65_535,
    params=(1, -2, 0.5),
    shape=(3, 2, 4),
    dtype_bytes=2,
    significant_bits=12,
    cfa=4,
    t_capture_mono_ns=1,
    t_capture_utc_ns=UINT64,
    device_frame_id=3,
    device_time_ns=4,
    squared_error=5,
    energy_ppb=10**9,
    rank=(1, 65_535),
    model_id=b"m" * 32,
    checksum=2**32 - 1,
    meta={"none": None, "yes": True, "n": -1, "x": 1.5, "text": "Größe", "raw": b"\0\xff"},
    x={"later": {"nested": (1, 2)}},
)

uint64 = st.integers(0, UINT64)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), UINT64)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
small_maps = st.dictionaries(st.text(max_size=10), scalars, max_size=6)


@st.composite
def headers(draw: st.DrawFn) -> Header:
    kind = draw(st.sampled_from(Kind))
    dtype_bytes = draw(st.sampled_from([1, 2]))
    sides = st.integers(1, 300)
    return Header(
        kind=kind,
        stream_id=draw(st.binary(min_size=16, max_size=16)),
        sequence=draw(uint64),
        frame=draw(uint64),
        ref_sequence=draw(uint64) if kind is Kind.PREDICTED else None,
        layer=draw(st.integers(0, 255)),
        codec=draw(st.integers(0, 65_535)) if kind.is_picture else None,
        params=tuple(
            draw(st.lists(st.integers(-(2**63), UINT64) | st.floats(), max_size=8)),
        ),
        shape=draw(st.tuples(sides, sides) | st.tuples(sides, sides, st.integers(1, 64)))
        if kind.is_picture
        else None,
        dtype_bytes=dtype_bytes,
        significant_bits=draw(st.integers(0, 8 * dtype_bytes)),
        cfa=draw(st.integers(0, 4)),
        t_capture_mono_ns=draw(uint64),
        t_capture_utc_ns=draw(uint64),
        device_frame_id=draw(st.none() | uint64),
        device_time_ns=draw(st.none() | uint64),
        squared_error=draw(st.none() | uint64),
        energy_ppb=draw(st.none() | st.integers(0, 10**9)),
        rank=tuple(draw(st.lists(st.integers(0, 65_535), max_size=64))),
        model_id=draw(st.none() | st.binary(min_size=1, max_size=32)),
        checksum=draw(st.none() | st.integers(0, 2**32 - 1)),
        meta=draw(small_maps),
        x=draw(small_maps),
    )


@given(headers(), st.binary(max_size=64))
def test_a_round_trip_is_exact_to_the_byte(header: Header, body: bytes) -> None:
    data = pack(header, body)
    parsed = unpack(data)
    assert parsed.size == len(data)
    assert bytes(parsed.body) == body
    assert pack(parsed.header, parsed.body) == data


@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        unpack(data)


@given(st.binary(max_size=200))
def test_noise_behind_a_right_prefix_and_checksum_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        unpack(packets.assemble(data))


@given(st.sampled_from(packets.FIELDS), scalars | st.lists(scalars, max_size=4) | small_maps)
def test_any_value_in_any_field_is_taken_or_refused_and_never_crashes(
    name: str, value: object
) -> None:
    data = packets.packet(**{name: value})
    message = ""
    try:
        parsed = unpack(data)
        assert unpack(pack(parsed.header, parsed.body)).header.sequence == parsed.header.sequence
    except WireError as exc:
        message = str(exc)
    assert "\n" not in message
    assert len(message) < 300


def test_every_field_comes_back_with_its_type() -> None:
    got = unpack(pack(FULL, b"body")).header
    assert got == FULL
    assert type(got.kind) is Kind
    assert got.dtype == np.uint16
    assert got.samples == 24


def test_the_header_has_the_23_elements_of_the_documentation_in_order() -> None:
    data = pack(FULL, b"")
    elements = msgpack.unpackb(data[PREFIX.size :], use_list=False)
    assert FIELD_COUNT == len(packets.FIELDS) == len(elements) == 23
    by_name = dict(zip(packets.FIELDS, elements, strict=True))
    assert by_name["ref_sequence"] == FULL.ref_sequence
    assert by_name["dtype"] == 2
    assert by_name["device_time_ns"] == 4
    assert by_name["checksum"] == 2**32 - 1
    assert by_name["x"] == FULL.x


def test_the_prefix_is_16_little_endian_bytes() -> None:
    data = pack(FULL, b"body")
    magic, version, flags, header_bytes, body_bytes, _ = struct.unpack("<4sBBHII", data[:16])
    assert (magic, version, flags, body_bytes) == (b"RKC\xa5", 1, 0, 4)
    assert len(data) == 16 + header_bytes + 4


def test_prefix_and_header_of_a_predicted_frame_take_at_most_128_bytes() -> None:
    # A month of frames at 1,000 Hz, clocks of today, colour planes, all sums full.
    header = Header(
        kind=Kind.PREDICTED,
        stream_id=b"\xff" * 16,
        sequence=2_600_000_000,
        frame=2_600_000_001,
        ref_sequence=2_599_999_999,
        codec=3,
        params=(75, 1, 250, 8, 0),
        shape=(65_535, 65_535, 3),
        dtype_bytes=2,
        significant_bits=12,
        t_capture_mono_ns=10**15,
        t_capture_utc_ns=1_795_179_415_123_456_789,
        squared_error=10**15,
        energy_ppb=999_999_999,
        rank=(8, 8, 8),
        checksum=2**32 - 1,
    )
    assert len(pack(header)) <= 128


def test_the_body_is_a_read_only_view_and_not_a_copy() -> None:
    buffer = bytearray(packets.packet())
    parsed = unpack(buffer)
    assert parsed.body.readonly
    buffer[-1] = 99
    assert parsed.body[-1] == 99


@pytest.mark.parametrize("kind_of_buffer", [bytes, bytearray, memoryview])
def test_any_buffer_will_do(kind_of_buffer: Any) -> None:
    assert unpack(kind_of_buffer(packets.packet())).header.sequence == 5


def test_a_packet_cut_anywhere_is_refused() -> None:
    data = pack(FULL, b"body")
    for length in range(len(data)):
        with pytest.raises(WireError):
            unpack(data[:length])


def test_every_single_flipped_bit_is_refused() -> None:
    data = bytearray(pack(FULL, b"body"))
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(WireError):
            unpack(bytes(data))
        data[bit // 8] ^= 1 << (bit % 8)
    assert unpack(bytes(data)).header == FULL


def test_one_byte_too_many_is_refused() -> None:
    with pytest.raises(WireError, match="the prefix promises"):
        unpack(packets.packet() + b"\0")


def test_wrong_magic_flags_and_versions_are_named() -> None:
    with pytest.raises(WireError, match="a Rankcast packet begins with"):
        unpack(packets.assemble(packets.header(), magic=b"\x89PNG"))
    with pytest.raises(WireError, match="flags 0x80"):
        unpack(packets.assemble(packets.header(), flags=0x80))
    for version in (0, 2, 255):
        with pytest.raises(UnknownVersionError, match=f"version {version}, this is version 1"):
            unpack(packets.assemble(b"of another layout", version=version))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("kind", value) for value in (-1, 4, None, True, 0.0, "0")],
        *[("stream_id", value) for value in (b"", b"x" * 15, b"x" * 17, "x" * 16, None)],
        *[
            (name, value)
            for name in ("sequence", "frame", "t_capture_mono_ns", "t_capture_utc_ns")
            for value in (-1, True, 1.0, "1", None, b"1", [1])
        ],
        *[
            (name, value)
            for name in ("device_frame_id", "device_time_ns", "squared_error")
            for value in (-1, False, 1.0, "1", [])
        ],
        *[("ref_sequence", value) for value in (-1, True, 1.0, 3)],  # 3: a key frame has none
        *[("layer", value) for value in (-1, 256, None, True)],
        *[("codec", value) for value in (-1, 65_536, None, True, "raw")],
        *[("params", value) for value in (None, 1, [True], ["a"], [None], [[1]], {}, [0] * 65)],
        *[("shape", value) for value in (None, [], [1], [1, 2, 3, 4], [0, 3], [2, 0], [2, 3, 0])],
        *[("shape", value) for value in ([-1, 3], [2.0, 3], [True, 3], "23", {"a": 1}, [2, None])],
        *[("dtype", value) for value in (0, 3, None, True, "u1")],
        *[("significant_bits", value) for value in (-1, 9, None, False)],  # 9 of 8 bits
        *[("cfa", value) for value in (-1, 5, None, True, "RGGB")],
        *[("energy_ppb", value) for value in (-1, 10**9 + 1, True, 0.5)],
        *[("rank", value) for value in (None, 3, [-1], [True], [1.0], [65_536], [1] * 65)],
        *[("model_id", value) for value in (b"", b"x" * 33, "x", 1)],
        *[("checksum", value) for value in (-1, 2**32, True, b"abcd")],
        *[("meta", value) for value in ([], 1, {"a": [1]}, {"a": {}}, {1: 2}, {b"a": 1})],
        *[("x", value) for value in ([], 1, "x", {1: 2}, {b"a": 1})],
    ],
)
def test_a_wrong_element_is_refused(name: str, value: object) -> None:
    unpack(packets.packet())
    with pytest.raises(WireError):
        unpack(packets.packet(**{name: value}))


@pytest.mark.parametrize("elements", [packets.header()[:-1], [*packets.header(), None], [], 7, {}])
def test_a_header_of_another_number_of_elements_is_refused(elements: object) -> None:
    with pytest.raises(WireError, match="want an array of 23"):
        unpack(packets.assemble(elements))


def test_a_predicted_frame_names_its_reference_and_no_other_kind_does() -> None:
    assert unpack(packets.packet(kind=1, ref_sequence=4)).header.ref_sequence == 4
    with pytest.raises(WireError, match="ref_sequence"):
        unpack(packets.packet(kind=1, ref_sequence=None))
    for kind in (2, 3):
        with pytest.raises(WireError, match="ref_sequence"):
            unpack(packets.packet(kind=kind, ref_sequence=4, codec=None, shape=None))


@pytest.mark.parametrize("kind", [2, 3])
def test_status_and_end_carry_no_picture(kind: int) -> None:
    assert unpack(packets.packet(kind=kind, codec=None, shape=None)).header.shape is None
    with pytest.raises(WireError, match="with codec 0"):
        unpack(packets.packet(kind=kind, shape=None))
    with pytest.raises(WireError, match="shape"):
        unpack(packets.packet(kind=kind, codec=None))


@pytest.mark.parametrize(
    "shape",
    [
        [2**31, 2**31],
        [100_000, 100_000],
        [UINT64, UINT64, 64],
        [65_536, 1],
        [1, 65_536],
        [65_535, 65_535],
        [16_384, 8_193],
        [2, 3, 65],
    ],
)
def test_absurd_sizes_are_refused_before_anything_is_allocated(shape: list[int]) -> None:
    with pytest.raises(LimitError, match="the limit is"):
        unpack(packets.packet(shape=shape))


def test_the_product_of_sides_at_the_limit_is_taken() -> None:
    assert unpack(packets.packet(shape=[16_384, 8_192])).header.samples == 2**27


def test_settable_limits_hold() -> None:
    limits = Limits(max_packet_bytes=200, max_side=10, max_samples=40)
    assert unpack(packets.packet(shape=[10, 4]), limits).header.shape == (10, 4)
    for shape in ([11, 1], [10, 5], [5, 4, 3]):
        with pytest.raises(LimitError):
            unpack(packets.packet(shape=shape), limits)
    with pytest.raises(LimitError, match=r"packet of .* the limit is 200"):
        unpack(packets.packet(b"x" * 200), limits)
    assert Limits().max_packet_bytes == 32 << 20
    assert OFFLINE.max_packet_bytes == 128 << 20


def test_a_header_above_its_limit_is_refused() -> None:
    long = packets.header(x={f"{number}": "x" * 3000 for number in range(3)})
    assert len(msgpack.packb(long)) > MAX_HEADER_BYTES
    with pytest.raises(LimitError, match="header of"):
        unpack(packets.assemble(long))


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x91" * 8000 + b"\xc0",  # arrays nested 8,000 deep
        b"\x81\xa1a" * 2500 + b"\xc0",  # maps nested 2,500 deep
        b"\xdd\xff\xff\xff\xff",  # an array of 2^32 - 1
        b"\xdf\xff\xff\xff\xff",  # a map of 2^32 - 1
        b"\xdb\xff\xff\xff\xff",  # a text of 2^32 - 1
        b"\xc6\xff\xff\xff\xff",  # bytes
        b"\xc9\xff\xff\xff\xff\x01",  # an extension
        b"\xc1",  # never used by msgpack
        b"",
        b"\xa2\xff\xfe",  # no UTF-8
    ],
)
def test_msgpack_bombs_are_refused(bomb: bytes) -> None:
    with pytest.raises(WireError, match="not msgpack within the limits"):
        unpack(packets.assemble(bomb))
    inside = msgpack.packb(packets.header())[:-1] + bomb
    with pytest.raises(WireError):
        unpack(packets.assemble(inside))


@pytest.mark.parametrize(
    "extension",
    [b"\xd4\x01\x00", b"\xc7\x00\x01", b"\xd6\xff\x00\x00\x00\x00", b"\xc7\x00\xff"],
)
def test_extension_types_are_refused_also_when_empty_and_in_x(extension: bytes) -> None:
    plain = msgpack.packb(packets.header())
    for inside in (b"\x81\xa1a" + extension, b"\x81\xa1a\x91" + extension):
        with pytest.raises(WireError, match="not msgpack within the limits"):
            unpack(packets.assemble(plain[:-1] + inside))


def test_unknown_extensions_are_skipped() -> None:
    later = {"gain": 2.5, "regions": ((1, 2, 3, 4),)}
    assert unpack(packets.packet(x=later)).header.x == later


def test_metadata_above_its_limit_is_refused_at_both_ends() -> None:
    fits = {"a": "x" * 4089}
    assert len(msgpack.packb(fits)) <= 4096
    assert unpack(packets.packet(meta=fits)).header.meta == fits
    for large in ({"a": "x" * 4000, "b": "x" * 100}, {"a": b"x" * 3000, "b": b"x" * 3000}):
        with pytest.raises(LimitError, match="metadata of"):
            unpack(packets.packet(meta=large))
        with pytest.raises(SettingsError, match="metadata entries of"):
            pack(Header(Kind.KEY, packets.STREAM_ID, 0, meta=large))
    many = {str(number): 0 for number in range(65)}
    with pytest.raises(WireError):
        unpack(packets.packet(meta=many))
    with pytest.raises(SettingsError, match="65 metadata entries"):
        pack(Header(Kind.KEY, packets.STREAM_ID, 0, meta=many))


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
    with pytest.raises(SettingsError, match="header of"):
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
