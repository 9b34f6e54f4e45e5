"""Options of ``camera:``."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from rankcast_sender.sources.mosaic import Cfa
from rankcast_sender.sources.uri import SourceOptions

_TIMEOUT_S: Final = 5.0
_TIMEOUT_INTERVALS: Final = 3
"""A slow camera counts as failed only after this many intervals: one frame may fail to decode and
the next may be late."""
Side = Annotated[int, Field(ge=1, le=65535)]
Control = Annotated[float, Field(allow_inf_nan=False)]


class CameraOptions(SourceOptions):
    """Options of ``camera:``; an omitted setting keeps the camera's current value."""

    width: Side | None = None
    height: Side | None = None
    fourcc: Annotated[str, Field(pattern=r"^[ -~]{4}$")] | None = None
    """Pixel format of the camera, such as MJPG or YUYV."""
    exposure: Control | None = None
    """In the driver's units; turns automatic exposure off."""
    gain: Control | None = None
    cfa: Cfa | None = None
    """Capture the raw mosaic of a sensor with this colour filter array."""
    bits: Annotated[int, Field(ge=1, le=16)] | None = None
    """Significant bits of 16-bit frames; all of them by default."""
    trigger: Literal["off", "on"] | None = None
    """on: the camera waits for its trigger input, and silence is not a failure."""
    buffers: Annotated[int, Field(ge=1, le=64)] = 1
    """Frames that the driver may queue; OpenCV returns the oldest of them."""
    backend: Literal["any", "v4l2", "dshow", "msmf"] = "any"
    timeout_s: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] | None = None
    """Longest time without a frame before the camera counts as failed; see `silence_s`."""

    def silence_s(self, frame_interval_s: float | None) -> float:
        """Return `timeout_s` or, by default, the longer of 5 s and three frame intervals."""
        if self.timeout_s is not None:
            return self.timeout_s
        return max(_TIMEOUT_S, _TIMEOUT_INTERVALS * (frame_interval_s or 0.0))
