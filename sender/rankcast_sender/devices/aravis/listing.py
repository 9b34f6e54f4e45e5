"""Lists the cameras that Aravis finds, for `rankcast cameras`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from rankcast_sender.devices.aravis.bindings import (
    FoundCamera,
    find_cameras,
    load_aravis,
    open_found,
    reported,
)
from rankcast_sender.devices.aravis.features import AravisFeatures
from rankcast_sender.devices.device import OPENING_S, DeviceError, RefusedValueError, Value

LINKS: Final = {"GigEVision": "GigE", "USB3Vision": "USB3"}


def list_devices(load: Callable[[], Any] = load_aravis) -> list[dict[str, Value | list[str]]]:
    """Return the cameras, each with its formats, or the problem that keeps it from being opened.

    Raises
    ------
    RefusedValueError
        If the bindings are missing.
    """
    aravis = load()
    ends_s = time.monotonic() + OPENING_S
    listed: list[dict[str, Value | list[str]]] = []
    for found in find_cameras(aravis):
        formats: list[str] = []
        problem = ""
        if time.monotonic() < ends_s:
            try:
                formats = _formats(aravis, found)
            except (DeviceError, RefusedValueError) as exc:
                problem = str(exc)
        link = f"{LINKS.get(found.protocol, found.protocol)} {found.address}"
        listed.append(
            {
                "path": found.id, "model": f"{found.vendor} {found.model}".strip(),
                "serial": found.serial, "name": "",
                "link": link.strip(),
                "formats": formats, "problem": problem,
            }
        )  # fmt: skip
    return listed


def _formats(aravis: Any, found: FoundCamera) -> list[str]:
    camera = open_found(aravis, found.id, f"aravis:{found.id}")
    device = camera.get_device()
    with reported(aravis, f"aravis:{found.id} does not say its pixel formats"):
        formats = list(AravisFeatures(aravis, device).choices("PixelFormat"))
        if camera.is_gv_device():
            device.leave_control()
    return formats
