"""Snapshots: lossless files, written beside the window."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast.errors import ImageFileError
from rankcast.images import read_image
from rankcast_receiver.sinks.display import snapshot
from rankcast_receiver.sinks.display.snapshot import MAX_FRAMES, Snapshots
from support.fakescreen import frame


class SlowDisk:
    """Writes nothing until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.began = threading.Event()

    def write(self, *_: Any, **__: Any) -> int:
        self.began.set()
        assert self.go.wait(20)
        return 1


def test_a_slow_disk_never_holds_up_the_window_and_what_is_dropped_is_counted() -> None:
    disk = SlowDisk()
    shots = Snapshots(Path(), disk.write)
    shots.take([frame()])
    assert disk.began.wait(20)
    shots.take([frame(number) for number in range(MAX_FRAMES + 3)])
    assert shots.dropped == 3
    assert all("the disk is too slow" in line for line in shots.news())
    disk.go.set()
    shots.close()
    assert shots.saved == MAX_FRAMES + 1
    assert shots._waiting_bytes == 0


def test_large_frames_are_bounded_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SlowDisk()
    one = frame()
    monkeypatch.setattr(snapshot, "MAX_BYTES", 2 * one.pixels.nbytes)
    shots = Snapshots(Path(), disk.write)
    shots.take([one, frame(1), frame(2)])
    assert shots.dropped == 1
    disk.go.set()
    shots.close()
    assert shots.saved == 2


def test_a_disk_that_hangs_is_named_and_the_rest_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshot, "CLOSE_S", 0.05)
    disk = SlowDisk()
    shots = Snapshots(Path(), disk.write)
    shots.take([frame(), frame(1)])
    assert disk.began.wait(20)
    worker = shots._worker
    assert worker is not None
    with pytest.raises(snapshot.WorkerError, match=r"writing cam-.*-0\.png"):
        shots.close()
    assert shots.dropped == 1
    disk.go.set()
    worker.join(20)


def test_why_a_picture_was_not_saved_is_said_and_the_next_one_is(tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    with closing(Snapshots(folder)) as shots:
        shots.take([frame()])
        shots.close()
        (line,) = shots.news()
        assert line.startswith("cam #0 not saved: ")
        assert "No such file" in line or "does not exist" in line
    assert (shots.saved, shots.failed) == (0, 1)
    folder.mkdir()
    with closing(Snapshots(folder)) as shots:
        shots.take([frame(pixels=np.zeros((4, 5, 6), np.uint8)), frame(1), frame(1)])
        shots.take([frame(2, camera="../escape")])
    lines = shots.news()
    assert ["not saved" in line for line in lines] == [True, False, False, True]
    assert lines[2].startswith("saved before: ")
    assert (shots.saved, shots.failed) == (1, 2)
    (path,) = folder.iterdir()
    assert np.array_equal(read_image(path), frame().pixels)


def test_a_disk_error_is_no_end_of_the_window() -> None:
    def full(*_: Any, **__: Any) -> int:
        raise ImageFileError("x.png: cannot be written: No space left on device")

    with closing(Snapshots(Path(), full)) as shots:
        shots.take([frame()])
    assert shots.news() == ["cam #0 not saved: x.png: cannot be written: No space left on device"]


def test_without_snapshots_there_is_no_thread() -> None:
    shots = Snapshots(Path())
    assert shots._worker is None
    shots.close()
    shots.close()
