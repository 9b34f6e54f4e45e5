"""Sources that the OpenCV device serves: ``camera:`` and the URLs of network cameras."""

from __future__ import annotations

from typing import Final

from rankcast.printable import printable
from rankcast_sender.grabber.camera_options import CameraOptions
from rankcast_sender.grabber.device_source import DeviceSource
from rankcast_sender.grabber.device_spec import DeviceSpec

_MODULE: Final = "rankcast_sender.devices.opencv_device"
_TIMEOUTS: Final = {"open_s": 5.0, "read_s": 2.0}
"""Time-outs of FFmpeg, in seconds; its own are 30."""


def open_camera(path: str, options: CameraOptions, *, newest_wins: bool) -> DeviceSource:
    """Start to open the camera with an index or of a device file."""
    name = f"camera:{printable(path)}"
    spec = DeviceSpec(
        module=_MODULE,
        name=name,
        options={**options.model_dump(), "name": name, "path": path, **_TIMEOUTS},
    )
    return DeviceSource(spec, options, newest_wins=newest_wins)
