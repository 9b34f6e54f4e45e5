"""ReceivedPacket: one message from the socket, parsed, with its time of arrival."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rankcast.errors import WireError
from rankcast.wire import Limits, Packet, Replay, Status, parse_status, split_message, unpack

_NOTHING: Final = memoryview(b"")


@dataclass(frozen=True, slots=True)
class ReceivedPacket:
    """A packet of one camera, or the reason why it could not be parsed."""

    camera: str
    """Name of the camera at its sender."""
    t_received_s: float
    """Monotonic."""
    packet: Packet | None
    """None if `error` is set."""
    data: memoryview
    """The whole packet as it was received; empty if `error` is set."""
    status: Status | None = None
    """The parsed body of a status or end packet."""
    error: WireError | None = None
    replay: Replay | None = None
    """Says when a recorded frame is shown at the sender; None if it was captured just now."""

    def sender_times(self) -> tuple[int, int | None]:
        """Return when the packet was made, on both clocks of the sender; see `SenderClock.hear`.

        A frame of a recording counts as made when it was due.
        """
        assert self.packet is not None
        header = self.packet.header
        if self.replay is not None:
            return self.replay.shown_ns(header.t_capture_mono_ns)
        return header.t_capture_mono_ns, None if header.is_short else header.t_capture_utc_ns

    @property
    def is_picture(self) -> bool:
        """True for a key frame or a predicted frame."""
        return self.packet is not None and self.status is None


def read_message(message: memoryview, limits: Limits, now_s: float) -> ReceivedPacket:
    """Parse one message of a frames socket.

    Parameters
    ----------
    message : memoryview
        Topic and packet; the result holds a view of it.
    limits : Limits
        Sizes above which a packet is refused.
    now_s : float
        Time of arrival, monotonic.

    Returns
    -------
    ReceivedPacket
        `error` is set if the topic names a camera but the packet is invalid.

    Raises
    ------
    WireError
        If the topic is not one of Rankcast's.
    """
    return read_packet(*split_message(message), limits, now_s)


def read_packet(
    camera: str, channel: str, data: memoryview, limits: Limits, now_s: float
) -> ReceivedPacket:
    """Parse one packet of a camera that came on a channel, ``frames`` or ``status``.

    Returns
    -------
    ReceivedPacket
        `error` is set if the packet is invalid.
    """
    try:
        packet = unpack(data, limits)
        if (channel == "frames") != packet.header.kind.is_picture:
            raise WireError(f"got kind {packet.header.kind.name} on topic {channel}")
        status = None if packet.header.kind.is_picture else parse_status(packet)
    except WireError as exc:
        return ReceivedPacket(camera, now_s, None, _NOTHING, error=exc)
    return ReceivedPacket(camera, now_s, packet, data, status)
