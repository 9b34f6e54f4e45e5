"""Options that every source with a grabber process has."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from rankcast_sender.sources import SourceOptions

_TIMEOUT_S: Final = 5.0
_TIMEOUT_INTERVALS: Final = 3
"""A slow camera counts as failed only after this many intervals: one frame may fail to decode and
the next may be late."""
FREEZE_S: Final = 5.0
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=1, le=65535)]
Control = Annotated[float, Field(allow_inf_nan=False)]


class GrabberOptions(SourceOptions):
    """Options of all sources that a grabber process reads."""

    timeout_s: Seconds | None = None
    """Longest time without a frame before the camera counts as failed; see `silence_s`."""
    freeze_s: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = FREEZE_S
    """The camera is frozen after identical frames for this long; 0 never."""

    def silence_s(self, frame_interval_s: float | None) -> float:
        """Return `timeout_s` or, by default, the longer of 5 s and three frame intervals."""
        if self.timeout_s is not None:
            return self.timeout_s
        return max(_TIMEOUT_S, _TIMEOUT_INTERVALS * (frame_interval_s or 0.0))


class DeviceOptions(GrabberOptions):
    """Options of cameras whose settings Rankcast changes; an omitted one keeps what is set."""

    width: Side | None = None
    height: Side | None = None
    exposure: Control | None = None
    gain: Control | None = None
    trigger: Literal["off", "on"] | None = None
    """on: the camera waits for its trigger, and silence is not a failure."""
