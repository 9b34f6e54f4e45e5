"""Replay: what a status says about a recording that is played, and the times that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rankcast.errors import WireError
from rankcast.wire.fields import required_map, uint
from rankcast.wire.header import STREAM_ID_BYTES

MAX_SPEED: Final = 1000.0
_UINT64: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Replay:
    """A run of a recording: one stream of it, in one of its loops.

    The packets are those that were recorded, with the stream and the capture times of then. The
    status has a stream id of this run; times of its sender follow from those of the packets.
    """

    stream: bytes
    """Stream id in the packets of the recording."""
    loop: int
    """0 the first time."""
    speed: float
    from_mono_ns: int
    """Time on the clock since boot of the recorded camera station ..."""
    at_mono_ns: int
    """... that is shown at this time on the clock since boot of the sender."""
    at_utc_ns: int
    """UTC at the sender at that time."""

    def shown_ns(self, t_capture_mono_ns: int) -> tuple[int, int]:
        """Return when a frame was due at the sender: on its clock since boot, and in UTC."""
        later_ns = round((t_capture_mono_ns - self.from_mono_ns) / self.speed)
        return (
            min(max(0, self.at_mono_ns + later_ns), _UINT64),
            min(max(0, self.at_utc_ns + later_ns), _UINT64),
        )

    def as_map(self) -> dict[str, Any]:
        """Return the map of docs/wire.md."""
        return {
            "stream": self.stream,
            "loop": self.loop,
            "speed": self.speed,
            "from_mono_ns": self.from_mono_ns,
            "at_mono_ns": self.at_mono_ns,
            "at_utc_ns": self.at_utc_ns,
        }


def replay_of(body: object) -> Replay | None:
    """Parse the key `replay` of a status; None if it is an empty map.

    Raises
    ------
    WireError
        If a value is missing, has the wrong type or is out of range.
    """
    values: Mapping[str, Any] = required_map(body, "replay")
    if not values:
        return None
    stream, speed = values.get("stream"), values.get("speed")
    if type(stream) is not bytes or len(stream) != STREAM_ID_BYTES:
        raise WireError(f"replay.stream is {stream!r:.40}, want {STREAM_ID_BYTES} bytes")
    if type(speed) is not float or not 1 / MAX_SPEED <= speed <= MAX_SPEED:
        raise WireError(f"replay.speed is {speed!r:.40}, want {1 / MAX_SPEED} to {MAX_SPEED:g}")
    times = (
        uint(values.get(name), f"replay.{name}")
        for name in ("from_mono_ns", "at_mono_ns", "at_utc_ns")
    )
    return Replay(stream, uint(values.get("loop"), "replay.loop"), speed, *times)
