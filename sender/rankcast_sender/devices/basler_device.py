"""The device behind ``basler:``: GigE and USB3 cameras through pylon, and pylon's emulator."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

from rankcast_sender.devices.device import (
    OPENING_S,
    DeviceError,
    DeviceState,
    Grabbed,
    RefusedValueError,
    Value,
)
from rankcast_sender.devices.frame_gaps import FrameGaps
from rankcast_sender.devices.genicam_settings import GenicamSettings
from rankcast_sender.devices.pylon import CameraInfo, Grab, PylonCamera, find_cameras

MOST_TOLD: Final = 10
TRIGGER_READY_S: Final = 2.0
"""Longest wait until the camera is ready for a software trigger; clients wait for 5 s."""


def make_device() -> BaslerDevice:
    """Return the device, not open yet."""
    return BaslerDevice()


def choose_camera(path: str, found: Sequence[CameraInfo]) -> CameraInfo:
    """Return the camera with a serial number, a user-defined name, or a place in `found`.

    Raises
    ------
    DeviceError
        If there is none, or if several have this name.
    """
    if not found:
        raise DeviceError(
            "no Basler camera was found: check cable and power, and of a GigE camera that its "
            "address is in the network of this machine"
        )
    matching = [camera for camera in found if path in (camera.serial, camera.user_name)]
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join(_text(camera) for camera in found)
    if matching:
        raise DeviceError(f"{len(matching)} Basler cameras are named {path}, want a serial number "
                          f"of {listed}")  # fmt: skip
    # A serial number has eight digits or more.
    if path.isascii() and path.isdigit() and len(path) <= 2 and int(path) < len(found):
        return found[int(path)]
    raise DeviceError(f"no Basler camera has the serial number or name {path}; found: {listed}")


def _text(camera: CameraInfo) -> str:
    named = f" named {camera.user_name}" if camera.user_name else ""
    return f"{camera.serial} ({camera.model}{named})"


def list_devices() -> list[dict[str, str | list[str]]]:
    """Return the cameras that can be opened, and what is known of those that another holds."""
    ends_s = time.monotonic() + OPENING_S
    listed: list[dict[str, str | list[str]]] = []
    for info in find_cameras():
        formats: list[str] = []
        problem = ""
        if time.monotonic() < ends_s:
            try:
                formats = _formats(info)
            except DeviceError as exc:
                problem = str(exc)
        listed.append(
            {
                "path": info.serial, "model": info.model, "serial": info.serial,
                "name": info.user_name, "link": info.link, "formats": formats, "problem": problem,
            }
        )  # fmt: skip
    return listed


def _formats(info: CameraInfo) -> list[str]:
    camera = PylonCamera(info)
    try:
        return list(camera.choices("PixelFormat"))
    finally:
        camera.close()


class BaslerDevice:
    """One Basler camera."""

    def __init__(self) -> None:
        self._camera: PylonCamera | None = None
        self._settings: GenicamSettings
        self._pixel_format = ""
        self._gaps = FrameGaps()
        self._lost = 0
        self._told: set[str] = set()

    def open(self, options: Mapping[str, Value]) -> DeviceState:
        """Open the camera, apply the options and start to stream."""
        info = choose_camera(str(options["path"]), find_cameras())
        camera = self._camera = PylonCamera(info)
        formats = tuple(str(options.get("formats") or "").split())
        self._settings = GenicamSettings(camera, formats)
        self._settings.start(options)
        self._pixel_format = self._settings.pixel_format
        camera.start()
        return self._state()

    def read(self, timeout_s: float) -> Grabbed | None:
        """Return the next frame, or the frames that were lost."""
        camera = self._opened()
        grab = camera.read(timeout_s)
        # Asked every time: while a trigger is awaited, silence says nothing.
        camera.check_present()
        return None if grab is None else self._frame(grab)

    def _frame(self, grab: Grab) -> Grabbed:
        lost = self._lost + self._gaps.before(grab.block_id)
        self._lost = 0
        if grab.data is None:
            self._tell(grab.failure)
            return Grabbed(None, lost=lost + 1)
        return Grabbed(
            grab.data,
            height=grab.height,
            width=grab.width,
            pixel_format=self._pixel_format,
            line_padding=grab.line_padding,
            device_frame_id=grab.block_id,
            device_time_ns=grab.time_ns,
            line=self._settings.line(),
            lost=lost,
        )

    def _tell(self, failure: str) -> None:
        """Say once why a buffer failed: the sender logs what this process prints."""
        if failure not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(failure)
            sys.stderr.write(f"frames are lost: {failure or 'a buffer failed'}\n")

    def apply(self, values: Mapping[str, Value]) -> DeviceState:
        """Change settings; a new size stops and starts the stream."""
        camera, settings = self._opened(), self._settings
        once = values.get("trigger") == "once"
        changes = {name: value for name, value in values.items()
                   if not (name == "trigger" and once)}  # fmt: skip
        if once and changes:
            raise RefusedValueError(
                f"got trigger = once together with {', '.join(changes)}: trigger by itself"
            )
        if once:
            settings.check_software_trigger()
            camera.trigger(TRIGGER_READY_S)
            return self._state()
        plan = settings.plan(changes)
        if plan.resizes:
            self._pause()
        try:
            settings.carry_out(plan)
            # Of some cameras the offset decides which colour comes first.
            self._pixel_format = settings.pixel_format
        finally:
            if plan.resizes:
                camera.start()
        return self._state()

    def _pause(self) -> None:
        """Stop the stream; frames that wait are lost, and counted."""
        camera = self._opened()
        while (grab := camera.read(0)) is not None:
            self._lost += self._gaps.before(grab.block_id) + 1
        camera.stop()
        self._gaps.restart()

    def close(self) -> None:
        """Stop the stream and release the camera."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def _opened(self) -> PylonCamera:
        if self._camera is None:
            raise DeviceError("the Basler camera is not open")
        return self._camera

    def _state(self) -> DeviceState:
        camera, settings = self._opened(), self._settings
        info = camera.info
        named = f" {info.user_name}" if info.user_name else ""
        return DeviceState(
            description=f"basler:{info.serial} {info.model}{named}, {settings.describe()}",
            frame_interval_s=settings.frame_interval_s,
            values=settings.values(),
            waits_for_trigger=settings.waits_for_trigger,
            polls=True,
        )
