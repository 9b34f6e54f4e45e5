"""Clips that are written: times, sides, and what is refused."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from rankcast.errors import ImageFileError, UnsupportedImageError
from rankcast.video import VideoFile, VideoWriter
from support.moving_scene import scene


def test_frames_come_back_at_their_times(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.5, 0.52]
    with VideoWriter(tmp_path / "a.mp4", (40, 64, 3)) as clip:
        for number, time_s in enumerate(times):
            clip.write(scene(number, (40, 64, 3)), time_s)
    assert clip.frames == 4
    with VideoFile(tmp_path / "a.mp4") as video:
        frames = list(video)
    assert [frame.time_s for frame in frames] == pytest.approx(times, abs=1e-4)
    for number, frame in enumerate(frames):
        assert np.abs(frame.pixels.astype(int) - scene(number, (40, 64, 3))).mean() < 6
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_times_that_do_not_rise_become_the_next_ticks(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", (16, 16)) as clip:
        for time_s in (0.0, 1.0, 0.5, 1.0):
            clip.write(scene(0, (16, 16)), time_s)
    with av.open(str(tmp_path / "a.mp4")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == sorted(set(times))
    assert len(times) == 4


def test_an_error_leaves_no_file(tmp_path: Path) -> None:
    def write() -> None:
        with VideoWriter(tmp_path / "a.mp4", (16, 16)) as clip:
            clip.write(scene(0, (16, 16)), 0.0)
            clip.write(scene(0, (16, 16), "uint16"), 1.0)

    with pytest.raises(UnsupportedImageError, match="16 bits a sample"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match=r"a\.mp4: cannot be written: No such file"):
        VideoWriter(tmp_path / "none" / "a.mp4", (16, 16))
    with pytest.raises(UnsupportedImageError, match="2 channels, mp4 holds 1 or 3"):
        VideoWriter(tmp_path / "a.mp4", (16, 16, 2))
    assert list(tmp_path.iterdir()) == []
