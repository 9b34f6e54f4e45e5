from __future__ import annotations

import pytest

from rankcast_sender.devices.frame_gaps import FrameGaps


@pytest.mark.parametrize(
    ("ids", "lost"),
    [
        ([0, 1, 2], 0),
        ([5, 6, 9], 2),
        ([None, None], 0),
        ([65534, 65535, 1, 2], 0),
        ([65530, 3], 7),
        ([65535, 65536, 65538], 1),
        ([2**40, 2**40 + 3], 2),
        ([100, 0, 1], 0),
        ([2**40, 0], 0),
    ],
)
def test_missing_block_ids_are_counted_over_their_wrap(ids: list[int | None], lost: int) -> None:
    gaps = FrameGaps()
    assert sum(gaps.before(block_id) for block_id in ids) == lost


def test_after_a_restart_the_camera_counts_from_the_beginning() -> None:
    gaps = FrameGaps()
    gaps.before(10)
    gaps.restart()
    assert gaps.before(20) == 0
    assert gaps.before(22) == 1
