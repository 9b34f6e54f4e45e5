"""Device: what a family of cameras implements to be grabbed; standard library types only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Union

Value = Union[bool, int, float, str, None]  # noqa: UP007 - an expression, not an annotation
"""What a setting of a device can be; `rankcast.frame.Scalar` without bytes."""

READ_S: Final = 0.25
"""Time-out of one read: between two reads the grabber process serves commands."""

OPENING_S: Final = 10.0
"""Longest time for which `list_devices` opens one device after another; the rest are listed without
their formats, before the sender ends the search."""


class DeviceError(Exception):
    """The device cannot be opened or read: it is closed, and opened again after a pause.

    The message is one line: what failed, and what the operator can check.
    """


class RefusedValueError(Exception):
    """A setting is not accepted, and nothing was changed.

    The message is one line: what was given and what is allowed. Raised by `Device.open`, it ends
    the sender, because opening again cannot help.
    """


@dataclass(frozen=True)
class DeviceState:
    """What is known about an open device; `Device.open` and `Device.apply` return it."""

    description: str
    """One line for status and reports: model, serial, format, size; no credentials."""
    frame_interval_s: float | None = None
    """Time from one frame to the next; None if unknown, or while a trigger sets the pace."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """Settings that `apply` can change, as read back. By convention: ``exposure`` (of GenICam in
    microseconds), ``gain``, ``fps``, ``trigger`` (``off`` or ``on``; `apply` may also take
    ``once``, a software trigger), and the region of interest ``width``, ``height``, ``offset_x``,
    ``offset_y``."""
    waits_for_trigger: bool = False
    """True while silence is no failure, because the device waits for a trigger."""
    polls: bool = False
    """True if `read` returns within `longest_read_s` by itself, also while the device waits for a
    trigger. False: nothing bounds a read that waits for a trigger, so that one that hangs is not
    noticed."""
    longest_read_s: float = READ_S
    """Longest that `read` takes by design; a device that cannot keep to its time-out states it
    here. A read that takes a second longer ends the grabber process."""
    warning: str = ""
    """One line for the log, such as options that the device did not accept; empty for none."""


@dataclass(frozen=True)
class Grabbed:
    """One frame; its buffer is copied before the next call of the device."""

    data: Any
    """An object with the buffer protocol, C-contiguous, of height x width x channels samples in
    the byte order of this machine, or as `pixel_format` says; None if there are only losses to
    report."""
    height: int = 0
    width: int = 0
    channels: int = 1
    """3 is blue, green, red."""
    sample_bytes: int = 1
    """1, or 2 for more than 8 bits."""
    significant_bits: int = 0
    """0: all bits of a sample."""
    cfa: str = ""
    """Colour filter array of a mosaic: RGGB, BGGR, GRBG or GBRG; empty for none."""
    pixel_format: str = ""
    """Name of the format in GenICam's PFNC, such as Mono12p: the sender unpacks the buffer, and
    `channels`, `sample_bytes`, `significant_bits` and `cfa` follow from it. Empty: not packed."""
    line_padding: int = 0
    """Bytes behind each line of a `pixel_format` that hold no pixels (PaddingX)."""
    device_frame_id: int | None = None
    device_time_ns: int | None = None
    line: bool | None = None
    """Whether the digital input that option `line` names is high; None: nobody asked."""
    lost: int = 0
    """Frames that were lost since the last one: incomplete buffers, gaps in the block ids."""
    boot_ns: int = 0
    """Time of capture, CLOCK_BOOTTIME; 0: when `read` returned."""
    utc_ns: int = 0


class Device(Protocol):
    """One camera. Every method is called in the main thread of the grabber process.

    The module of a device has a function ``make_device()``, which returns one that is not open. It
    may have ``list_devices()``, for `rankcast cameras`: a list of mappings with the texts ``path``
    (of the source), ``model``, ``serial``, ``name``, ``link`` and ``problem`` (why it cannot be
    opened now), and the list ``formats``.
    """

    def open(self, options: Mapping[str, Value]) -> DeviceState:
        """Open the device and start it.

        Parameters
        ----------
        options : mapping
            Validated options of the source URI, and its ``path``. None: not given.

        Raises
        ------
        DeviceError
            If it cannot be opened.
        RefusedValueError
            If an option is impossible for this device.
        """

    def read(self, timeout_s: float) -> Grabbed | None:
        """Return the next frame; None if there is none within `timeout_s`.

        Raises
        ------
        DeviceError
            If the device is gone, also while it waits for a trigger.
        """

    def apply(self, values: Mapping[str, Value]) -> DeviceState:
        """Change all of `values` or none, and read everything back.

        Raises
        ------
        RefusedValueError
            If the device does not accept a value; nothing is changed then.
        DeviceError
            If the device is gone.
        """

    def close(self) -> None:
        """Release the device; called once, also after a failed `open`."""
