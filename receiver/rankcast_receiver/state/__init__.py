"""The state of a camera as shown to viewers, derived from evidence."""

from rankcast_receiver.state.camera_state import (
    ANSWER_S,
    LATE_S,
    STALE_S,
    CameraState,
    Evidence,
    State,
    judge,
)
from rankcast_receiver.state.link_facts import LinkFacts

__all__ = [
    "ANSWER_S",
    "LATE_S",
    "STALE_S",
    "CameraState",
    "Evidence",
    "LinkFacts",
    "State",
    "judge",
]
