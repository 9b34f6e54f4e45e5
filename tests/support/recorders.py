"""What recorders need in tests: a disk that can be full, a clock, and what was asked for."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rankcast.errors import NeedKeyframe, RecordingError
from rankcast.recorder import AnyRecorder
from rankcast.recordings.segment import segment_file
from rankcast.wire import unpack

GIGABYTE = 1 << 30


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class FakeDisk:
    """A disk that takes everything until `full` is set; `free` is what it says it has left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.claims: int | None = None
        self._write = segment_file._write
        monkeypatch.setattr(segment_file, "_write", self.write)

    def write(self, file: int, parts: tuple[Any, ...]) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._write(file, parts)

    def free(self, _folder: Path) -> int:
        if self.claims is not None:
            return self.claims
        return 0 if self.full else GIGABYTE


class Asked:
    """The key frames that a recorder asks for."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bool]] = []

    def __call__(self, camera: str, wanted: bool) -> None:
        self.calls.append((camera, wanted))

    def take(self) -> list[tuple[str, bool]]:
        calls, self.calls = self.calls, []
        return calls


def offer(recorder: AnyRecorder, camera: str, packets: Sequence[bytes]) -> list[str]:
    """Offer packets, and return what became of each: ok, waits or full."""
    found = []
    for data in packets:
        try:
            recorder.put(camera, data, unpack(data))
            found.append("ok")
        except NeedKeyframe:
            found.append("waits")
        except RecordingError:
            found.append("full")
    return found
