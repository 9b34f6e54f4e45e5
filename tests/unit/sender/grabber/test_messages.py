"""Messages of the grabber process: whatever a driver makes of them, one error in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast_sender.grabber.messages import (
    Applied,
    Failed,
    GrabberProtocolError,
    Idle,
    Opened,
    Pong,
    RingWanted,
    SlotWritten,
    parse_message,
)

FRAME = {
    "msg": "frame", "slot": 2, "bytes": 48, "height": 6, "width": 8, "channels": 1,
    "sample_bytes": 1, "significant_bits": 0, "cfa": "", "device_frame_id": None,
    "device_time_ns": 7, "boot_ns": 1, "utc_ns": 2, "lost": 3, "dropped": 4,
}  # fmt: skip
OPENED = {
    "msg": "opened", "description": "a camera", "frame_interval_s": 0.05,
    "values": {"gain": 1.0, "trigger": "off", "width": 8}, "waits_for_trigger": False,
    "polls": True, "longest_read_s": 0.25, "warning": "",
}  # fmt: skip
MESSAGES = [
    FRAME,
    OPENED,
    {**OPENED, "msg": "applied", "id": 3, "why": ""},
    {"msg": "applied", "id": 3, "why": "no"},
    {"msg": "ring", "bytes": 48},
    {"msg": "idle", "lost": 0, "dropped": 1},
    {"msg": "pong"},
    {"msg": "failed", "why": "gone", "refused": False, "lost": 0, "dropped": 0},
]


def line(values: Any) -> bytes:
    return json.dumps(values).encode()


def test_each_message_is_parsed() -> None:
    kinds = [type(parse_message(line(values))) for values in MESSAGES]
    assert kinds == [SlotWritten, Opened, Applied, Applied, RingWanted, Idle, Pong, Failed]
    frame = parse_message(line(FRAME))
    assert isinstance(frame, SlotWritten)
    assert (frame.slot, frame.frame_bytes, frame.lost, frame.dropped) == (2, 48, 3, 4)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"slot": -1}, "'slot' = -1"),
        ({"line": 1}, "'line' = 1"),
        ({"slot": 1.0}, "'slot' = 1.0"),
        ({"slot": True}, "'slot' = True"),
        ({"bytes": 47}, "47 bytes for a frame of 8x6x1 samples of 1 bytes"),
        ({"width": 1 << 40, "bytes": 6 << 40}, "width"),
        ({"sample_bytes": 4, "bytes": 192}, "'sample_bytes' = 4"),
        ({"significant_bits": 12}, "'significant_bits' = 12"),
        ({"cfa": "RGBW"}, "cfa"),
        ({"cfa": "RGGB", "channels": 3, "bytes": 144}, "cfa"),
        ({"lost": -5}, "'lost' = -5"),
        ({"device_frame_id": "a"}, "device_frame_id"),
        ({"boot_ns": 1 << 64}, "boot_ns"),
        ({"msg": "explode"}, "'msg' = 'explode'"),
    ],
)
def test_a_frame_that_cannot_be_is_refused(change: dict[str, Any], part: str) -> None:
    with pytest.raises(GrabberProtocolError) as caught:
        parse_message(line({**FRAME, **change}))
    assert part in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"values": []},
        {"values": {"gain": [1]}},
        {"values": {str(n): n for n in range(100)}},
        {"values": {"gain": 1 << 70}},
        {"frame_interval_s": 0},
        {"frame_interval_s": float("nan")},
        {"waits_for_trigger": 1},
        {"polls": None},
        {"longest_read_s": None},
        {"description": 5},
        {"description": "x" * 5000},
    ],
)
def test_an_open_device_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(GrabberProtocolError):
        parse_message(line({**OPENED, **change}))


def test_control_characters_of_a_device_do_not_reach_a_terminal() -> None:
    opened = parse_message(line({**OPENED, "description": "cam\x1b[31m\n2"}))
    assert isinstance(opened, Opened)
    assert opened.facts.description.isprintable()


def parsed_or_refused(text: bytes) -> None:
    try:
        parse_message(text)
    except GrabberProtocolError as exc:
        refusal = str(exc)
    else:
        refusal = ""
    assert not refusal or (refusal.isprintable() and len(refusal) < 300)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_refused(text: bytes) -> None:
    parsed_or_refused(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.sampled_from(MESSAGES), st.data())
def test_any_value_of_any_key_is_a_message_or_refused(
    message: dict[str, Any], data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from([*message, "other"]))
    parsed_or_refused(line({**message, key: data.draw(JSON)}))
    parsed_or_refused(line({name: value for name, value in message.items() if name != key}))


def test_deep_nesting_is_refused() -> None:
    parsed_or_refused(b"[" * 60_000)
