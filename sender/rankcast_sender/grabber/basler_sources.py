"""Sources that pylon serves: ``basler:`` with a serial number, a name or a place."""

from __future__ import annotations

import importlib.util
from typing import Final

from rankcast.credentials import without_secrets
from rankcast.errors import SettingsError
from rankcast.printable import printable
from rankcast_sender.grabber.device_source import DeviceSource
from rankcast_sender.grabber.device_spec import DeviceSpec
from rankcast_sender.grabber.genicam_options import GenicamOptions
from rankcast_sender.sources import supported_names

_MODULE: Final = "rankcast_sender.devices.basler_device"
INSTALL_PYPYLON: Final = "pip install 'rankcast[basler]'"


class BaslerOptions(GenicamOptions):
    """Options of ``basler:``."""


def require_pypylon() -> None:
    """Check that pylon is installed, without loading it.

    Raises
    ------
    SettingsError
    """
    if importlib.util.find_spec("pypylon") is None:
        raise SettingsError(f"source basler: needs pypylon: {INSTALL_PYPYLON}")


def basler_spec(path: str, options: BaslerOptions) -> DeviceSpec:
    """Return what serves a Basler camera."""
    return DeviceSpec(
        module=_MODULE,
        name=f"basler:{printable(without_secrets(path))}",
        options={**options.model_dump(), "path": path, "formats": " ".join(supported_names())},
    )


def open_basler(path: str, options: BaslerOptions, *, newest_wins: bool) -> DeviceSource:
    """Start to open a Basler camera."""
    return DeviceSource(basler_spec(path, options), options, newest_wins=newest_wins)
