"""Options that every GenICam camera has, whichever library reaches it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from rankcast.errors import SettingsError
from rankcast_sender.grabber.device_options import DeviceOptions
from rankcast_sender.sources import pixel_format


def _supported(name: str) -> str:
    try:
        pixel_format(name)
    except SettingsError as exc:
        raise ValueError(str(exc)) from exc
    return name


Offset = Annotated[int, Field(ge=0, le=65535)]


class GenicamOptions(DeviceOptions):
    """Options of GenICam cameras; an omitted one keeps what the camera is set to.

    Exposure is in microseconds, gain in the units of the camera.
    """

    pixel_format: Annotated[str, AfterValidator(_supported)] | None = None
    offset_x: Offset | None = None
    offset_y: Offset | None = None
    trigger_source: Annotated[str, Field(pattern=r"^\w{1,40}$")] | None = None
    """What triggers a frame: Software, Line1, ..."""
    line: Annotated[str, Field(pattern=r"^\w{1,40}$")] | None = None
    """Digital input whose state each frame has in its metadata as `line`."""
