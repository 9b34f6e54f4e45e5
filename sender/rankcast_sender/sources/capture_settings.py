"""Settings of a capture of OpenCV: requested, read back, described and adjusted."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any, Final, Protocol

from rankcast.errors import SettingsError
from rankcast.frame import Scalar
from rankcast.opencv import cv2
from rankcast.printable import printable
from rankcast_sender.sources.camera_options import CameraOptions

log = logging.getLogger(__name__)

_ADJUSTABLE: Final = {
    "exposure": cv2.CAP_PROP_EXPOSURE,
    "gain": cv2.CAP_PROP_GAIN,
    "trigger": cv2.CAP_PROP_TRIGGER,
}
# V4L2_EXPOSURE_MANUAL of videodev2.h; the other back-ends use 0 for "not automatic".
_V4L2_MANUAL_EXPOSURE: Final = 1
_MAX_FPS: Final = 1000.0
"""Drivers that have no frame rate report nonsense such as 180000."""


class Capture(Protocol):
    """The part of cv2.VideoCapture that this package uses."""

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """Return True if the device is open."""

    def set(self, prop: int, value: float) -> bool:
        """Set a property; return False if the driver refuses it."""

    def get(self, prop: int) -> float:
        """Return a property."""

    def getBackendName(self) -> str:  # noqa: N802 - OpenCV's name
        """Return the name of the video API."""

    def grab(self) -> bool:
        """Take the next frame from the driver; return False if there is none."""

    def retrieve(self) -> tuple[bool, Any]:
        """Decode the frame that `grab` took."""

    def release(self) -> None:
        """Close the device."""


def _fourcc_text(value: float) -> str:
    if not 0 < value < 2**32:
        return ""
    text = int(value).to_bytes(4, "little").decode("latin-1")
    return printable(text).strip()


def _close_to(got: float, want: float) -> bool:
    # Cameras round rates and controls to their own steps: 30 becomes 30.00003.
    return math.isfinite(got) and abs(got - want) <= max(0.01 * abs(want), 1e-6)


def _number(name: str, value: Scalar) -> float:
    if name == "trigger":
        if value not in ("off", "on"):
            raise SettingsError(f"got trigger {value!r:.40}, want off or on")
        return float(value == "on")
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise SettingsError(f"got {name} {value!r:.40}, want a number")
    return float(value)  # type: ignore[arg-type]


class CaptureSettings:
    """Requests settings from a camera and reads back what it accepted.

    Parameters
    ----------
    name : str
        Name of the camera in messages.
    capture : Capture
    options : CameraOptions
    """

    def __init__(self, name: str, capture: Capture, options: CameraOptions) -> None:
        self.name = name
        self.options = options
        self._capture = capture
        self._apply()
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        self.fps = fps if math.isfinite(fps) and 0 < fps <= _MAX_FPS else None
        """Frame rate that the camera reports; None if it reports none."""

    def _apply(self) -> None:
        """Request the given options, and log those that the camera did not accept."""
        options, capture = self.options, self._capture
        refused = []

        def ask(name: str, prop: int, want: float) -> None:
            capture.set(prop, want)
            got = float(capture.get(prop))
            if not _close_to(got, want):
                refused.append(f"{name}={want:g} (the camera reports {got:g})")

        # The pixel format first: it limits the available sizes, and the size limits the rates.
        if options.fourcc is not None:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*options.fourcc))
            got = _fourcc_text(capture.get(cv2.CAP_PROP_FOURCC))
            if got != options.fourcc.strip():
                refused.append(f"fourcc={options.fourcc} (the camera reports {got or 'none'})")
        if options.cfa is not None:
            # Not every back-end reads this back; the first frame shows whether it was accepted.
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        if options.width is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, options.width)
        if options.height is not None:
            # Most drivers take width and height as a pair: set both before reading either.
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
        # Many back-ends have no such setting: report it only if it was requested.
        if not queued and "buffers" in options.model_fields_set:
            refused.append(f"buffers={options.buffers} (this back-end has no such setting)")
        if refused:
            log.warning("%s did not accept %s", self.name, ", ".join(refused))

    def describe(self) -> str:
        """Name, back-end and settings as read back, in one line."""
        options, get = self.options, self._capture.get
        size = f"{get(cv2.CAP_PROP_FRAME_WIDTH):.0f}x{get(cv2.CAP_PROP_FRAME_HEIGHT):.0f}"
        parts = [f"{self.name} {self._capture.getBackendName()} {size}"]
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

    def values(self) -> Mapping[str, Scalar]:
        """Read the adjustable values from the camera."""
        get = self._capture.get
        return {
            "exposure": float(get(cv2.CAP_PROP_EXPOSURE)),
            "gain": float(get(cv2.CAP_PROP_GAIN)),
            "trigger": "on" if get(cv2.CAP_PROP_TRIGGER) > 0 else "off",
        }

    def adjust(self, wanted: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """Set the values of `wanted`, all or none, and read all values back.

        Raises
        ------
        SettingsError
            If the camera does not accept a value; nothing is changed then.
        """
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
            # Cameras round to their own steps and clip to their range, which is not a failure
            # as long as the value changed.
            if not _close_to(has, want) and (not taken or has == had):
                for old_prop, old in before:
                    capture.set(old_prop, old)
                raise SettingsError(f"{self.name} did not accept {name} = {want:g}, it has {has:g}")
        return self.values()

    def _manual_exposure(self) -> float:
        return _V4L2_MANUAL_EXPOSURE if self._capture.getBackendName() == "V4L2" else 0
