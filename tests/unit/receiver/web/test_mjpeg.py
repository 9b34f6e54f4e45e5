"""MJPEG never shows a frozen picture that looks live."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from rankcast.frame import Frame
from rankcast_receiver.state import CameraState, State
from rankcast_receiver.web.pictures import mjpeg
from support.fakes import picture


def border(state: CameraState | None) -> np.ndarray:
    """Return the colour, BGR, of the lower border of a repeated picture."""
    frame = Frame(picture(90, (120, 160)), camera="cam")
    data = mjpeg._marked_jpeg(frame, state, 95)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (120, 160, 3)
    return decoded[119, 40:120].mean(axis=0)


@pytest.mark.parametrize("state", [State.STALE, State.SENDER_DEAD, State.FROZEN, State.ENDED, None])
def test_a_picture_that_is_not_live_has_a_red_border(state: State | None) -> None:
    blue, _, red = border(None if state is None else CameraState("cam", "", state, "why"))
    assert red > blue + 80


def test_a_camera_that_waits_for_its_trigger_is_marked_in_another_colour() -> None:
    blue, green, red = border(CameraState("cam", "", State.WAITING_FOR_TRIGGER))
    assert min(green, red) > blue + 80


def test_a_live_picture_is_not_marked() -> None:
    blue, green, red = border(CameraState("cam", "", State.LIVE))
    assert abs(blue - red) < 10
    assert abs(blue - green) < 10
