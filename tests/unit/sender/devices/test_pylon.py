"""What becomes of pylon's own messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.basler import needs_pypylon

pytestmark = needs_pypylon


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Node is not writable. : AccessException thrown in node 'Width' while calling "
         "'Width.SetValue()' (file 'IntegerT.h', line 76)", "Node is not writable"),
        ("Device Basler#1\nis gone.: RuntimeException thrown (file 'x.cpp', line 7)",
         "Device Basler#1 is gone"),
        ("error: 0xE1000014", "error: 0xE1000014"),
        ("", ""),
    ],
)  # fmt: skip
def test_its_reason_is_one_line_without_the_place_in_its_source(said: str, reason: str) -> None:
    from rankcast_sender.devices import pylon

    assert pylon.reason(RuntimeError(said)) == reason


class FakeResult:
    """A result of a GigE camera, whose clock has ticks of 8 ns."""

    def __init__(self, block_id: int, ticks: int, failure: str = "") -> None:
        self._block_id, self._ticks, self._failure = block_id, ticks, failure

    def __getattr__(self, name: str) -> Callable[[], object]:
        values = {
            "GetBlockID": self._block_id, "GetTimeStamp": self._ticks, "GetHeight": 2,
            "GetWidth": 3, "GetPaddingX": 1, "GrabSucceeded": not self._failure,
            "GetErrorDescription": self._failure, "GetMemoryView": memoryview(b"abc abc "),
        }  # fmt: skip
        return lambda: values[name]


def grab_of(result: FakeResult) -> Any:
    from rankcast_sender.devices.pylon import PylonCamera

    camera = PylonCamera.__new__(PylonCamera)
    camera._tick_hz = 125e6
    return camera._grab(result)


def test_ticks_of_the_camera_become_nanoseconds() -> None:
    grab = grab_of(FakeResult(7, 125_000_000))
    assert (grab.block_id, grab.time_ns) == (7, 1_000_000_000)
    assert (grab.height, grab.width, grab.line_padding) == (2, 3, 1)
    assert bytes(grab.data) == b"abc abc "


def test_a_camera_without_block_ids_or_a_clock_has_neither() -> None:
    grab = grab_of(FakeResult(2**64 - 1, 0))
    assert (grab.block_id, grab.time_ns) == (None, None)


def test_a_failed_buffer_has_no_pixels_and_a_reason_of_one_line() -> None:
    grab = grab_of(FakeResult(7, 0, "The buffer was\nincompletely grabbed."))
    assert grab.data is None
    assert grab.failure == "The buffer was incompletely grabbed."
