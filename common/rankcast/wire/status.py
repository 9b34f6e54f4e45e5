"""The status message that a sender publishes every second, and the end message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import msgpack

from rankcast.errors import LimitError, SettingsError, WireError
from rankcast.frame import Scalar
from rankcast.printable import printable
from rankcast.wire.fields import check_scalar, required_map, uint, unpack_msgpack
from rankcast.wire.header import Header, Kind
from rankcast.wire.packet import Packet, pack
from rankcast.wire.replay import Replay, replay_of
from rankcast.wire.topic import MAIN, check_substream

MAX_STATUS_BYTES: Final = 64 * 1024
_ALWAYS: Final = frozenset(
    {"grabbed", "published", "lost", "viewers", "state", "source", "codec", "fps"}
)
MAX_MS: Final = 1e9
"""Twelve days; longer latencies and clock errors are rejected."""
MAX_FPS: Final = 1e9
UPLINK_UP: Final = "up"
"""What a relay says of an uplink that works."""
MAX_INTERVAL_S: Final = 1e9
_SIZE: Final = re.compile(r"([1-9][0-9]{0,6}x[1-9][0-9]{0,6})?(\+[0-9]{1,7}\+[0-9]{1,7})?")
MAX_STREAMS: Final = 32
"""Most streams of one camera in a status. Senders have 8 besides the main one; a relay looks at
each of them many times a second."""
MAX_TEXT_CHARS: Final = 1000
"""Most characters of a text: at up to 4 bytes each in UTF-8, readers accept 4096 bytes."""


@dataclass(frozen=True, slots=True)
class Status:
    """State and totals of one camera; also the body of the end message."""

    grabbed: int = 0
    published: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)
    viewers: int = 0
    state: str = "live"
    source: str = ""
    codec: str = ""
    fps: float = 0.0
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    """Codec options in effect."""
    camera: Mapping[str, Scalar] = field(default_factory=dict)
    """Adjustable values of the camera, as the device reports them."""
    control: int = 0
    """Port of the control channel; 0 if there is none or an older sender does not state it."""
    clock_synchronised: bool | None = None
    """True if the station's UTC clock is synchronised to a reference; None if unknown."""
    clock_error_ms: float | None = None
    """Error bound of that clock, as the time service reports it; None if unknown."""
    reporting: int = 0
    """Viewers that have sent a report within the last seconds."""
    viewers_lost: int = 0
    """Sum of the losses that they report."""
    viewers_latency_p99_ms: float | None = None
    """Highest of their latencies; None if no viewer measured one."""
    keys: Mapping[str, Scalar] = field(default_factory=dict)
    """State of the authorised keys; empty without keys."""
    fidelity: Mapping[str, Scalar] = field(default_factory=dict)
    """Rank, energy and error of packets in the latest status interval that contained any."""
    frame_interval_s: float = 0.0
    """Frame interval of the source, announced or measured; 0 if unknown."""
    settings_refused: str = ""
    """Why the latest change of codec options was undone; empty if it was not."""
    recorded: int = 0
    """Frames in the sender's own recording."""
    events: bool = False
    """True if a `record` request starts the recording of an event."""
    replay: Replay | None = None
    """What is played, if the packets are those of a recording."""
    streams: Mapping[str, str] = field(default_factory=dict)
    """Sizes of all streams of the camera by name, WIDTHxHEIGHT, with +X+Y behind it if it shows
    only the part of the picture that begins there; without the size before the first picture.
    Empty if there is only the main stream."""
    relay: Mapping[str, Scalar] = field(default_factory=dict)
    """How the packets came here, if a relay sends them."""

    @property
    def uplink(self) -> str:
        """Why a relay gets nothing of this camera, in ASCII; empty while it does."""
        text = self.relay.get("uplink", UPLINK_UP)
        text = str(text) if isinstance(text, str) and text else UPLINK_UP
        return "" if text == UPLINK_UP else text.encode("ascii", "replace").decode()

    @property
    def station(self) -> str:
        """Which of a relay's stations has the camera; empty for the first one, or no relay."""
        station = self.relay.get("station", "")
        return station if isinstance(station, str) else ""

    @property
    def relay_error_ms(self) -> float | None:
        """By how much a relay may be wrong about the camera's clock; 0.0 without a relay.

        None if it does not know.
        """
        if not self.relay:
            return 0.0
        error_ms = self.relay.get("clock_error_ms")
        return error_ms if isinstance(error_ms, float) and 0.0 <= error_ms <= MAX_MS else None

    def as_map(self) -> dict[str, Any]:
        """Return the body of the message, with the keys that docs/wire.md lists."""
        return {
            "grabbed": self.grabbed,
            "published": self.published,
            "lost": dict(self.lost),
            "viewers": self.viewers,
            "state": _packable(self.state),
            "source": _packable(self.source),
            "codec": _packable(self.codec),
            "fps": float(self.fps),
            "settings": _packable_scalars(self.settings),
            "camera": _packable_scalars(self.camera),
            "control": self.control,
            "clock": {"synchronised": self.clock_synchronised, "error_ms": self.clock_error_ms},
            "reports": {
                "viewers": self.reporting,
                "lost": self.viewers_lost,
                "latency_p99_ms": self.viewers_latency_p99_ms,
            },
            "keys": _packable_scalars(self.keys),
            "fidelity": _packable_scalars(self.fidelity),
            "frame_interval_s": float(self.frame_interval_s),
            "settings_refused": _packable(self.settings_refused),
            "recorded": self.recorded,
            "events": self.events,
            "replay": {} if self.replay is None else self.replay.as_map(),
            "streams": dict(self.streams),
            "relay": _packable_scalars(self.relay),
        }


def pack_status(
    kind: Kind, stream_id: bytes, status: Status, t_mono_ns: int, t_utc_ns: int
) -> bytes:
    """Serialise a status or end packet with the sender's totals and its two clocks in ns."""
    # Keys added in later versions are omitted at their defaults, as by older senders.
    silent = Status().as_map()
    body = msgpack.packb(
        {
            name: value
            for name, value in status.as_map().items()
            if name in _ALWAYS or value != silent[name]
        }
    )
    header = Header(
        kind=kind,
        stream_id=stream_id,
        sequence=status.published,
        frame=status.grabbed,
        t_capture_mono_ns=t_mono_ns,
        t_capture_utc_ns=t_utc_ns,
    )
    return pack(header, body)


def parse_status(packet: Packet) -> Status:
    """Parse the body of a status or end packet.

    Raises
    ------
    WireError
        If it is another kind of packet, or a known key has the wrong type or is out of range.
    """
    if packet.header.kind.is_picture:
        raise WireError(f"got a packet of kind {packet.header.kind.name}, want status or end")
    if len(packet.body) > MAX_STATUS_BYTES:
        raise LimitError(
            f"got a status of {len(packet.body)} bytes, the limit is {MAX_STATUS_BYTES}"
        )
    return status_of(required_map(unpack_msgpack(packet.body, "status"), "status"))


def status_of(body: Mapping[str, Any]) -> Status:
    """Parse a status map; unknown keys are ignored, missing ones get their defaults.

    Raises
    ------
    WireError
        If a known key has the wrong type or is out of range.
    """
    lost = required_map(body.get("lost", {}), "lost")
    fps = body.get("fps", 0.0)
    if type(fps) is not float or not 0 <= fps <= MAX_FPS:
        raise WireError(f"fps is {fps!r:.40}, want a number from 0 to {MAX_FPS:g}")
    interval_s = body.get("frame_interval_s", 0.0)
    if type(interval_s) is not float or not 0 <= interval_s <= MAX_INTERVAL_S:
        raise WireError(
            f"frame_interval_s is {interval_s!r:.40}, want 0 to {MAX_INTERVAL_S:g} seconds"
        )
    clock = required_map(body.get("clock", {}), "clock")
    synchronised = clock.get("synchronised")
    if synchronised is not None and type(synchronised) is not bool:
        raise WireError(f"clock.synchronised is {synchronised!r:.40}, want true, false or nil")
    events = body.get("events", False)
    if type(events) is not bool:
        raise WireError(f"events is {events!r:.40}, want true or false")
    reports = required_map(body.get("reports", {}), "reports")
    return Status(
        grabbed=uint(body.get("grabbed", 0), "grabbed"),
        published=uint(body.get("published", 0), "published"),
        lost=MappingProxyType(
            {_text(cause, "lost"): uint(count, "lost") for cause, count in lost.items()}
        ),
        viewers=uint(body.get("viewers", 0), "viewers"),
        state=_text(body.get("state", ""), "state"),
        source=_text(body.get("source", ""), "source"),
        codec=_text(body.get("codec", ""), "codec"),
        fps=fps,
        settings=_scalars(body.get("settings", {}), "settings"),
        camera=_scalars(body.get("camera", {}), "camera"),
        control=uint(body.get("control", 0), "control", 65_535),
        clock_synchronised=synchronised,
        clock_error_ms=_optional_ms(clock.get("error_ms"), "clock.error_ms"),
        reporting=uint(reports.get("viewers", 0), "reports.viewers"),
        viewers_lost=uint(reports.get("lost", 0), "reports.lost"),
        viewers_latency_p99_ms=_optional_ms(
            reports.get("latency_p99_ms"), "reports.latency_p99_ms"
        ),
        keys=_scalars(body.get("keys", {}), "keys"),
        fidelity=_scalars(body.get("fidelity", {}), "fidelity"),
        frame_interval_s=interval_s,
        settings_refused=_text(body.get("settings_refused", ""), "settings_refused"),
        recorded=uint(body.get("recorded", 0), "recorded"),
        events=events,
        replay=replay_of(body.get("replay", {})),
        streams=_streams(body.get("streams", {})),
        relay=_scalars(body.get("relay", {}), "relay"),
    )


def _streams(value: object) -> Mapping[str, str]:
    found: dict[str, str] = {}
    streams = required_map(value, "streams")
    if len(streams) > MAX_STREAMS:
        raise WireError(f"got {len(streams)} streams of one camera, want at most {MAX_STREAMS}")
    for name, size in streams.items():
        try:
            name = name if name == MAIN else check_substream(name)
        except SettingsError as exc:
            raise WireError(str(exc)) from None
        if type(size) is not str or not _SIZE.fullmatch(size):
            raise WireError(f"the size of stream {name} is {size!r:.40}, want WIDTHxHEIGHT+X+Y")
        found[name] = size
    return MappingProxyType(found)


def _packable(text: str) -> str:
    # A POSIX path may contain bytes that are not UTF-8, which must not stop the sender.
    return text[:MAX_TEXT_CHARS].encode("utf-8", "replace").decode("utf-8")


def _packable_scalars(values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    return {
        _packable(name): _packable(value) if isinstance(value, str) else value
        for name, value in values.items()
    }


def _scalars(value: object, name: str) -> Mapping[str, Scalar]:
    found: dict[str, Scalar] = {}
    for key, item in required_map(value, name).items():
        check_scalar(item, f"a value of {name}")
        found[printable(key)] = printable(item) if isinstance(item, str) else item
    return MappingProxyType(found)


def _optional_ms(value: object, name: str) -> float | None:
    if value is None:
        return None
    if type(value) is not float or not 0 <= value <= MAX_MS:
        raise WireError(f"{name} is {value!r:.40}, want 0 to {MAX_MS:g} milliseconds or nil")
    return value


def _text(value: object, name: str) -> str:
    if type(value) is not str:
        raise WireError(f"{name} is {type(value).__name__}, want text")
    # Text from a peer ends up in file tags and reports, where control characters are dangerous.
    return printable(value)
