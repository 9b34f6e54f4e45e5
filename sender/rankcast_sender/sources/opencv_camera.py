"""``camera:INDEX`` and ``camera:PATH``: whatever OpenCV's VideoCapture opens."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal, Protocol, TypeAlias

from pydantic import Field

from rankcast.errors import SettingsError, SourceError, UnsupportedImageError
from rankcast.frame import Frame, Scalar
from rankcast.opencv import cv2
from rankcast.printable import printable
from rankcast_sender.sources.adjustments import Adjustments
from rankcast_sender.sources.mosaic import Cfa, check_mosaic
from rankcast_sender.sources.uri import SourceOptions

log = logging.getLogger(__name__)

_BACKENDS: Final = {
    "any": cv2.CAP_ANY,
    "v4l2": cv2.CAP_V4L2,
    "dshow": cv2.CAP_DSHOW,
    "msmf": cv2.CAP_MSMF,
}
_ADJUSTABLE: Final = {
    "exposure": cv2.CAP_PROP_EXPOSURE,
    "gain": cv2.CAP_PROP_GAIN,
    "trigger": cv2.CAP_PROP_TRIGGER,
}
# Between failed reads: an unplugged camera fails at once, and the loop must not take a core.
_RETRY_S = 0.02
_V4L2_MANUAL_EXPOSURE = 1  # V4L2_EXPOSURE_MANUAL; the other back-ends take 0 for "not automatic"

Side = Annotated[int, Field(ge=1, le=65535)]
Control = Annotated[float, Field(allow_inf_nan=False)]


class CameraOptions(SourceOptions):
    """Options of ``camera:``; what is not given stays as the camera has it."""

    width: Side | None = None
    height: Side | None = None
    fourcc: Annotated[str, Field(pattern=r"^[ -~]{4}$")] | None = None
    """Pixel format of the camera, such as MJPG or YUYV."""
    exposure: Control | None = None
    """In the units of the driver; switches automatic exposure off."""
    gain: Control | None = None
    cfa: Cfa | None = None
    """Take the sensor's mosaic as it is, with this colour filter array, in place of colour."""
    bits: Annotated[int, Field(ge=1, le=16)] | None = None
    """Significant bits of 16-bit frames; all of them by default."""
    trigger: Literal["off", "on"] | None = None
    """on: the camera waits for its trigger line, and being silent is no failure."""
    buffers: Annotated[int, Field(ge=1, le=64)] = 1
    """Frames that the driver may queue: OpenCV hands out the oldest of them."""
    backend: Literal["any", "v4l2", "dshow", "msmf"] = "any"
    timeout_s: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 5.0
    """Longest time without a frame before the camera counts as failed."""


class Capture(Protocol):
    """The part of cv2.VideoCapture that is used."""

    def isOpened(self) -> bool: ...  # noqa: N802 - OpenCV's name
    def set(self, prop: int, value: float) -> bool: ...
    def get(self, prop: int) -> float: ...
    def getBackendName(self) -> str: ...  # noqa: N802 - OpenCV's name
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def release(self) -> None: ...


OpenCapture: TypeAlias = Callable[[int | str, int], Capture]


def _open_capture(device: int | str, backend: int) -> Capture:
    capture: Capture = cv2.VideoCapture(device, backend)
    return capture


def _fourcc_text(value: float) -> str:
    if not 0 < value < 2**32:
        return ""
    text = int(value).to_bytes(4, "little").decode("latin-1")
    return printable(text).strip()


def _close_to(got: float, want: float) -> bool:
    # Cameras round rates and controls to their own steps: 30 becomes 30.000030.
    return math.isfinite(got) and abs(got - want) <= max(0.01 * abs(want), 1e-6)


def _number(name: str, value: Scalar) -> float:
    if name == "trigger":
        if value not in ("off", "on"):
            raise SettingsError(f"trigger is {value!r:.40}, want off or on")
        return float(value == "on")
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise SettingsError(f"{name} is {value!r:.40}, want a number")
    return float(value)  # type: ignore[arg-type]


class CameraSource:
    """A camera that OpenCV reads: USB and other cameras of the operating system.

    Parameters
    ----------
    path : str
        Index of the camera, or path of its device.
    options : CameraOptions
    open_capture : callable, optional
        Makes the capture from device and back-end.

    Raises
    ------
    SourceError
        If the camera cannot be opened.

    Notes
    -----
    A grab that never returns cannot be ended from within its process; V4L2 gives up by itself
    after the time-out that `rankcast.opencv` sets.
    """

    def __init__(
        self, path: str, options: CameraOptions, *, open_capture: OpenCapture = _open_capture
    ) -> None:
        self.options = options
        self._name = f"camera:{printable(path)}"
        device: int | str = int(path) if path.isascii() and path.isdigit() else path
        if isinstance(device, int) and device > 0x7FFFFFFF:
            raise SourceError(f"{self._name} cannot be opened: want an index or a device path")
        if isinstance(device, str) and not os.path.exists(device):
            raise SourceError(f"{self._name} cannot be opened: there is no such device")
        self._gaps = 0
        self._closed = False
        self._interrupted = threading.Event()
        self._capture = self._open(device, open_capture)
        try:
            self._description = self._configure()
            self._frame_interval_s = None if self.fps is None else 1.0 / self.fps
            self.adjustments = Adjustments(self._values())
        except cv2.error as exc:
            self._capture.release()
            raise SourceError(f"{self._name} cannot be set up: {_one_line(exc)}") from exc

    def _open(self, device: int | str, open_capture: OpenCapture) -> Capture:
        options, reason = self.options, "is it connected, free, and may this user read it?"
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

    def _configure(self) -> str:
        """Ask for what the options say, read back what the camera made of it, describe it."""
        options, capture = self.options, self._capture
        refused = []

        def ask(name: str, prop: int, want: float) -> None:
            capture.set(prop, want)
            got = float(capture.get(prop))
            if not _close_to(got, want):
                refused.append(f"{name}={want:g} (it has {got:g})")

        # The pixel format first: it decides which sizes there are, and they which rates.
        if options.fourcc is not None:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*options.fourcc))
            got = _fourcc_text(capture.get(cv2.CAP_PROP_FOURCC))
            if got != options.fourcc.strip():
                refused.append(f"fourcc={options.fourcc} (it has {got or 'none'})")
        if options.cfa is not None:
            # What came of it the first frame tells: not every back-end reads it back.
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        if options.width is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, options.width)
        if options.height is not None:
            # Width and height are a pair to most drivers: both are set before either is read.
            ask("height", cv2.CAP_PROP_FRAME_HEIGHT, options.height)
        if options.width is not None:
            ask("width", cv2.CAP_PROP_FRAME_WIDTH, options.width)
        if options.fps is not None:
            ask("fps", cv2.CAP_PROP_FPS, options.fps)
        if options.exposure is not None:
            capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, self._manual_exposure())
            ask("exposure", cv2.CAP_PROP_EXPOSURE, options.exposure)
        if options.gain is not None:
            ask("gain", cv2.CAP_PROP_GAIN, options.gain)
        if options.trigger is not None:
            ask("trigger", cv2.CAP_PROP_TRIGGER, float(options.trigger == "on"))
        queued = capture.set(cv2.CAP_PROP_BUFFERSIZE, options.buffers)
        # Many back-ends have no such setting; only who asked for it wants to know.
        if not queued and "buffers" in options.model_fields_set:
            refused.append(f"buffers={options.buffers} (this back-end has no such setting)")
        if refused:
            log.warning("%s did not take %s", self._name, ", ".join(refused))
        return self._describe()

    def _describe(self) -> str:
        options, get = self.options, self._capture.get
        size = f"{get(cv2.CAP_PROP_FRAME_WIDTH):.0f}x{get(cv2.CAP_PROP_FRAME_HEIGHT):.0f}"
        parts = [f"{self._name} {self._capture.getBackendName()} {size}"]
        if fourcc := _fourcc_text(get(cv2.CAP_PROP_FOURCC)):
            parts.append(fourcc)
        if self.fps is not None:
            parts.append(f"{self.fps:g} fps")
        if options.exposure is not None:
            parts.append(f"exposure {get(cv2.CAP_PROP_EXPOSURE):g}")
        if options.cfa is not None:
            parts.append(f"mosaic {options.cfa}")
        if options.gain is not None:
            parts.append(f"gain {get(cv2.CAP_PROP_GAIN):g}")
        return ", ".join(parts)

    def _values(self) -> Mapping[str, Scalar]:
        """What can be changed while it runs, as the camera has it."""
        get = self._capture.get
        return {
            "exposure": float(get(cv2.CAP_PROP_EXPOSURE)),
            "gain": float(get(cv2.CAP_PROP_GAIN)),
            "trigger": "on" if get(cv2.CAP_PROP_TRIGGER) > 0 else "off",
        }

    def _adjust(self, wanted: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """Set what is wanted and read it back; what the camera refuses changes nothing."""
        capture = self._capture
        numbers = {name: _number(name, value) for name, value in wanted.items()}
        before = [(prop, float(capture.get(prop))) for prop in (cv2.CAP_PROP_AUTO_EXPOSURE,
                  *(_ADJUSTABLE[name] for name in numbers))]  # fmt: skip
        for name, want in numbers.items():
            prop = _ADJUSTABLE[name]
            had = float(capture.get(prop))
            if name == "exposure":
                capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, self._manual_exposure())
            taken = capture.set(prop, want)
            has = float(capture.get(prop))
            # Cameras round to their own steps and clip to their range: that is reported, and no
            # failure, as long as the value moved.
            if not _close_to(has, want) and (not taken or has == had):
                for old_prop, old in before:
                    capture.set(old_prop, old)
                raise SettingsError(f"{self._name} did not take {name} = {want:g}, it has {has:g}")
        return self._values()

    def _manual_exposure(self) -> float:
        return _V4L2_MANUAL_EXPOSURE if self._capture.getBackendName() == "V4L2" else 0

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
        """As the camera says; None where it does not know."""
        if self._closed:
            return None
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        return fps if math.isfinite(fps) and 0 < fps <= 1000 else None

    @property
    def frame_interval_s(self) -> float | None:
        """As read back when the camera was opened."""
        return self._frame_interval_s

    @property
    def gaps(self) -> int:
        """Frames that were grabbed but could not be decoded."""
        return self._gaps

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames as they come, stamped as soon as they were grabbed.

        Raises
        ------
        SourceError
            If no frame came for `timeout_s`, or frames are no mosaic where `cfa` says they are.
        """
        number, last = 0, time.monotonic()
        shape: tuple[int, ...] | None = None
        failure: Exception | None = None
        while not self._closed and not self._interrupted.is_set():
            frame = None
            self.adjustments.serve(self._adjust)
            try:
                if self._capture.grab():
                    t_mono_ns, t_utc_ns = time.monotonic_ns(), time.time_ns()
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
                triggered = self.adjustments.values["trigger"] == "on"
                if waited_s > self.options.timeout_s and not triggered:
                    why = f": {_one_line(failure)}" if failure else ""
                    raise SourceError(
                        f"{self._name} gave no frame for {waited_s:.1f} s, "
                        f"the limit is timeout_s={self.options.timeout_s:g}{why}"
                    ) from failure
                self._pause(_RETRY_S)
                continue
            if shape is not None and frame.pixels.shape != shape:
                log.warning(
                    "%s changed its frames from shape %s to %s",
                    self._name, shape, frame.pixels.shape,
                )  # fmt: skip
            shape, failure = frame.pixels.shape, None
            yield frame
            # The time that the consumer took is not the camera's.
            last = time.monotonic()

    def _checked(self, pixels: Any) -> Any:  # Any: whatever the driver made of a frame
        if self.options.cfa is None:
            return pixels
        get = self._capture.get
        size = (int(get(cv2.CAP_PROP_FRAME_HEIGHT)), int(get(cv2.CAP_PROP_FRAME_WIDTH)))
        try:
            pixels = check_mosaic(pixels)
            # Compressed formats come as one row of bytes, packed ones with another width.
            if pixels.shape != size:
                raise UnsupportedImageError(f"got shape {pixels.shape}, the camera's own is {size}")
        except UnsupportedImageError as exc:
            raise SourceError(
                f"{self._name} gives no mosaic ({exc}): choose a raw pixel format with fourcc=, "
                "or leave cfa away"
            ) from exc
        return pixels

    def _pause(self, duration_s: float) -> None:
        self._interrupted.wait(duration_s)

    def interrupt(self) -> None:
        """End the iteration, also while the camera gives nothing."""
        self._interrupted.set()

    def close(self) -> None:
        """Release the camera."""
        if not self._closed:
            self._closed = True
            self._capture.release()


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())[:200]
