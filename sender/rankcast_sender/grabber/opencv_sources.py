"""Sources that the OpenCV device serves: ``camera:`` and the URLs of network cameras."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from rankcast.credentials import without_secrets
from rankcast.frame import Scalar
from rankcast.opencv_environment import FFMPEG_QUIET
from rankcast.printable import printable
from rankcast_sender.grabber.camera_options import CameraOptions, StreamOptions
from rankcast_sender.grabber.device_options import GrabberOptions
from rankcast_sender.grabber.device_source import DeviceSource
from rankcast_sender.grabber.device_spec import DeviceSpec
from rankcast_sender.sources import secrets_of, shown_url

_MODULE: Final = "rankcast_sender.devices.opencv_device"
_TIMEOUTS: Final = {"open_s": 5.0, "read_s": 2.0}
"""Time-outs of FFmpeg, in seconds; its own are 30."""


_FFMPEG_LEVEL: Final = "OPENCV_FFMPEG_LOGLEVEL"
_FFMPEG_ERRORS: Final = "16"
"""AV_LOG_ERROR: why a server refuses, for the log of the sender."""


def open_camera(path: str, options: CameraOptions, *, newest_wins: bool) -> DeviceSource:
    """Start to open the camera with an index or of a device file."""
    name = f"camera:{printable(without_secrets(path))}"
    spec = DeviceSpec(_MODULE, name, _options(options, name, path))
    return DeviceSource(spec, options, newest_wins=newest_wins)


def open_stream(url: str, options: StreamOptions, *, newest_wins: bool) -> DeviceSource:
    """Start to open a network camera."""
    name = printable(shown_url(url))
    spec = DeviceSpec(
        _MODULE,
        name,
        _options(options, name, url),
        environment=_loud_ffmpeg(),
        secrets=secrets_of(url),
    )
    return DeviceSource(spec, options, newest_wins=newest_wins)


def _options(options: GrabberOptions, name: str, path: str) -> Mapping[str, Scalar]:
    return {**options.model_dump(), **_TIMEOUTS, "name": name, "path": path}


def _loud_ffmpeg() -> Mapping[str, str]:
    chosen = os.environ.get(_FFMPEG_LEVEL, FFMPEG_QUIET)
    return {_FFMPEG_LEVEL: _FFMPEG_ERRORS} if chosen == FFMPEG_QUIET else {}
