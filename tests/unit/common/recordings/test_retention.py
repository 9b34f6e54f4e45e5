"""Retention: which segments go, and which never do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rankcast.recordings import (
    RecordingLimits,
    RecordingOptions,
    RecordingWriter,
    segment_path,
    segments_of,
)
from rankcast.recordings.retention import Retention
from support.recordings import packets_of, pictures, record


def names(path: Path) -> list[str]:
    return [segment.name for _, segment in segments_of(path)]


def make(path: Path, count: int) -> int:
    """Record `count` segments; return the size of one."""
    packet = packets_of("raw", pictures(1))[0]
    for _ in range(count):
        record(path, {"cam": [packet]})
    return path.stat().st_size


def test_the_oldest_segments_go_first(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    size = make(path, 5)
    retention = Retention(path, RecordingLimits(max_bytes=3 * size + 10))
    assert [one.name for one in retention.tidy(size)] == ["a.mcap", "a-0001.mcap", "a-0002.mcap"]
    assert names(path) == ["a-0003.mcap", "a-0004.mcap"]


def test_segments_of_an_age_go(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    make(path, 3)
    os.utime(path, (1000, 1000))
    os.utime(segment_path(path, 1), (1050, 1050))
    retention = Retention(path, RecordingLimits(max_age_s=60), now_ns=lambda: 1100 * 10**9)
    retention.tidy(0)
    assert names(path) == ["a-0001.mcap", "a-0002.mcap"]


def test_segments_go_until_the_free_space_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    size = make(path, 4)
    limits = RecordingLimits(min_free_bytes=10 * size)
    Retention(path, limits, free=lambda _: 9 * size + 1).tidy(0)
    assert names(path) == ["a-0001.mcap", "a-0002.mcap", "a-0003.mcap"]
    Retention(path, limits, free=lambda _: 0).tidy(0)
    assert names(path) == []


def test_files_that_are_no_segments_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    make(path, 2)
    others = [
        "b.mcap", "a-1.mcap", "a-00001.mcap", "a-0000.mcap", "a-x.mcap", "aa-0001.mcap",
        "a.mcap.damaged", "a-0001.mcap.damaged", "a-0003.txt", "a-0004.mcap", "a-0005.mcap",
    ]  # fmt: skip
    for name in others:
        (tmp_path / name).write_bytes(b"not ours")
    # Of another program, and named like a segment.
    (tmp_path / "a-0005.mcap").write_bytes(b"\x89MCAP0\r\n" + bytes(100))
    (tmp_path / "a-0006.mcap").mkdir()
    Retention(path, RecordingLimits(max_bytes=1)).tidy(0)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([*others, "a-0006.mcap"])


def test_a_writer_keeps_its_recording_within_its_limits(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    now_s = 0.0
    options = RecordingOptions(segment_bytes=4000, limits=RecordingLimits(max_bytes=12_000))
    most = 0
    with RecordingWriter(path, options, now_s=lambda: now_s) as writer:
        for packet in packets_of("raw", pictures(40)):
            now_s += 2
            writer.write("cam", packet)
            most = max(most, sum(one.stat().st_size for _, one in segments_of(path)))
        open_file = writer.segment
    assert most < 12_000 + 5000
    assert names(path)[0] != "a.mcap"
    assert open_file == segments_of(path)[-1][1]


def test_without_limits_nothing_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mcap"
    make(path, 1)
    monkeypatch.setattr(os, "scandir", None)
    assert Retention(path, RecordingLimits()).tidy(10**12) == []
