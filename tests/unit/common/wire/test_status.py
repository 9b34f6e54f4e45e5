"""The status message: what goes in comes out, and foreign ones do no harm."""

from __future__ import annotations

import os
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import LimitError, WireError
from rankcast.wire import Kind, Status, pack_status, parse_status, unpack
from rankcast.wire.status import MAX_STREAMS, status_of
from support import packets

STATUS = Status(
    grabbed=12,
    published=10,
    lost={"mailbox": 1, "encode": 1},
    viewers=3,
    state="live",
    source="synthetic:conveyor",
    codec="svd",
    fps=19.5,
    keys={"authorized": 2, "refused": 0, "alarm": False},
    fidelity={"psnr_db": 38.5, "exact_frames": 0, "rank_max": 8},
    settings={"quality": 60, "colour": "ycc420"},
    camera={"exposure": 0.5, "trigger": "off"},
    control=5565,
    clock_synchronised=True,
    clock_error_ms=1.5,
    reporting=2,
    viewers_lost=7,
    viewers_latency_p99_ms=33.0,
    frame_interval_s=4.0,
    recorded=9,
    events=True,
)


def status_packet(body: object, kind: int = 2) -> bytes:
    packed = body if isinstance(body, bytes) else msgpack.packb(body)
    return packets.packet(packed, kind=kind, codec=None, shape=None)


def parse(body: object) -> Status:
    return parse_status(unpack(status_packet(body)))


@pytest.mark.parametrize("kind", [Kind.STATUS, Kind.END])
def test_a_status_comes_back_with_totals_and_clocks(kind: Kind) -> None:
    packet = unpack(pack_status(kind, packets.STREAM_ID, STATUS, 123, 456))
    header = packet.header
    assert header.kind is kind
    assert (header.sequence, header.frame) == (10, 12)
    assert (header.t_capture_mono_ns, header.t_capture_utc_ns) == (123, 456)
    assert parse_status(packet) == STATUS


def test_unknown_keys_are_skipped_and_missing_ones_take_defaults() -> None:
    assert parse({"temperature_c": 41.5, "grabbed": 3}) == Status(grabbed=3, state="", lost={})


@pytest.mark.parametrize(
    "wrong",
    [
        {"grabbed": -1},
        {"grabbed": True},
        {"published": 1.0},
        {"events": 1},
        {"lost": None},
        {"lost": []},
        {"lost": {"mailbox": -1}},
        {"lost": {"mailbox": True}},
        {"lost": {1: 1}},
        {"viewers": "3"},
        {"state": 1},
        {"state": b"live"},
        {"source": None},
        {"codec": 1},
        {"fps": 20},
        {"fps": float("nan")},
        {"fps": float("inf")},
        {"frame_interval_s": 4},
        {"frame_interval_s": -1.0},
        {"frame_interval_s": None},
        {"frame_interval_s": float("nan")},
        {"frame_interval_s": float("inf")},
        {"fps": None},
        {"fps": -1.0},
        {"fps": 1e10},
        {"keys": 1},
        {"keys": {"alarm": [True]}},
        {"fidelity": 1},
        {"fidelity": {"rank": [8, 8]}},
        {"settings": []},
        {"settings": None},
        {"settings": {"a": {}}},
        {"camera": {"a": [1]}},
        {"control": -1},
        {"control": 65_536},
        {"clock": 1},
        {"clock": {"synchronised": 1}},
        {"clock": {"error_ms": 1}},
        {"clock": {"error_ms": float("inf")}},
        {"clock": {"error_ms": 1e305}},
        {"clock": {"error_ms": -0.1}},
        {"reports": {"lost": -1}},
        {"reports": {"latency_p99_ms": "x"}},
        {"reports": {"latency_p99_ms": -1e9}},
        {1: 2},
        [],
        None,
        7,
        b"",
        b"\x91" * 5000,
        b"\xdf\xff\xff\xff\xff",
    ],
)
def test_a_wrong_status_is_refused(wrong: Any) -> None:
    with pytest.raises(WireError) as caught:
        parse(wrong)
    assert "\n" not in str(caught.value)


def test_a_status_above_64_kib_is_refused() -> None:
    with pytest.raises(LimitError, match="the limit is 65536"):
        parse({f"{number}": b"x" * 4000 for number in range(20)})


def test_a_picture_is_no_status() -> None:
    with pytest.raises(WireError, match="want status or end"):
        parse_status(unpack(packets.packet()))


def test_control_characters_of_a_foreign_sender_reach_no_terminal() -> None:
    status = parse(
        {"source": "a\x1b[2Jb\nc", "state": "\x07", "codec": "\u202e", "lost": {"x\x1b[31m\n": 2}}
    )
    assert status.source == r"a\x1b[2Jb\nc"
    assert status.state == r"\x07"
    assert status.codec == r"\u202e"
    assert status.lost == {r"x\x1b[31m\n": 2}


def test_a_long_or_broken_source_name_does_not_stop_the_sender() -> None:
    for source in ("ü" * 5000, "replay:" + os.fsdecode(b"/data/\xff\xfe.png")):
        data = pack_status(Kind.STATUS, packets.STREAM_ID, Status(source=source), 0, 0)
        got = parse_status(unpack(data)).source
        assert got
        assert source.startswith(got[:6])


@given(
    st.dictionaries(
        st.sampled_from(["grabbed", "published", "lost", "viewers", "state", "source", "fps", "x"]),
        st.none()
        | st.integers(-5, 2**64 - 1)
        | st.floats()
        | st.text(max_size=5)
        | st.dictionaries(st.text(max_size=3), st.integers(-1, 3), max_size=3),
    )
)
def test_any_status_is_parsed_or_refused(body: dict[str, Any]) -> None:
    try:
        status = parse(body)
    except WireError:
        return
    assert status.grabbed >= 0
    assert all(count >= 0 for count in status.lost.values())


def test_a_status_without_a_frame_interval_keeps_the_bytes_of_older_senders() -> None:
    unknown = pack_status(Kind.STATUS, packets.STREAM_ID, Status(), 1, 2)
    assert b"frame_interval_s" not in unknown
    assert parse_status(unpack(unknown)).frame_interval_s == 0.0


def test_the_streams_of_a_camera_come_back_in_their_order() -> None:
    streams = {"main": "640x360", "sub": "320x180", "door": "100x80+20+30", "new": "", "b": "+0+9"}
    data = pack_status(Kind.STATUS, bytes(8), Status(streams=streams), 1, 2)
    found = parse_status(unpack(memoryview(data))).streams
    assert list(found.items()) == list(streams.items())


def test_a_status_with_more_streams_than_a_sender_has_is_refused() -> None:
    streams = {f"s{number}": "" for number in range(MAX_STREAMS)}
    assert len(status_of({"streams": streams}).streams) == MAX_STREAMS
    with pytest.raises(WireError, match="got 33 streams of one camera, want at most 32"):
        status_of({"streams": {**streams, "more": ""}})


@pytest.mark.parametrize(
    "streams",
    [None, [], {"Sub": ""}, {"auto": ""}, {"a.b": ""}, {"sub": 7}, {"sub": "0x5"}, {"sub": "x"},
     {"sub": "640 x 360"}, {"sub": "1x1+2"}, {"sub": "99999999x1"}],
)  # fmt: skip
def test_streams_of_another_form_refuse_the_status(streams: Any) -> None:
    with pytest.raises(WireError):
        status_of({"streams": streams})
