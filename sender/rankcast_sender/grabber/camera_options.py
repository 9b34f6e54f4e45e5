"""Options of ``camera:`` and of network cameras."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rankcast.errors import SettingsError
from rankcast_sender.grabber.device_options import DeviceOptions, GrabberOptions
from rankcast_sender.sources import Cfa


class CameraOptions(DeviceOptions):
    """Options of ``camera:``; an omitted setting keeps the camera's current value."""

    fourcc: Annotated[str, Field(pattern=r"^[ -~]{4}$")] | None = None
    """Pixel format of the camera, such as MJPG or YUYV."""
    cfa: Cfa | None = None
    """Capture the raw mosaic of a sensor with this colour filter array."""
    bits: Annotated[int, Field(ge=1, le=16)] | None = None
    """Significant bits of 16-bit frames; all of them by default."""
    buffers: Annotated[int, Field(ge=1, le=64)] | None = None
    """Frames that the driver may queue, 1 by default; OpenCV returns the oldest of them."""
    backend: Literal["any", "v4l2", "ffmpeg", "gstreamer", "dshow", "msmf"] = "any"

    @classmethod
    def check_path(cls, path: str) -> None:
        """Reject a URL, whose password would be shown: only sources that are URLs hide theirs."""
        if "://" in path:
            raise SettingsError(
                "got camera: with a URL, write the URL itself as the source: rtsp://..."
            )


class StreamOptions(GrabberOptions):
    """Options of ``rtsp://``, ``rtsps://``, ``http://`` and ``https://``.

    What a camera sends over the network is set at the camera.
    """

    transport: Literal["tcp", "udp"] = "tcp"
    """How RTSP carries the pictures; with udp a lost packet damages them."""
    backend: Literal["ffmpeg", "gstreamer"] = "ffmpeg"
