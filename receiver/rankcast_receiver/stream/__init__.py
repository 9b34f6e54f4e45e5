"""Packets of one camera, ordered and decoded."""

from rankcast_receiver.stream.camera_state import (
    ANSWER_S,
    STALE_S,
    CameraState,
    Evidence,
    State,
    judge,
)
from rankcast_receiver.stream.camera_stream import DECODE_BUDGET_S, CameraStream, decode_newest
from rankcast_receiver.stream.sender_clock import MOST_ERROR_NS, UNKNOWN, SenderClock

__all__ = [
    "ANSWER_S",
    "DECODE_BUDGET_S",
    "MOST_ERROR_NS",
    "STALE_S",
    "UNKNOWN",
    "CameraState",
    "CameraStream",
    "Evidence",
    "SenderClock",
    "State",
    "decode_newest",
    "judge",
]
