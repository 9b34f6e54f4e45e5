"""FreeSpace: the disk is looked at now and then, by nobody but the thread that writes."""

from __future__ import annotations

import shutil
from pathlib import Path

from rankcast.recorder import FreeSpace
from rankcast.recorder.free_space import LOOK_S
from support.clock import Clock


def test_the_disk_is_looked_at_every_few_seconds(tmp_path: Path) -> None:
    clock, folder = Clock(), tmp_path / "recordings"
    space = FreeSpace(folder, clock)
    assert space.bytes is None
    space.look()
    assert space.bytes is None, "there is no such folder"
    folder.mkdir()
    space.look()
    assert space.bytes is None, "it looked a moment ago"
    clock.advance(LOOK_S)
    space.look()
    assert space.bytes is not None
    assert abs(space.bytes - shutil.disk_usage(tmp_path).free) < 1 << 30
