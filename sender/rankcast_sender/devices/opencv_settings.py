"""Settings of a capture of OpenCV: requested, read back, described and adjusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Protocol

from rankcast.opencv import cv2
from rankcast.printable import printable
from rankcast_sender.devices.device import RefusedValueError, Value

_ADJUSTABLE: Final = {
    "exposure": cv2.CAP_PROP_EXPOSURE,
    "gain": cv2.CAP_PROP_GAIN,
    "fps": cv2.CAP_PROP_FPS,
    "width": cv2.CAP_PROP_FRAME_WIDTH,
    "height": cv2.CAP_PROP_FRAME_HEIGHT,
    "trigger": cv2.CAP_PROP_TRIGGER,
}
_POSITIVE: Final = ("fps", "width", "height")
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


def _number(name: str, value: Value) -> float:
    if name == "trigger":
        if value not in ("off", "on"):
            raise RefusedValueError(f"got trigger {value!r:.40}, want off or on")
        return float(value == "on")
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise RefusedValueError(f"got {name} {value!r:.40}, want a number")
    if name in _POSITIVE and not value > 0:  # type: ignore[operator]
        raise RefusedValueError(f"got {name} {value!r:.40}, want more than 0")
    if name in ("width", "height") and value != int(value):  # type: ignore[arg-type]
        raise RefusedValueError(f"got {name} {value!r:.40}, want whole pixels")
    return float(value)  # type: ignore[arg-type]


class CaptureSettings:
    """Requests settings from a camera and reads back what it accepted.

    Parameters
    ----------
    name : str
        Name of the camera in messages.
    capture : Capture
    options : mapping
        Of `CameraOptions`.
    """

    def __init__(self, name: str, capture: Capture, options: Mapping[str, Any]) -> None:
        self.name = name
        self.options = options
        self._capture = capture
        self.warning = ""
        """What the camera did not accept; empty if nothing."""
        self._apply()

    @property
    def of_v4l2(self) -> bool:
        """True for V4L2, whose reads end by a time-out, whatever the camera waits for."""
        return self._capture.getBackendName() == "V4L2"

    @property
    def fps(self) -> float | None:
        """Frame rate that the camera reports; None if it reports none."""
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        return fps if math.isfinite(fps) and 0 < fps <= _MAX_FPS else None

    def _apply(self) -> None:
        """Request the given options, and note those that the camera did not accept."""
        options, capture = self.options, self._capture
        refused = []

        def ask(name: str, prop: int, want: float) -> None:
            capture.set(prop, want)
            got = float(capture.get(prop))
            if not _close_to(got, want):
                refused.append(f"{name}={want:g} (the camera reports {got:g})")

        # The pixel format first: it limits the available sizes, and the size limits the rates.
        if options.get("fourcc") is not None:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*options["fourcc"]))
            got = _fourcc_text(capture.get(cv2.CAP_PROP_FOURCC))
            if got != options["fourcc"].strip():
                refused.append(f"fourcc={options['fourcc']} (the camera reports {got or 'none'})")
        if options.get("cfa") is not None:
            # Not every back-end reads this back; the first frame shows whether it was accepted.
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        if options.get("width") is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, options["width"])
        if options.get("height") is not None:
            # Most drivers take width and height as a pair: set both before reading either.
            ask("height", cv2.CAP_PROP_FRAME_HEIGHT, options["height"])
        if options.get("width") is not None:
            ask("width", cv2.CAP_PROP_FRAME_WIDTH, options["width"])
        if options.get("fps") is not None:
            ask("fps", cv2.CAP_PROP_FPS, options["fps"])
        if options.get("exposure") is not None:
            capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, self._manual_exposure())
            ask("exposure", cv2.CAP_PROP_EXPOSURE, options["exposure"])
        if options.get("gain") is not None:
            ask("gain", cv2.CAP_PROP_GAIN, options["gain"])
        if options.get("trigger") is not None:
            ask("trigger", cv2.CAP_PROP_TRIGGER, float(options["trigger"] == "on"))
        buffers = options.get("buffers")
        queued = capture.set(cv2.CAP_PROP_BUFFERSIZE, buffers or 1)
        # Many back-ends have no such setting: report it only if it was requested.
        if not queued and buffers is not None:
            refused.append(f"buffers={buffers} (this back-end has no such setting)")
        if refused:
            self.warning = f"the camera did not accept {', '.join(refused)}"

    def describe(self) -> str:
        """Name, back-end and settings as read back, in one line."""
        options, get = self.options, self._capture.get
        size = f"{get(cv2.CAP_PROP_FRAME_WIDTH):.0f}x{get(cv2.CAP_PROP_FRAME_HEIGHT):.0f}"
        parts = [f"{self.name} {self._capture.getBackendName()} {size}"]
        if fourcc := _fourcc_text(get(cv2.CAP_PROP_FOURCC)):
            parts.append(fourcc)
        if self.fps is not None:
            parts.append(f"{self.fps:g} fps")
        if options.get("exposure") is not None:
            parts.append(f"exposure {get(cv2.CAP_PROP_EXPOSURE):g}")
        if options.get("cfa") is not None:
            parts.append(f"mosaic {options['cfa']}")
        if options.get("gain") is not None:
            parts.append(f"gain {get(cv2.CAP_PROP_GAIN):g}")
        return ", ".join(parts)

    def values(self) -> Mapping[str, Value]:
        """Read the adjustable values from the camera."""
        get = self._capture.get
        fps = self.fps
        return {
            "exposure": _finite(get(cv2.CAP_PROP_EXPOSURE)),
            "gain": _finite(get(cv2.CAP_PROP_GAIN)),
            **({} if fps is None else {"fps": fps}),
            "width": round(_finite(get(cv2.CAP_PROP_FRAME_WIDTH))),
            "height": round(_finite(get(cv2.CAP_PROP_FRAME_HEIGHT))),
            "trigger": "on" if get(cv2.CAP_PROP_TRIGGER) > 0 else "off",
        }

    def adjust(self, wanted: Mapping[str, Value]) -> None:
        """Set the values of `wanted`, all or none.

        Raises
        ------
        RefusedValueError
            If the camera does not accept a value; nothing is changed then.
        """
        capture = self._capture
        numbers = {name: _number(name, value) for name, value in wanted.items()}
        properties = [_ADJUSTABLE[name] for name in numbers]
        before = [
            (prop, float(capture.get(prop))) for prop in (cv2.CAP_PROP_AUTO_EXPOSURE, *properties)
        ]
        if "exposure" in numbers:
            capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, self._manual_exposure())
        # Width and height are a pair: both are set before either is read.
        taken = [
            capture.set(prop, want) for prop, want in zip(properties, numbers.values(), strict=True)
        ]
        had = dict(before)
        for prop, name, done in zip(properties, numbers, taken, strict=True):
            want, has = numbers[name], float(capture.get(prop))
            # Cameras round to their own steps and clip to their range, which is not a failure
            # as long as the value changed.
            if not _close_to(has, want) and (not done or has == had[prop]):
                for old_prop, old in before:
                    capture.set(old_prop, old)
                raise RefusedValueError(
                    f"the camera did not accept {name}={want:g}, it has {has:g}"
                )

    def _manual_exposure(self) -> float:
        return _V4L2_MANUAL_EXPOSURE if self.of_v4l2 else 0


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else 0.0
