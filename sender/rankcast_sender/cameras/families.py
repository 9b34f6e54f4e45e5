"""The families of cameras that `rankcast cameras` looks for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rankcast.errors import RankcastError, one_line
from rankcast_sender.cameras.found import FoundCamera, Search
from rankcast_sender.cameras.v4l2 import KIND as V4L2
from rankcast_sender.cameras.v4l2 import find_v4l2
from rankcast_sender.grabber import (
    AravisOptions,
    BaslerOptions,
    DeviceSpec,
    aravis_spec,
    basler_spec,
    list_devices,
    require_pypylon,
)
from rankcast_sender.sources import supported_names

INSTALL_PYPYLON: Final = "pip install 'rankcast[basler]'"
INSTALL_ARAVIS: Final = "apt-get install gir1.2-aravis-0.8 python3-gi"
_TYPELIB_FOLDERS: Final = "lib/*/girepository-1.0/Aravis-0.8.typelib"


@dataclass(frozen=True, slots=True)
class Family:
    """Cameras that one library opens."""

    name: str
    find: Callable[[], Search]
    """Looks for them; may take seconds."""


def find_listed(kind: str, scheme: str, spec: DeviceSpec) -> Search:
    """Return the cameras that a device module lists, with the formats that can be unpacked."""
    supported = frozenset(supported_names())
    return Search(
        [
            FoundCamera(
                f"{scheme}:{device.path}", kind, device.model, device.serial, device.name,
                device.link, tuple(name for name in device.formats if name in supported),
                device.problem,
            )
            for device in list_devices(spec)
        ]
    )  # fmt: skip


def find_basler() -> Search:
    """Return the cameras that pylon finds."""
    try:
        require_pypylon()
    except RankcastError:
        return Search(missing=INSTALL_PYPYLON)
    return find_listed("Basler", "basler", basler_spec("", BaslerOptions()))


def find_aravis(root: Path = Path("/usr")) -> Search:
    """Return the cameras that Aravis finds, or how to get its bindings."""
    if sys.platform != "linux":
        return Search()
    if not any(root.glob(_TYPELIB_FOLDERS)):
        return Search(missing=INSTALL_ARAVIS)
    return find_listed("Aravis", "aravis", aravis_spec("", AravisOptions()))


FAMILIES: Final = (
    Family(V4L2, find_v4l2),
    Family("Basler", find_basler),
    Family("Aravis", find_aravis),
)


def search(family: Family) -> Search:
    """Look for the cameras of one family; what fails there is told and ends nothing else."""
    try:
        return family.find()
    except RankcastError as exc:
        return Search(missing=f"the search failed: {one_line(exc)}")
