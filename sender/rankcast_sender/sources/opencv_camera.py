"""``camera:INDEX`` and ``camera:PATH``: cameras that OpenCV's VideoCapture opens."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from rankcast.boot_clock import boot_ns
from rankcast.errors import SourceError, UnsupportedImageError
from rankcast.frame import Frame
from rankcast.opencv import cv2
from rankcast.printable import printable
from rankcast_sender.sources.adjustments import Adjustments
from rankcast_sender.sources.camera_options import CameraOptions
from rankcast_sender.sources.capture_settings import Capture, CaptureSettings
from rankcast_sender.sources.mosaic import check_mosaic

__all__ = ["CameraOptions", "OpenCVCamera"]

log = logging.getLogger(__name__)

_BACKENDS: Final = {
    "any": cv2.CAP_ANY,
    "v4l2": cv2.CAP_V4L2,
    "dshow": cv2.CAP_DSHOW,
    "msmf": cv2.CAP_MSMF,
}
_RETRY_S: Final = 0.02
"""Pause between failed reads: those of an unplugged camera fail at once and would spin."""
_MAX_INDEX: Final = 0x7FFFFFFF

OpenCapture: TypeAlias = Callable[[int | str, int], Capture]


def _open_capture(device: int | str, backend: int) -> Capture:
    capture: Capture = cv2.VideoCapture(device, backend)
    return capture


class OpenCVCamera:
    """A camera that OpenCV reads: USB and other cameras of the operating system.

    Parameters
    ----------
    path : str
        Index of the camera, or path of its device.
    options : CameraOptions
    open_capture : callable, optional
        Opens the capture of a device with a back-end.

    Raises
    ------
    SourceError
        If the camera cannot be opened.

    Notes
    -----
    A read that never returns cannot be interrupted from within its process. V4L2 gives up after
    the time-out that `rankcast.opencv` sets.
    """

    def __init__(
        self, path: str, options: CameraOptions, *, open_capture: OpenCapture = _open_capture
    ) -> None:
        self.options = options
        self._name = f"camera:{printable(path)}"
        device: int | str = int(path) if path.isascii() and path.isdigit() else path
        if isinstance(device, int) and device > _MAX_INDEX:
            raise SourceError(f"{self._name} cannot be opened: want an index or a device path")
        if isinstance(device, str):
            if not os.path.exists(device):
                raise SourceError(f"{self._name} cannot be opened: no such device")
            # OpenCV would treat a relative name with a colon as the URL of a network stream.
            device = os.path.abspath(device)
        self._gaps = 0
        self._closed = False
        self._interrupted = threading.Event()
        self._capture = self._open(device, open_capture)
        try:
            self._settings = CaptureSettings(self._name, self._capture, options)
            self._description = self._settings.describe()
            self.adjustments = Adjustments(self._settings.values())
        except cv2.error as exc:
            self._capture.release()
            raise SourceError(f"{self._name} cannot be set up: {_one_line(exc)}") from exc

    def _open(self, device: int | str, open_capture: OpenCapture) -> Capture:
        options, reason = self.options, "check that it is connected, not in use and readable"
        cause: Exception | None = None
        try:
            capture = open_capture(device, _BACKENDS[options.backend])
            if capture.isOpened():
                return capture
            capture.release()
        except cv2.error as exc:
            cause, reason = exc, _one_line(exc)
        raise SourceError(
            f"{self._name} cannot be opened with back-end {options.backend}: {reason}"
        ) from cause

    @property
    def description(self) -> str:
        """Device, back-end and the settings as read back."""
        return self._description

    @property
    def live(self) -> bool:
        """True: the camera sets the pace."""
        return True

    @property
    def fps(self) -> float | None:
        """Frame rate that the camera reports; None if it reports none or is closed."""
        return None if self._closed else self._settings.fps

    @property
    def frame_interval_s(self) -> float | None:
        """One period of `fps`, as reported or requested; None while a trigger sets the pace."""
        if self._is_triggered():
            return None
        fps = self._settings.fps or self.options.fps
        return 1.0 / fps if fps else None

    def _is_triggered(self) -> bool:
        return self.adjustments.values["trigger"] == "on"

    @property
    def gaps(self) -> int:
        """Frames that were grabbed but could not be decoded."""
        return self._gaps

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames as they arrive, stamped at the moment of the grab.

        Raises
        ------
        SourceError
            If no frame arrives before the deadline, or a frame is not the mosaic of `cfa`.
        """
        number, last = 0, time.monotonic()
        shape: tuple[int, ...] | None = None
        failure: Exception | None = None
        while not self._closed and not self._interrupted.is_set():
            frame = None
            self.adjustments.serve(self._settings.adjust)
            try:
                if self._capture.grab():
                    t_mono_ns, t_utc_ns = boot_ns(), time.time_ns()
                    done, pixels = self._capture.retrieve()
                    if done and pixels is not None:
                        pixels = self._checked(pixels)
                        deep = pixels.dtype.itemsize == 2
                        frame = Frame(
                            pixels,
                            frame=number,
                            t_capture_mono_ns=t_mono_ns,
                            t_capture_utc_ns=t_utc_ns,
                            significant_bits=(self.options.bits or 0) if deep else 0,
                            cfa=self.options.cfa or "",
                        )
                    else:
                        self._gaps += 1
                    number += 1
            except (cv2.error, UnsupportedImageError) as exc:
                failure = exc
            if frame is None:
                waited_s = time.monotonic() - last
                limit_s = self.options.silence_s(self.frame_interval_s)
                if waited_s > limit_s and not self._is_triggered():
                    why = f": {_one_line(failure)}" if failure else ""
                    raise SourceError(
                        f"{self._name} delivered no frame for {waited_s:.1f} s, "
                        f"the limit is timeout_s={limit_s:g}{why}"
                    ) from failure
                self._pause(_RETRY_S)
                continue
            if shape is not None and frame.pixels.shape != shape:
                log.warning(
                    "%s changed the shape of its frames from %s to %s",
                    self._name, shape, frame.pixels.shape,
                )  # fmt: skip
            shape, failure = frame.pixels.shape, None
            yield frame
            # The time that the consumer spends on a frame does not count as silence.
            last = time.monotonic()

    def _checked(self, pixels: Any) -> Any:  # Any: any result of the driver
        if self.options.cfa is None:
            return pixels
        get = self._capture.get
        size = (int(get(cv2.CAP_PROP_FRAME_HEIGHT)), int(get(cv2.CAP_PROP_FRAME_WIDTH)))
        try:
            pixels = check_mosaic(pixels)
            # Compressed formats arrive as one row of bytes, packed ones with another width.
            if pixels.shape != size:
                raise UnsupportedImageError(f"got shape {pixels.shape}, want {size}")
        except UnsupportedImageError as exc:
            raise SourceError(
                f"{self._name} does not deliver a mosaic ({exc}): choose a raw pixel format "
                "with fourcc=, or omit cfa"
            ) from exc
        return pixels

    def _pause(self, duration_s: float) -> None:
        self._interrupted.wait(duration_s)

    def interrupt(self) -> None:
        """End the iteration, even while the camera is silent."""
        self._interrupted.set()

    def close(self) -> None:
        """Release the camera; may be called twice."""
        if not self._closed:
            self._closed = True
            self._capture.release()


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())[:200]
