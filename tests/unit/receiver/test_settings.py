"""Settings of a receiver: what they come to together."""

from __future__ import annotations

import pytest

from rankcast_receiver.settings import SaveTable


@pytest.mark.parametrize(
    ("fsync", "frames", "every"), [(False, 0, 0), (False, 5, 5), (True, 0, 1), (True, 5, 1)]
)
def test_save_fsync_is_a_sync_after_every_picture(fsync: bool, frames: int, every: int) -> None:
    assert SaveTable(dir="x", fsync=fsync, sync_frames=frames).frames_a_sync == every
