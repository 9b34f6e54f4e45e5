"""The quality of the UTC clock is what the operating system says, or unknown."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from rankcast.runtime import clock_quality
from rankcast.runtime import system_clock as module
from rankcast.runtime.system_clock import ClockQuality


class FakeLibrary:
    """A C library whose clock is in a given state."""

    def __init__(self, state: int, status: int = 0, maxerror_us: int = 0) -> None:
        self._state, self._status, self._maxerror_us = state, status, maxerror_us

    def ntp_adjtime(self, found: Any) -> int:
        found._obj.status = self._status
        found._obj.maxerror = self._maxerror_us
        assert found._obj.modes == 0  # reads, and changes nothing
        return self._state


@pytest.mark.parametrize(
    ("library", "quality"),
    [
        (FakeLibrary(0, 0x2001, 1500), ClockQuality(True, 1.5)),
        (FakeLibrary(5, 0x40, 16_000_000), ClockQuality(False)),
        (FakeLibrary(0, 0x40, 16_000_000), ClockQuality(False)),
        (FakeLibrary(-1), ClockQuality()),
        (object(), ClockQuality()),
    ],
)
def test_what_the_system_says_is_told(
    library: Any, quality: ClockQuality, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.setattr(module.ctypes, "CDLL", lambda *_args, **_options: library)
    assert clock_quality() == quality


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the kernel of Linux")
def test_this_machine_answers_something_that_makes_sense() -> None:
    quality = clock_quality()
    assert quality.error_ms is None or 0 <= quality.error_ms < 60_000
    assert quality.synchronised or quality.error_ms is None


def test_elsewhere_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "platform", "win32")
    assert clock_quality() == ClockQuality()
