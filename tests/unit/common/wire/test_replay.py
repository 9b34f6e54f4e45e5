"""Replay: when a recorded frame is shown, and what a status may say about it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import WireError
from rankcast.wire import Kind, Replay, Status, pack_status, parse_status, unpack
from rankcast.wire.replay import replay_of

REPLAY = Replay(b"recorded", 2, 2.0, 5_000, 70_000, 900_000)


def test_a_frame_is_shown_as_long_after_the_anchor_as_it_was_captured_at_single_speed() -> None:
    single = Replay(b"recorded", 0, 1.0, 5_000, 70_000, 900_000)
    assert single.shown_ns(5_000) == (70_000, 900_000)
    assert single.shown_ns(6_000) == (71_000, 901_000)


def test_twice_the_speed_halves_the_time_between_frames() -> None:
    assert REPLAY.shown_ns(6_000) == (70_500, 900_500)


def test_a_frame_of_long_before_the_anchor_is_shown_at_0_rather_than_earlier() -> None:
    assert REPLAY.shown_ns(0) == (67_500, 897_500)
    assert Replay(b"recorded", 0, 1.0, 10**12, 5, 5).shown_ns(0) == (0, 0)


def test_a_status_carries_the_replay_and_one_of_a_live_stream_carries_none() -> None:
    for replay in (REPLAY, None):
        data = pack_status(Kind.STATUS, b"\1" * 8, Status(replay=replay), 1, 2)
        assert parse_status(unpack(data)).replay == replay


@given(st.binary(min_size=8, max_size=8), st.integers(0, 2**64 - 1), st.floats(0.001, 1000),
       *[st.integers(0, 2**64 - 1)] * 4)  # fmt: skip
def test_every_replay_survives_the_wire_and_its_times_fit_into_a_header(
    stream: bytes, loop: int, speed: float, start: int, mono: int, utc: int, captured: int
) -> None:
    replay = Replay(stream, loop, speed, start, mono, utc)
    assert replay_of(replay.as_map()) == replay
    assert all(0 <= t_ns < 2**64 for t_ns in replay.shown_ns(captured))


@pytest.mark.parametrize(
    "change",
    [
        {"stream": b"short"}, {"stream": "recorded"}, {"stream": None},
        {"speed": 0.0}, {"speed": 1}, {"speed": float("nan")}, {"speed": 1e9}, {"speed": -1.0},
        {"loop": -1}, {"loop": 1.5}, {"loop": 2**64},
        {"from_mono_ns": -1}, {"at_mono_ns": "0"}, {"at_utc_ns": None},
    ],
)  # fmt: skip
def test_values_out_of_range_refuse_the_status(change: dict[str, Any]) -> None:
    with pytest.raises(WireError, match=r"replay\."):
        replay_of({**REPLAY.as_map(), **change})


def test_a_missing_value_refuses_the_status() -> None:
    for name in REPLAY.as_map():
        with pytest.raises(WireError, match=name):
            replay_of({key: value for key, value in REPLAY.as_map().items() if key != name})
