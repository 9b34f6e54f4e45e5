"""The packet format: what is cut, damaged, too large or of another version is refused."""

from __future__ import annotations

import struct
import zlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import LimitError, SettingsError, UnknownVersionError, WireError
from rankcast.wire import OFFLINE, Header, Kind, Limits, pack, unpack
from rankcast.wire.packed_header import MAX_FIELDS_BYTES
from support import packets
from support.headers import ELEMENTS, FULL, UINT64, scalars, small_maps


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
