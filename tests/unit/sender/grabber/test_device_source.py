"""Cameras in a process of their own: frames, faults and deadlines, with real processes."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path
from typing import Any

import pytest

from rankcast.errors import SettingsError, SourceError
from rankcast_sender.grabber import DeviceSource
from support.grabbing import grabbing


def take(source: DeviceSource, count: int) -> list[Any]:
    return list(itertools.islice(iter(source), count))


def test_frames_arrive_in_order_with_their_pixels() -> None:
    with grabbing("frame") as source:
        frames = take(source, 20)
    assert [frame.frame for frame in frames] == list(range(20))
    assert [frame.pixels[0, 0] for frame in frames] == list(range(1, 21))
    assert all((frame.pixels == frame.pixels[0, 0]).all() for frame in frames)
    assert {frame.pixels.shape for frame in frames} == {(6, 8)}
    assert 0 < frames[0].t_capture_mono_ns < frames[1].t_capture_mono_ns


def test_a_larger_frame_gets_a_larger_ring_and_no_frame_is_lost() -> None:
    with grabbing("frame*3 big*3 frame", interval_s=0.1) as source:
        frames = take(source, 9)
        assert source.gaps == source.replaced == 0
    assert [f.pixels.shape for f in frames] == [(6, 8)] * 3 + [(48, 64)] * 3 + [(6, 8)] * 3
    assert [f.pixels[0, 0] for f in frames] == list(range(1, 10))


def test_a_packed_frame_is_unpacked_with_its_bits_and_its_colour_filter_array() -> None:
    with grabbing("packed") as source:
        (frame,) = take(source, 1)
    assert frame.pixels.tolist() == [[0xABC, 0xDEF], [0x456, 0x123]]
    assert frame.pixels.dtype == "uint16"
    assert (frame.significant_bits, frame.cfa) == (12, "RGGB")


def test_frames_that_the_device_lost_leave_gaps_in_the_numbers() -> None:
    with grabbing("frame lost*2 frame") as source:
        frames = take(source, 2)
        assert source.gaps == 6
    assert [frame.frame for frame in frames] == [0, 7]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("gone", "scripted camera is gone: check its cable"),
        ("crash", "ended by SIGSEGV"),
        ("exit", "ended with code 7"),
        ("odd", "delivers 48 bytes for a frame of 9x6x1"),
        ("unknown", "got pixel format Coord3D_C8, want one of Mono8, "),
        ("short", "delivers 5 bytes for 2x2 pixels of Mono12p, want 6"),
        ("forged", "sent slot = -1"),
    ],
)
def test_a_device_that_fails_is_one_line_after_its_last_frame(step: str, message: str) -> None:
    with grabbing(f"frame*3 {step}") as source:
        frames = iter(source)
        assert [next(frames).frame for _ in range(3)] == [0, 1, 2]
        with pytest.raises(SourceError, match=message) as caught:
            next(frames)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("step", ["hang", "deaf"])
def test_a_read_that_never_returns_ends_its_process_within_two_seconds(step: str) -> None:
    with grabbing(f"frame*3 {step}") as source:
        frames = iter(source)
        for _ in range(3):
            next(frames)
        before_s = time.monotonic()
        with pytest.raises(SourceError, match="a read has not returned"):
            next(frames)
        assert time.monotonic() - before_s < 2


def test_a_silent_device_fails_after_its_time_out() -> None:
    with grabbing("frame none", timeout_s=0.5) as source:
        frames = iter(source)
        next(frames)
        with pytest.raises(SourceError, match=r"no frame for 0\.[5-9] s, .*timeout_s=0.5"):
            next(frames)


def test_an_impossible_option_is_a_settings_error_and_a_missing_device_is_not() -> None:
    with (
        pytest.raises(SettingsError, match="the sensor has 8 columns"),
        grabbing("open-impossible"),
    ):
        pass
    with pytest.raises(SourceError, match="check its cable"), grabbing("open-gone"):
        pass


def test_a_closed_source_leaves_no_process_and_closes_its_device(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    with grabbing("frame", closed=str(closed)) as source:
        take(source, 3)
        pid = source._process.pid
    assert closed.read_text() == "closed\n"
    assert not os.path.exists(f"/proc/{pid}")
