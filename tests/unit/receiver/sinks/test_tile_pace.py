"""When the window calls a frame stale, at the pace that the sender announces."""

from __future__ import annotations

import pytest

from rankcast.frame import Frame
from rankcast_receiver.sinks.tile import Tile
from rankcast_receiver.state import STALE_S, CameraState, State
from support.fakes import picture


@pytest.mark.parametrize("stale_after_s", [STALE_S, 6.0])
def test_a_frame_is_marked_stale_at_the_same_age_at_which_its_camera_is(
    stale_after_s: float,
) -> None:
    tile = Tile(Frame(picture(), camera="cam"), 0.0)
    live = CameraState("cam", "tcp://a:1", State.LIVE, stale_after_s=stale_after_s)
    assert tile.text(stale_after_s - 0.1, 0, live).stale == ""
    assert tile.text(stale_after_s + 0.1, 0, live).stale == f"STALE {stale_after_s + 0.1:.1f} s"
    assert tile.text(STALE_S + 0.1, 0, None).stale == "STALE 1.1 s"
