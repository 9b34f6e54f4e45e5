"""RecordedMessage: one message of a recording."""

from __future__ import annotations

from dataclasses import dataclass

from rankcast.wire import Kind


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """One message of a recording."""

    camera: str
    kind: str
    """``frames`` and ``status``: `data` is a packet; ``ledger``: JSON, see docs/wire.md."""
    sequence: int
    """That of the packet, modulo 2^32."""
    t_recorded_ns: int
    """UTC at the recorder, ns since 1970; never goes back within a run of the recorder."""
    t_capture_ns: int
    """UTC of capture at the camera station, ns since 1970."""
    data: memoryview
    """Read-only. A CRC-32 of it was checked, its content was not."""
    offset: int
    """Where reading the file begins to get this message, first in a file of Rankcast's own."""

    @property
    def is_start(self) -> bool:
        """True for a key frame or a reference, which decodes without any earlier packet."""
        return self.kind == "frames" and self.data[8] in (Kind.KEY, Kind.REFERENCE)

    @property
    def stream_id(self) -> bytes:
        """Id of the stream of a packet."""
        return bytes(self.data[9:17])
