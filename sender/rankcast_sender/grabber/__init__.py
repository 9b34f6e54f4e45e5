"""The grabber: cameras are read in a child process, which can be killed."""

from rankcast_sender.grabber.aravis_source import (
    AravisOptions,
    aravis_spec,
    open_aravis,
    require_linux,
)
from rankcast_sender.grabber.basler_sources import (
    BaslerOptions,
    basler_spec,
    open_basler,
    require_pypylon,
)
from rankcast_sender.grabber.camera_options import CameraOptions, StreamOptions
from rankcast_sender.grabber.device_list import ListedDevice, list_devices
from rankcast_sender.grabber.device_options import DeviceOptions, GrabberOptions
from rankcast_sender.grabber.device_source import DeviceSource
from rankcast_sender.grabber.device_spec import DeviceSpec
from rankcast_sender.grabber.opencv_sources import open_camera, open_stream

__all__ = [
    "AravisOptions",
    "BaslerOptions",
    "CameraOptions",
    "DeviceOptions",
    "DeviceSource",
    "DeviceSpec",
    "GrabberOptions",
    "ListedDevice",
    "StreamOptions",
    "aravis_spec",
    "basler_spec",
    "list_devices",
    "open_aravis",
    "open_basler",
    "open_camera",
    "open_stream",
    "require_linux",
    "require_pypylon",
]
