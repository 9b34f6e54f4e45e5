"""A device that costs nothing: it returns prepared frames at a steady rate. For grabber.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from rankcast_sender.devices.device import DeviceError, DeviceState, Grabbed, Value

PATTERNS: Final = 4
"""Frames differ from the one before, as those of a camera do."""


class PacedDevice:
    """Frames of one value each, of `height` x `width` x `channels` samples, `fps` a second."""

    def open(self, options: Mapping[str, Value]) -> DeviceState:
        """Prepare the frames."""
        given: Mapping[str, Any] = options
        self._shape = (given["height"], given["width"], given["channels"], given["sample_bytes"])
        size = given["height"] * given["width"] * given["channels"] * given["sample_bytes"]
        self._frames = [bytes([value + 1]) * size for value in range(PATTERNS)]
        self._interval_s = 1 / given["fps"]
        self._count = 0
        self._due_s = time.monotonic()
        return DeviceState("paced", self._interval_s)

    def read(self, timeout_s: float) -> Grabbed | None:
        """Wait until the next frame is due."""
        self._due_s += self._interval_s
        time.sleep(min(timeout_s, max(0.0, self._due_s - time.monotonic())))
        self._count += 1
        height, width, channels, sample_bytes = self._shape
        return Grabbed(
            self._frames[self._count % PATTERNS], height, width, channels, sample_bytes,
            boot_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME),
        )  # fmt: skip

    def apply(self, values: Mapping[str, Value]) -> DeviceState:
        """Refuse: the device has no settings."""
        raise DeviceError(f"got {', '.join(values)}, but the paced device has no settings")

    def close(self) -> None:
        """Do nothing."""


def make_device() -> PacedDevice:
    """Return a closed device."""
    return PacedDevice()
