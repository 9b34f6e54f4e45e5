"""The packet format: every field comes back, and everything else is refused."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import LimitError, SettingsError, UnknownVersionError, WireError
from rankcast.wire import OFFLINE, Header, Kind, Limits, pack, unpack
from rankcast.wire.packed_header import FIELD_COUNT, MAX_FIELDS_BYTES, PICTURE_COUNT
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
    utc_drift_ns=-(2**63),
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

ELEMENTS = (*packets.FIELDS, *packets.PICTURE)

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
    """Headers as a parser returns them: those of predicted frames are short."""
    kind = draw(st.sampled_from(Kind))
    predicted = kind is Kind.PREDICTED
    header = Header(
        kind=kind,
        stream_id=draw(st.binary(min_size=8, max_size=8)),
        sequence=draw(uint64),
        frame=draw(uint64),
        ref_sequence=draw(uint64) if predicted else None,
        t_capture_mono_ns=draw(uint64),
        t_capture_utc_ns=0 if predicted else draw(uint64),
        utc_drift_ns=draw(st.integers(-(2**63), 2**63 - 1)) if predicted else None,
        device_frame_id=draw(st.none() | uint64),
        device_time_ns=draw(st.none() | uint64),
        squared_error=draw(st.none() | st.integers(0, UINT64 - 1)),
        energy_ppb=draw(st.none() | st.integers(0, 10**9)),
        checksum=draw(st.none() | st.integers(0, 2**32 - 1)),
        meta=draw(small_maps),
        x=draw(small_maps),
    )
    if not kind.is_picture:
        return header
    params = draw(st.lists(st.integers(-(2**63), UINT64) | st.floats(), max_size=8))
    header = replace(header, params=tuple(params))
    if predicted and draw(st.booleans()):
        return header
    dtype_bytes = draw(st.sampled_from([1, 2]))
    sides = st.integers(1, 300)
    return replace(
        header,
        layer=draw(st.integers(0, 255)),
        codec=draw(st.integers(0, 65_535)),
        shape=draw(st.tuples(sides, sides) | st.tuples(sides, sides, st.integers(1, 64))),
        dtype_bytes=dtype_bytes,
        significant_bits=draw(st.integers(0, 8 * dtype_bytes)),
        cfa=draw(st.integers(0, 4)),
        rank=tuple(draw(st.lists(st.integers(0, 65_535), max_size=64))),
        model_id=draw(st.none() | st.binary(min_size=1, max_size=32)),
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


@given(st.binary(max_size=200))
def test_noise_behind_a_kind_and_a_stream_is_read_or_refused(data: bytes) -> None:
    packet = packets.assemble(b"", data, begin=packets.start()[:9])
    try:
        parsed = unpack(packet)
    except WireError:
        return
    assert parsed.header.stream_id == packets.STREAM_ID


@given(st.sampled_from(ELEMENTS), scalars | st.lists(scalars, max_size=4) | small_maps)
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
    with pytest.raises(WireError, match="cut or damaged"):
        unpack(packets.packet() + b"\0")


def test_a_wrong_magic_and_a_later_version_are_named() -> None:
    with pytest.raises(WireError, match="a Rankcast packet begins with"):
        unpack(packets.assemble(packets.header(), magic=b"PNG"))
    for version in (0, 1, 3, 255):
        with pytest.raises(UnknownVersionError, match=f"version {version}, this is version 2"):
            unpack(packets.assemble(b"of another layout", version=version))


def test_version_1_is_refused_with_what_to_do() -> None:
    # The first bytes of every packet of version 1.
    first = b"RKC\xa5\1\0" + struct.pack("<HII", 3, 4, 0x12345678) + b"\x93\0\1body"
    with pytest.raises(UnknownVersionError) as caught:
        unpack(first)
    assert str(caught.value) == (
        "got a packet of version 1, this is version 2: update the sender, or decompress the file "
        "with the version that wrote it"
    )


@pytest.mark.parametrize("kind", [5, 6, 255])
def test_an_unknown_kind_is_refused(kind: int) -> None:
    begin = bytes((kind,)) + packets.start()[1:]
    with pytest.raises(WireError, match=f"kind is {kind}, want 0 to 4"):
        unpack(packets.assemble(packets.header(), begin=begin))


@pytest.mark.parametrize(
    "numbers",
    [
        b"",
        b"\x85",
        b"\xff" * 100,
        packets.leb128(2**64),
        b"\x85\x00" + packets.start()[10:],  # 5, but not in its shortest form
        packets.leb128(5) * 5,
    ],
)
def test_numbers_that_are_cut_too_large_or_too_long_are_refused(numbers: bytes) -> None:
    content = packets.start()[:9] + numbers
    with pytest.raises(WireError, match="is not an LEB128 number below 2\\^64"):
        unpack(b"RKC\2" + struct.pack("<I", zlib.crc32(content)) + content)


@pytest.mark.parametrize("change", [{"squared_error": UINT64}, {"energy_ppb": -1}])
def test_a_number_out_of_its_range_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(WireError, match=next(iter(change))):
        unpack(packets.packet(**change))


def test_fields_that_go_beyond_the_packet_are_refused() -> None:
    with pytest.raises(WireError, match="for header fields of 8000"):
        unpack(packets.assemble(packets.header(), head_bytes=8000))
    with pytest.raises(LimitError, match="header fields of 8193 bytes, the limit is 8192"):
        unpack(packets.assemble(packets.header(), head_bytes=8193))


def test_a_complete_header_of_a_predicted_frame_is_not_packed() -> None:
    header = Header(Kind.PREDICTED, packets.STREAM_ID, 5, ref_sequence=4, codec=3, shape=(4, 4))
    with pytest.raises(ValueError, match="want predicted ones short"):
        pack(header)
    with pytest.raises(OverflowError, match="want an integer from 0"):
        pack(replace(header, kind=Kind.KEY, ref_sequence=None, sequence=2**64))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            (name, value)
            for name in ("device_frame_id", "device_time_ns")
            for value in (-1, False, 1.0, "1", [])
        ],
        *[("picture", value) for value in (None, 1, [], {}, [0] * 8, [0] * 7, [0] * 9)],
        *[("layer", value) for value in (-1, 256, None, True)],
        *[("codec", value) for value in (-1, 65_536, None, True, "raw")],
        *[("params", value) for value in (1, [True], ["a"], [None], [[1]], {}, [0] * 65)],
        *[("shape", value) for value in (None, [], [1], [1, 2, 3, 4], [0, 3], [2, 0], [2, 3, 0])],
        *[("shape", value) for value in ([-1, 3], [2.0, 3], [True, 3], "23", {"a": 1}, [2, None])],
        *[("dtype", value) for value in (0, 3, None, True, "u1")],
        *[("significant_bits", value) for value in (-1, 9, None, False)],  # 9 of 8 bits
        *[("cfa", value) for value in (-1, 5, None, True, "RGGB")],
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


@pytest.mark.parametrize("elements", [[*packets.header(), None], 7, {}, "x", None])
def test_fields_of_another_number_are_refused(elements: object) -> None:
    with pytest.raises(WireError, match="want an array of at most 7"):
        unpack(packets.assemble(elements))


def test_a_predicted_frame_names_its_reference_and_is_short() -> None:
    header = unpack(packets.packet(kind=1, ref_sequence=4, params=None, picture=None)).header
    assert (header.ref_sequence, header.is_short, header.codec) == (4, True, None)
    assert (header.t_capture_utc_ns, header.utc_drift_ns) == (0, 8)
    assert unpack(packets.packet(kind=1, ref_sequence=4)).header.shape == (2, 3)


@pytest.mark.parametrize("kind", [2, 3])
def test_status_and_end_carry_no_picture(kind: int) -> None:
    assert unpack(packets.packet(kind=kind, codec=None, shape=None)).header.shape is None
    for change in ({}, {"picture": None, "params": [1]}):
        with pytest.raises(WireError, match="with a picture or params"):
            unpack(packets.packet(kind=kind, **change))


def test_a_key_frame_and_a_reference_have_a_picture() -> None:
    for head in (b"", [[1, 2]]):
        with pytest.raises(WireError, match="KEY without a picture"):
            unpack(packets.assemble(head))
    with pytest.raises(WireError, match="REFERENCE without a picture"):
        unpack(packets.packet(kind=4, picture=None))


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
    assert len(msgpack.packb(long)) > MAX_FIELDS_BYTES
    with pytest.raises(LimitError, match="header fields of"):
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
