"""The device behind ``camera:`` and the URLs of network cameras: what OpenCV's VideoCapture opens.

A read of V4L2 gives up after the time-out that `rankcast.opencv` sets, one of FFmpeg after that of
its option; those of other back-ends may never return, which ends the process.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from rankcast.boot_clock import boot_ns
from rankcast.opencv import cv2
from rankcast_sender.devices.device import (
    DeviceError,
    DeviceState,
    Grabbed,
    RefusedValueError,
    Value,
)
from rankcast_sender.devices.opencv_settings import Capture, CaptureSettings

_BACKENDS: Final = {
    "any": cv2.CAP_ANY,
    "v4l2": cv2.CAP_V4L2,
    "ffmpeg": cv2.CAP_FFMPEG,
    "gstreamer": cv2.CAP_GSTREAMER,
    "dshow": cv2.CAP_DSHOW,
    "msmf": cv2.CAP_MSMF,
}
_RETRY_S: Final = 0.02
"""Pause between failed reads: those of an unplugged camera fail at once and would spin."""
_MAX_INDEX: Final = 0x7FFFFFFF
_CHECK_DEVICE: Final = "check that it is connected, not in use and readable"
_CHECK_STREAM: Final = "check address, path, user name and password"

OpenCapture = Callable[[Any, int, list[int]], Capture]


def v4l2_select_s() -> float:
    """Return how long a read of V4L2 may take: what `rankcast.opencv` or the user has set."""
    digits = re.match(r"\d{1,4}", os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"])
    return float(digits[0]) if digits else 1.0


def make_device() -> OpenCVDevice:
    """Return a closed device."""
    return OpenCVDevice()


def _open_capture(source: int | str, backend: int, parameters: list[int]) -> Capture:
    capture: Capture = cv2.VideoCapture(source, backend, parameters)
    return capture


class OpenCVDevice:
    """A camera of the operating system, or one of the network.

    Parameters
    ----------
    open_capture : callable
        Opens the capture of a source with a back-end and its parameters.
    pause : callable
        Waits between failed reads.
    """

    def __init__(
        self, open_capture: OpenCapture = _open_capture, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._open_capture = open_capture
        self._pause = pause
        self._capture: Capture | None = None
        self._settings: CaptureSettings
        self._options: Mapping[str, Any] = {}
        self._name = ""
        self._file = ""
        self._longest_read_s = 0.0
        self._failure = ""

    def open(self, options: Mapping[str, Value]) -> DeviceState:
        """Open the camera and request its settings."""
        self._options = options
        self._name = str(options["name"])
        self._check_backend(str(options["backend"]))
        source = self._source(str(options["path"]))
        parameters = self._parameters(options)
        self._capture = self._opened(source, parameters)
        try:
            self._settings = CaptureSettings(self._name, self._capture, options)
            return self._state()
        except cv2.error as exc:
            raise DeviceError(f"{self._name} cannot be set up: {_one_line(exc)}") from exc

    def _check_backend(self, backend: str) -> None:
        if backend != "any" and not cv2.videoio_registry.hasBackend(_BACKENDS[backend]):
            has = [
                name
                for name, number in _BACKENDS.items()
                if name == "any" or cv2.videoio_registry.hasBackend(number)
            ]
            raise RefusedValueError(
                f"got backend={backend}, which this OpenCV does not have: want one of "
                f"{', '.join(has)}"
            )

    def _source(self, path: str) -> int | str:
        if self._is_stream:
            return path
        if path.isascii() and path.isdigit():
            if int(path) > _MAX_INDEX:
                raise DeviceError(f"{self._name} cannot be opened: want an index or a device path")
            self._file = f"/dev/video{path}" if os.path.exists(f"/dev/video{path}") else ""
            return int(path)
        if not os.path.exists(path):
            raise DeviceError(f"{self._name} cannot be opened: no such device")
        # OpenCV would treat a relative name with a colon as the URL of a network stream.
        self._file = os.path.abspath(path)
        return self._file

    @property
    def _is_stream(self) -> bool:
        return "transport" in self._options

    def _parameters(self, options: Mapping[str, Any]) -> list[int]:
        """Time-outs, which FFmpeg takes only while it opens."""
        if options["backend"] != "ffmpeg":
            self._longest_read_s = v4l2_select_s()
            return []
        if self._is_stream:
            os.environ.setdefault(
                "OPENCV_FFMPEG_CAPTURE_OPTIONS", f"rtsp_transport;{options['transport']}"
            )
        read_s, open_s = float(options["read_s"]), float(options["open_s"])
        self._longest_read_s = read_s
        return [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(1000 * open_s),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(1000 * read_s),
        ]  # fmt: skip

    def _opened(self, source: int | str, parameters: list[int]) -> Capture:
        backend, reason = self._options["backend"], _CHECK_DEVICE
        if self._is_stream:
            reason = _CHECK_STREAM
        cause: Exception | None = None
        try:
            capture = self._open_capture(source, _BACKENDS[backend], parameters)
            if capture.isOpened():
                return capture
            capture.release()
        except cv2.error as exc:
            cause, reason = exc, _one_line(exc)
        raise DeviceError(
            f"{self._name} cannot be opened with back-end {backend}: {reason}"
        ) from cause

    def _state(self) -> DeviceState:
        # A network camera is set at the camera.
        values = {} if self._is_stream else self._settings.values()
        triggered = values.get("trigger") == "on"
        fps = self._settings.fps
        return DeviceState(
            description=self._settings.describe(),
            frame_interval_s=None if triggered or fps is None else 1.0 / fps,
            values=values,
            waits_for_trigger=triggered,
            polls=self._settings.of_v4l2,
            longest_read_s=max(0.1, self._longest_read_s),
            warning=self._settings.warning,
        )

    def read(self, timeout_s: float) -> Grabbed | None:
        """Return the next frame, stamped at the moment of the grab."""
        assert self._capture is not None
        ends_s = time.monotonic() + timeout_s
        while True:
            try:
                if self._capture.grab():
                    return self._retrieved()
            except cv2.error as exc:
                self._failure = _one_line(exc)
            if self._file and not os.path.exists(self._file):
                raise DeviceError(f"{self._name} is gone: {self._file} does not exist any more")
            if time.monotonic() >= ends_s:
                return None
            self._pause(_RETRY_S)

    def _retrieved(self) -> Grabbed:
        t_boot_ns, t_utc_ns = boot_ns(), time.time_ns()
        assert self._capture is not None
        try:
            done, pixels = self._capture.retrieve()
        except cv2.error as exc:
            self._failure, done, pixels = _one_line(exc), False, None
        if not done or pixels is None or pixels.dtype.kind != "u" or pixels.itemsize > 2 or \
                pixels.ndim not in (2, 3) or 0 in pixels.shape:  # fmt: skip
            return Grabbed(None, lost=1)
        pixels = self._checked(pixels)
        deep = pixels.itemsize == 2
        return Grabbed(
            pixels if pixels.flags.c_contiguous else pixels.copy(),
            height=pixels.shape[0],
            width=pixels.shape[1],
            channels=1 if pixels.ndim == 2 else pixels.shape[2],
            sample_bytes=pixels.itemsize,
            significant_bits=(self._options.get("bits") or 0) if deep else 0,
            cfa=self._options.get("cfa") or "",
            boot_ns=t_boot_ns,
            utc_ns=t_utc_ns,
        )

    def _checked(self, pixels: Any) -> Any:  # Any: arrays of cv2
        if self._options.get("cfa") is None:
            return pixels
        assert self._capture is not None
        get = self._capture.get
        size = (int(get(cv2.CAP_PROP_FRAME_HEIGHT)), int(get(cv2.CAP_PROP_FRAME_WIDTH)))
        channels = 1 if pixels.ndim == 2 else pixels.shape[2]
        # Compressed formats arrive as one row of bytes, packed ones with another width.
        if channels != 1:
            why = f"got {channels} channels, a mosaic has one sample per pixel"
        elif pixels.shape[:2] != size or min(size) < 2:
            why = f"got shape {pixels.shape[:2]}, want {size}"
        else:
            return pixels.reshape(size)
        raise DeviceError(
            f"{self._name} does not deliver a mosaic ({why}): choose a raw pixel format with "
            "fourcc=, or omit cfa"
        )

    def apply(self, values: Mapping[str, Value]) -> DeviceState:
        """Set the values, all or none."""
        try:
            self._settings.adjust(values)
            return self._state()
        except cv2.error as exc:
            raise RefusedValueError(f"the camera did not accept it: {_one_line(exc)}") from exc

    def close(self) -> None:
        """Release the camera."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())[:200]
