"""The source ``aravis:``: GigE Vision and USB3 Vision cameras of every vendor, on Linux."""

from __future__ import annotations

import sys
from typing import Annotated, Final, Literal

from pydantic import Field

from rankcast.credentials import without_secrets
from rankcast.errors import SettingsError
from rankcast.printable import printable
from rankcast_sender.grabber.bindings_python import bindings_python
from rankcast_sender.grabber.device_source import DeviceSource
from rankcast_sender.grabber.device_spec import DeviceSpec
from rankcast_sender.grabber.genicam_options import GenicamOptions
from rankcast_sender.sources import supported_names

_MODULE: Final = "rankcast_sender.devices.aravis"
_OPEN_S: Final = 20.0
"""Discovery takes 1 s, and a camera that somebody else holds is given up after 7 s."""


class AravisOptions(GenicamOptions):
    """Options of ``aravis:``; an omitted setting keeps the camera's current value."""

    buffers: Annotated[int, Field(ge=2, le=64)] = 4
    """Frames that may wait, or arrive, in the grabber process."""
    packet_bytes: Annotated[int, Field(ge=576, le=16000)] | None = None
    """Size of a GigE Vision packet with its headers; by default the camera's, less if it fails."""
    resend: Literal["on", "off"] = "on"
    """on: missing packets are requested again."""
    packet_socket: Literal["on", "off"] = "off"
    """on: receive below the network stack, which needs root and receives nothing on loopback."""


def require_linux() -> None:
    """Check that Aravis can be here at all; whether it is, the grabber process finds out.

    Raises
    ------
    SettingsError
    """
    if not sys.platform.startswith("linux"):
        raise SettingsError("source aravis: runs on Linux alone, use basler: or camera: here")


def aravis_spec(path: str, options: AravisOptions) -> DeviceSpec:
    """Return what serves a camera: by id, serial number, address or the name that a user gave."""
    chosen = bindings_python()
    return DeviceSpec(
        _MODULE,
        f"aravis:{printable(without_secrets(path))}",
        {**options.model_dump(), "path": path, "formats": " ".join(supported_names())},
        python=chosen.python,
        packages=chosen.packages,
        open_s=_OPEN_S,
    )


def open_aravis(path: str, options: AravisOptions, *, newest_wins: bool) -> DeviceSource:
    """Start to open a camera."""
    return DeviceSource(aravis_spec(path, options), options, newest_wins=newest_wins)
