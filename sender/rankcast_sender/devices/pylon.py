"""Pylon, Basler's own library, behind typed functions: the only module that imports pypylon."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rankcast_sender.devices.device import DeviceError, RefusedValueError, Value
from rankcast_sender.devices.genicam_features import Limits

with warnings.catch_warnings():
    # Types that SWIG makes have no `__module__`; where warnings are errors, the import crashes.
    warnings.simplefilter("ignore")
    from pypylon import genicam, pylon

WAITING_FRAMES: Final = 2
"""Frames that wait for `read` at most: the newest ones, so that none is older than two periods."""
_BUFFERS: Final = WAITING_FRAMES + 4
"""With one that is read, and one that the camera fills, while others wait."""
_NO_BLOCK_ID: Final = 2**64 - 1
_HELD: Final = ("another application", "another client", "exclusively opened")
_GONE: Final = "the camera is gone: check its cable and its power"
_NANOSECONDS: Final = 1_000_000_000
_TICKS: Final = ("GevTimestampTickFrequency", "BslTimestampTickFrequency")


@dataclass(frozen=True)
class CameraInfo:
    """A camera that pylon finds."""

    serial: str
    model: str
    user_name: str
    """Name that somebody gave the camera; often empty."""
    link: str
    """GigE, USB3 or emulated."""
    handle: Any = None
    """Pylon's own description."""


@dataclass(frozen=True)
class Grab:
    """What the camera delivered in one buffer."""

    data: memoryview | None
    """Valid until the next `read`; None for a buffer that failed."""
    height: int
    width: int
    line_padding: int
    block_id: int | None
    """Number of the frame at the camera."""
    time_ns: int | None
    """Time of the camera's own clock."""
    failure: str = ""


_LINKS: Final = {"BaslerGigE": "GigE", "BaslerUsb": "USB3", "BaslerCamEmu": "emulated"}


def find_cameras() -> Sequence[CameraInfo]:
    """Return the cameras of this machine and its networks, sorted by serial number.

    Raises
    ------
    DeviceError
    """
    try:
        found = [
            CameraInfo(
                info.GetSerialNumber(),
                info.GetModelName(),
                info.GetUserDefinedName(),
                _LINKS.get(info.GetDeviceClass(), info.GetDeviceClass()),
                info,
            )
            for info in pylon.TlFactory.GetInstance().EnumerateDevices()
        ]
    except genicam.GenericException as exc:
        raise DeviceError(f"pylon cannot look for cameras: {reason(exc)}") from exc
    return sorted(found, key=lambda camera: (camera.link == "emulated", camera.serial))


def reason(exc: BaseException) -> str:
    """Return what pylon says, in one line and without the place in its source."""
    text = " ".join(str(exc).split())
    for mark in (" : ", ": "):
        head, found, tail = text.partition(mark)
        if found and "thrown" in tail and "(file" in tail:
            return head.rstrip(".")
    return text.rstrip(".")


class PylonCamera:
    """One open camera; its features are those of `Features`.

    Parameters
    ----------
    info : CameraInfo

    Raises
    ------
    DeviceError
        If it cannot be opened; says so if another program holds it.
    """

    def __init__(self, info: CameraInfo) -> None:
        self.info = info
        self._grabbed: Any = None
        try:
            self._camera = pylon.InstantCamera(
                pylon.TlFactory.GetInstance().CreateDevice(info.handle)
            )
            # Without it pylon switches triggers off: what is not asked for stays as it is.
            self._camera.RegisterConfiguration(
                pylon.ConfigurationEventHandler(),
                pylon.RegistrationMode_ReplaceAll,
                pylon.Cleanup_Delete,
            )
            self._camera.Open()
            self._nodes = self._camera.GetNodeMap()
            self._tick_hz = self._ticks_per_second()
        except genicam.GenericException as exc:
            why = reason(exc)
            if any(words in why for words in _HELD):
                why = "another program holds it: end that program, such as the pylon Viewer"
            raise DeviceError(f"the camera cannot be opened: {why}") from exc

    def _ticks_per_second(self) -> float:
        for name in _TICKS:
            if self.readable(name):
                ticks = self.value(name)
                if isinstance(ticks, (int, float)) and ticks > 0:
                    return float(ticks)
        return _NANOSECONDS

    # Features.

    def readable(self, name: str) -> bool:
        """Return True if the camera has the feature and it can be read now."""
        return self._has(name, genicam.IsReadable)

    def writable(self, name: str) -> bool:
        """Return True if the camera has the feature and it can be changed now."""
        return self._has(name, genicam.IsWritable)

    def _has(self, name: str, accessible: Any) -> bool:
        try:
            return bool(name) and bool(accessible(self._nodes.GetNode(name)))
        except genicam.GenericException:
            return False

    def value(self, name: str) -> Value:
        """Return the value of a feature."""
        try:
            value: Value = self._nodes.GetNode(name).GetValue()
        except genicam.GenericException as exc:
            raise self._gone(f"does not say its {name}", exc) from exc
        return value

    def set_value(self, name: str, value: Value) -> None:
        """Change the value of a feature."""
        try:
            self._nodes.GetNode(name).SetValue(value)
        except genicam.GenericException as exc:
            if self._removed():
                raise self._gone(f"does not accept {name}", exc) from exc
            raise RefusedValueError(
                f"the camera does not accept {name} = {value}: {reason(exc)}"
            ) from exc

    def limits(self, name: str) -> Limits:
        """Return the limits of a number."""
        try:
            node = self._nodes.GetNode(name)
            least, most = node.GetMin(), node.GetMax()
            try:
                step = node.GetInc()
            except genicam.GenericException:  # any value
                step = 0
        except genicam.GenericException as exc:
            raise self._gone(f"does not say the limits of {name}", exc) from exc
        return Limits(least, most, step)

    def choices(self, name: str) -> Sequence[str]:
        """Return the names that can be chosen now."""
        if not self.readable(name):
            return ()
        try:
            # `GetSymbolics` lists those that can be chosen, and those alone.
            return tuple(map(str, self._nodes.GetNode(name).GetSymbolics()))
        except genicam.GenericException as exc:
            raise self._gone(f"does not say the choices of {name}", exc) from exc

    def execute(self, name: str) -> None:
        """Execute a command."""
        try:
            self._nodes.GetNode(name).Execute()
        except genicam.GenericException as exc:
            raise self._gone(f"does not carry out {name}", exc) from exc

    # Frames.

    def start(self) -> None:
        """Start to stream: of the frames that wait, the newest ones stay."""
        try:
            self._camera.MaxNumBuffer.SetValue(_BUFFERS)
            self._camera.OutputQueueSize.SetValue(WAITING_FRAMES)
            self._camera.StartGrabbing(pylon.GrabStrategy_LatestImages)
        except genicam.GenericException as exc:
            raise self._gone("does not start to stream", exc) from exc

    def stop(self) -> None:
        """Stop streaming; frames that wait are discarded."""
        self._release()
        try:
            self._camera.StopGrabbing()
        except genicam.GenericException as exc:
            raise self._gone("does not stop streaming", exc) from exc

    def read(self, timeout_s: float) -> Grab | None:
        """Return the next buffer; None if there is none within `timeout_s`."""
        self._release()
        try:
            result = self._camera.RetrieveResult(
                int(1000 * timeout_s), pylon.TimeoutHandling_Return
            )
            if result is None or not result.IsValid():
                return None
            self._grabbed = result
            return self._grab(result)
        except genicam.GenericException as exc:
            raise self._gone("cannot be read", exc) from exc

    def _grab(self, result: Any) -> Grab:
        block_id, ticks = int(result.GetBlockID()), int(result.GetTimeStamp())
        succeeded = bool(result.GrabSucceeded())
        return Grab(
            data=memoryview(result.GetMemoryView()) if succeeded else None,
            height=int(result.GetHeight()),
            width=int(result.GetWidth()),
            line_padding=int(result.GetPaddingX()),
            block_id=None if block_id == _NO_BLOCK_ID else block_id,
            time_ns=int(ticks * _NANOSECONDS / self._tick_hz) if ticks else None,
            failure="" if succeeded else " ".join(str(result.GetErrorDescription()).split()),
        )

    def _release(self) -> None:
        result, self._grabbed = self._grabbed, None
        if result is not None:
            result.Release()

    def trigger(self, timeout_s: float) -> None:
        """Trigger a frame by software, as soon as the camera is ready for one."""
        try:
            if self._camera.CanWaitForFrameTriggerReady():
                ready = self._camera.WaitForFrameTriggerReady(
                    int(1000 * timeout_s), pylon.TimeoutHandling_Return
                )
                if not ready:
                    raise RefusedValueError(
                        f"the camera was not ready for a trigger within {timeout_s:g} s: the "
                        "frame before is still exposed"
                    )
            self._camera.ExecuteSoftwareTrigger()
        except genicam.GenericException as exc:
            raise self._gone("does not take a trigger", exc) from exc

    def check_present(self) -> None:
        """Raise if the camera has been unplugged or has lost its link."""
        if self._removed():
            raise DeviceError(_GONE)

    def _removed(self) -> bool:
        return bool(self._camera.IsCameraDeviceRemoved())

    def _gone(self, what: str, exc: BaseException) -> DeviceError:
        return DeviceError(_GONE if self._removed() else f"the camera {what}: {reason(exc)}")

    def close(self) -> None:
        """Release the camera."""
        self._release()
        try:
            self._camera.Close()
        except genicam.GenericException:  # it is gone
            return
