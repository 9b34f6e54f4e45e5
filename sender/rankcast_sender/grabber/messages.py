"""Messages of the grabber process, parsed from lines of JSON; a driver may have corrupted it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from rankcast.errors import SettingsError, SourceError, UnsupportedImageError
from rankcast.frame import CFA_PATTERNS, MAX_CHANNELS, Scalar
from rankcast.printable import printable
from rankcast_sender.sources import PixelFormat, pixel_format

MAX_LINE_BYTES: Final = 64 * 1024
MAX_FRAME_BYTES: Final = 1 << 31
"""No sensor is larger, and a ring of four such frames would be 8 GiB."""
_MAX_SIDE: Final = 65535
_MAX_PADDING: Final = 65535
_MAX_TEXT: Final = 2000
_MAX_VALUES: Final = 64
_MAX_COUNT: Final = 2**32
_UINT64_MAX: Final = 2**64 - 1


class GrabberProtocolError(SourceError):
    """The grabber process sent something else than a message: a driver has damaged it."""


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What the grabber process says about its open device; see `DeviceState`."""

    description: str
    frame_interval_s: float | None
    values: Mapping[str, Scalar]
    waits_for_trigger: bool
    polls: bool
    longest_read_s: float
    warning: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The device is open."""

    facts: DeviceFacts


@dataclass(frozen=True, slots=True)
class Applied:
    """The answer to a change of settings."""

    id: int
    why: str
    """Why nothing was changed; empty if the values are in force."""
    facts: DeviceFacts | None


@dataclass(frozen=True, slots=True)
class SlotWritten:
    """A frame in a slot of the ring, which belongs to this process until it is given back."""

    slot: int
    height: int
    width: int
    channels: int
    sample_bytes: int
    significant_bits: int
    cfa: str
    device_frame_id: int | None
    device_time_ns: int | None
    boot_ns: int
    utc_ns: int
    lost: int
    dropped: int
    pixel_format: PixelFormat | None = None
    """How the samples are packed; None: not at all."""
    line_padding: int = 0
    packed_bytes: int = 0
    line: bool | None = None
    """Whether the digital input that option `line` names was high; None without that option."""

    @property
    def frame_bytes(self) -> int:
        """Bytes of the frame in its slot."""
        if self.pixel_format is not None:
            return self.packed_bytes
        return self.height * self.width * self.channels * self.sample_bytes


@dataclass(frozen=True, slots=True)
class RingWanted:
    """The next frame has this many bytes, more than a slot."""

    frame_bytes: int


@dataclass(frozen=True, slots=True)
class Idle:
    """The device was read; frames may have been lost."""

    lost: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Pong:
    """The process is alive; whether its device can still be read is not known."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The device cannot be opened or read, and the process is about to end."""

    why: str
    refused: bool
    """True if a setting is impossible, so that opening again cannot help."""
    lost: int
    dropped: int


Message: TypeAlias = Opened | Applied | SlotWritten | RingWanted | Idle | Pong | Failed


def parse_message(line: bytes) -> Message:
    """Parse one line.

    Raises
    ------
    GrabberProtocolError
        If it is not exactly what the grabber process sends.
    """
    try:
        values = json.loads(line)
        if not isinstance(values, dict):
            raise _wrong("message", values)
        return _message(values)
    except (ValueError, RecursionError) as exc:
        raise GrabberProtocolError(
            f"the grabber process sent {line[:60]!r}, want a line of JSON"
        ) from exc


def _message(values: Mapping[str, Any]) -> Message:
    match values.get("msg"):
        case "frame":
            return _slot_written(values)
        case "idle":
            return Idle(_count(values, "lost"), _count(values, "dropped"))
        case "pong":
            return Pong()
        case "opened":
            return Opened(_facts(values))
        case "applied":
            why = _text(values, "why")
            return Applied(_count(values, "id"), why, None if why else _facts(values))
        case "ring":
            return RingWanted(_integer(values, "bytes", 1, MAX_FRAME_BYTES))
        case "failed":
            refused = values.get("refused")
            if type(refused) is not bool:
                raise _wrong("refused", refused)
            why = _text(values, "why") or "no reason given"
            return Failed(why, refused, _count(values, "lost"), _count(values, "dropped"))
        case kind:
            raise _wrong("msg", kind)


def _slot_written(values: Mapping[str, Any]) -> SlotWritten:
    message = SlotWritten(
        slot=_integer(values, "slot", 0, 255),
        height=_integer(values, "height", 1, _MAX_SIDE),
        width=_integer(values, "width", 1, _MAX_SIDE),
        channels=_integer(values, "channels", 1, MAX_CHANNELS),
        sample_bytes=_integer(values, "sample_bytes", 1, 2),
        significant_bits=_integer(values, "significant_bits", 0, 16),
        cfa=_text(values, "cfa"),
        device_frame_id=_optional(values, "device_frame_id"),
        device_time_ns=_optional(values, "device_time_ns"),
        boot_ns=_integer(values, "boot_ns", 0, _UINT64_MAX),
        utc_ns=_integer(values, "utc_ns", 0, _UINT64_MAX),
        lost=_count(values, "lost"),
        dropped=_count(values, "dropped"),
        line=_flag(values, "line"),
    )
    if message.significant_bits > 8 * message.sample_bytes:
        raise _wrong("significant_bits", message.significant_bits)
    if message.cfa not in CFA_PATTERNS or (message.cfa and message.channels != 1):
        raise _wrong("cfa", message.cfa)
    if values.get("pixel_format"):
        return _packed(message, values)
    if values.get("bytes") != message.frame_bytes:
        raise GrabberProtocolError(
            f"the device delivers {values.get('bytes')!r:.40} bytes for a frame of "
            f"{message.width}x{message.height}x{message.channels} samples of "
            f"{message.sample_bytes} bytes: its pixel format is not what it states"
        )
    return message


def _packed(message: SlotWritten, values: Mapping[str, Any]) -> SlotWritten:
    name = _text(values, "pixel_format")
    packed_bytes = _integer(values, "bytes", 1, MAX_FRAME_BYTES)
    line_padding = _integer(values, "line_padding", 0, _MAX_PADDING)
    try:
        found = pixel_format(name)
        found.check_size(packed_bytes, message.height, message.width, line_padding)
    except (SettingsError, UnsupportedImageError) as exc:
        raise GrabberProtocolError(str(exc)) from exc
    return replace(
        message, channels=found.channels, sample_bytes=found.sample_bytes,
        significant_bits=found.significant_bits, cfa=found.cfa,
        pixel_format=found, line_padding=line_padding, packed_bytes=packed_bytes,
    )  # fmt: skip


def _facts(values: Mapping[str, Any]) -> DeviceFacts:
    settings = values.get("values")
    if not isinstance(settings, dict) or len(settings) > _MAX_VALUES:
        raise _wrong("values", settings)
    for name, value in settings.items():
        if not (value is None or isinstance(value, bool | int | float | str)):
            raise _wrong(name, value)
        if isinstance(value, str) and len(value) > _MAX_TEXT:
            raise _wrong(name, value)
        if type(value) is int and not -(2**63) <= value <= _UINT64_MAX:
            raise _wrong(name, value)
    interval_s, triggered = values.get("frame_interval_s"), values.get("waits_for_trigger")
    if interval_s is not None and not _seconds(interval_s):
        raise _wrong("frame_interval_s", interval_s)
    if type(triggered) is not bool:
        raise _wrong("waits_for_trigger", triggered)
    polls = values.get("polls")
    if type(polls) is not bool:
        raise _wrong("polls", polls)
    if not _seconds(values.get("longest_read_s")):
        raise _wrong("longest_read_s", values.get("longest_read_s"))
    return DeviceFacts(
        description=printable(_text(values, "description")),
        frame_interval_s=None if interval_s is None else float(interval_s),
        values=settings,
        waits_for_trigger=triggered,
        polls=polls,
        longest_read_s=float(values["longest_read_s"]),
        warning=printable(_text(values, "warning")),
    )


def _seconds(value: Any) -> bool:  # Any: foreign input
    return type(value) in (int, float) and math.isfinite(value) and 0 < value <= 1e6


def _integer(values: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = values.get(name)
    if type(value) is not int or not least <= value <= most:
        raise _wrong(name, value)
    return value


def _count(values: Mapping[str, Any], name: str) -> int:
    return _integer(values, name, 0, _MAX_COUNT)


def _optional(values: Mapping[str, Any], name: str) -> int | None:
    return None if values.get(name) is None else _integer(values, name, 0, _UINT64_MAX)


def _flag(values: Mapping[str, Any], name: str) -> bool | None:
    value = values.get(name)
    if value is not None and type(value) is not bool:
        raise _wrong(name, value)
    return value


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise _wrong(name, value)
    return value


def _wrong(name: str, value: object) -> GrabberProtocolError:
    return GrabberProtocolError(
        f"the grabber process sent {name!a:.40} = {value!a:.60}: "
        "its device module or a driver is defective"
    )
