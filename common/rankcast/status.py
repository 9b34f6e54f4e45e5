"""The status message: what a sender says about itself, once a second and at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import msgpack
import numpy as np

from rankcast.errors import LimitError, WireError
from rankcast.printable import printable
from rankcast.wire import Header, Kind, Packet, pack, string_map, uint, unpack_msgpack

MAX_STATUS_BYTES: Final = 64 * 1024
MAX_TEXT_CHARS: Final = 1000
"""At most 4 bytes each in UTF-8, which stays within what a reader takes for one text."""


@dataclass(frozen=True, slots=True)
class Status:
    """The sender's word about itself; also the body of the end message."""

    grabbed: int = 0
    published: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)
    viewers: int = 0
    state: str = "live"
    source: str = ""
    codec: str = ""
    fps: float = 0.0


def pack_status(
    kind: Kind, stream_id: bytes, status: Status, t_mono_ns: int, t_utc_ns: int
) -> bytes:
    """Serialise a status or end packet with the sender's totals and its two clocks in ns."""
    body = msgpack.packb(
        {
            "grabbed": status.grabbed,
            "published": status.published,
            "lost": dict(status.lost),
            "viewers": status.viewers,
            "state": _packable(status.state),
            "source": _packable(status.source),
            "codec": _packable(status.codec),
            "fps": float(status.fps),
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
    """Read the body of a status or end packet.

    Raises
    ------
    WireError
        If it is no such packet or a known key has the wrong type.
    """
    if packet.header.kind.is_picture:
        raise WireError(f"got a packet of kind {packet.header.kind.name}, want status or end")
    if len(packet.body) > MAX_STATUS_BYTES:
        raise LimitError(
            f"got a status of {len(packet.body)} bytes, the limit is {MAX_STATUS_BYTES}"
        )
    body = _map(unpack_msgpack(packet.body, "status"), "status")
    lost = _map(body.get("lost", {}), "lost")
    fps = body.get("fps", 0.0)
    if type(fps) is not float or not np.isfinite(fps):
        raise WireError(f"fps is {fps!r:.40}, want a number")
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
    )


def _packable(text: str) -> str:
    # A path on POSIX may hold bytes that are no text; they must not stop the sender.
    return text[:MAX_TEXT_CHARS].encode("utf-8", "replace").decode("utf-8")


def _map(value: object, name: str) -> Mapping[str, Any]:
    if value is None:
        raise WireError(f"{name} is nil, want a map with string keys")
    return string_map(value, name)


def _text(value: object, name: str) -> str:
    if type(value) is not str:
        raise WireError(f"{name} is {type(value).__name__}, want text")
    # Foreign text ends up on terminals and in file tags: control characters have no place there.
    return printable(value)
