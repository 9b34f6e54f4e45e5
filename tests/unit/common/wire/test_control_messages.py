"""Control messages: what goes in comes out, and whatever else comes is refused by name."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import LimitError, SettingsError, UnknownVersionError, WireError
from rankcast.wire import (
    MAX_ID,
    MAX_REQUEST_BYTES,
    Limits,
    Reply,
    Request,
    pack_reply,
    pack_request,
    parse_reply,
    parse_request,
)
from rankcast.wire.control_messages import MAX_MAP_BYTES

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
NAMES = st.text(max_size=10)


def message(
    body: Any,
    packet: bytes = b"",
    *,
    magic: bytes = b"RKT\xa5",
    version: int = 1,
    flags: int = 0,
) -> bytes:
    """A message by hand, with a right CRC."""
    packed = body if isinstance(body, bytes) else msgpack.packb(body)
    crc = zlib.crc32(packed + packet)
    prefix = struct.pack("<4sBBHII", magic, version, flags, len(packed), len(packet), crc)
    return prefix + packed + packet


def request(**changes: Any) -> dict[str, Any]:
    return {"id": 7, "op": "ping", "camera": "", "args": {}, **changes}


def reply(**changes: Any) -> dict[str, Any]:
    return {"id": 7, "ok": True, "error": "", "result": {}, **changes}


@given(
    st.integers(0, MAX_ID),
    st.sampled_from(["get", "set", "no_such_op"]),
    st.sampled_from(["", "cam", "left-1"]),
    st.dictionaries(NAMES, SCALARS, max_size=8),
)
def test_a_request_comes_back(number: int, op: str, camera: str, args: dict[str, Any]) -> None:
    original = Request(number, op, camera, args)
    assert parse_request(pack_request(original)) == original


@given(
    st.integers(0, MAX_ID),
    st.booleans(),
    st.dictionaries(NAMES, SCALARS | st.dictionaries(NAMES, SCALARS, max_size=4), max_size=6),
    st.binary(max_size=100),
)
def test_a_reply_comes_back(number: int, ok: bool, result: dict[str, Any], packet: bytes) -> None:
    original = Reply(number, ok, "" if ok else "no such camera", result, packet)
    assert parse_reply(pack_reply(original)) == original


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"RKT",
        message(request(), magic=b"RKC\xa5"),
        message(request(), flags=1),
        message(request(), b"x"),
        message(request()) + b"x",
        message(request())[:-1],
        message(request())[:-1] + b"\xff",
        message([]),
        message(None),
        message(b""),
        message(b"\x91" * 5000),
        message(b"\xdf\xff\xff\xff\xff"),
        message({**request(), "more": 1}),
        message({"id": 1, "op": "get"}),
        message(request(id=-1)),
        message(request(id=2**32)),
        message(request(id=True)),
        message(request(id="1")),
        message(request(op="")),
        message(request(op="Get")),
        message(request(op="a" * 33)),
        message(request(op=b"get")),
        message(request(camera="A B")),
        message(request(camera=None)),
        message(request(camera="a" * 33)),
        message(request(args=None)),
        message(request(args=[])),
        message(request(args={1: 2})),
        message(request(args={"a": {}})),
        message(request(args={"a": [1]})),
        message(request(args={"a": msgpack.ExtType(1, b"x")})),
        message(request(args={str(number): 1 for number in range(65)})),
        message(request(args={"a": "x" * 4097})),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(wrong: bytes) -> None:
    with pytest.raises(WireError) as caught:
        parse_request(wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        reply(ok=1),
        reply(error=None),
        reply(error="x" * 501),
        reply(result=None),
        reply(result={"a": [1]}),
        reply(result={"a": {"b": {}}}),
        reply(result={"a": {1: 2}}),
        reply(id=None),
        {**reply(), "more": 1},
        {},
    ],
)
def test_a_wrong_reply_is_refused(wrong: Any) -> None:
    with pytest.raises(WireError):
        parse_reply(message(wrong))


def test_another_version_says_what_to_update() -> None:
    with pytest.raises(UnknownVersionError, match="update the older end"):
        parse_request(message(request(), version=2))


def test_nothing_longer_than_its_limit_is_read() -> None:
    with pytest.raises(LimitError, match="the limit is 8192"):
        parse_request(message(request(args={"a": b"x" * 4000, "b": b"x" * 4000, "c": b"x" * 500})))
    with pytest.raises(LimitError, match="the limit is"):
        parse_reply(message(reply(), b"x" * 70_000), Limits(max_packet_bytes=1024))
    with pytest.raises(LimitError, match=f"the limit is {MAX_MAP_BYTES}"):
        parse_reply(message({f"{number}": b"x" * 4000 for number in range(16)}))


def test_a_request_that_does_not_fit_is_an_error_of_its_maker() -> None:
    with pytest.raises(SettingsError, match=f"the limit is {MAX_REQUEST_BYTES}"):
        pack_request(Request(1, "set", "", {"a": "x" * 9000}))
    with pytest.raises(SettingsError, match="cannot be sent"):
        pack_request(Request(1, "set", "", {"a": 2**64}))
    with pytest.raises(SettingsError, match="cannot be sent"):
        pack_request(Request(1, "set", "", {"a": "\ud800"}))


def test_a_packet_travels_as_it_is() -> None:
    packet = bytes(range(256)) * 1000
    data = pack_reply(Reply(1, True, packet=packet))
    assert data.endswith(packet)
    assert parse_reply(data).packet == packet


def test_control_characters_of_an_error_reach_no_terminal() -> None:
    assert parse_reply(message(reply(ok=False, error="a\x1b[2Jb\n"))).error == r"a\x1b[2Jb\n"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for attempt in (data, message(data)):
        for parse in (parse_request, parse_reply):
            try:
                parse(attempt)
            except WireError:
                continue


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_is_refused(place: int, change: int) -> None:
    data = bytearray(pack_request(Request(9, "set", "cam", {"quality": 60})))
    data[place % len(data)] ^= change
    with pytest.raises(WireError):
        parse_request(bytes(data))
