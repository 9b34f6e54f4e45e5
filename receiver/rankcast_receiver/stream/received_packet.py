"""ReceivedPacket: one message from the socket, parsed, with its time of arrival."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rankcast.errors import LimitError, WireError
from rankcast.wire import (
    Kind,
    Limits,
    Packet,
    Replay,
    Status,
    parse_catch_up,
    parse_status,
    split_message,
    token_of,
    unpack,
)

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
    catch_up: Sequence[tuple[Packet, memoryview]] = ()
    """What a viewer needs to go on behind `packet`, the newest one of them, each with its bytes;
    not new frames."""
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
        """True for a key frame or a predicted frame that was not sent to catch up."""
        return self.packet is not None and self.status is None and not self.catch_up


def read_message(
    message: memoryview, limits: Limits, now_s: float, token: bytes = b""
) -> ReceivedPacket:
    """Parse one message of a frames socket.

    Parameters
    ----------
    message : memoryview
        Topic and packet; the result holds a view of it.
    limits : Limits
        Sizes above which a packet is refused.
    now_s : float
        Time of arrival, monotonic.
    token : bytes
        Of this viewer, to which a relay may send a catch-up.

    Returns
    -------
    ReceivedPacket
        `error` is set if the topic names a camera but the packet is invalid.

    Raises
    ------
    WireError
        If the topic is not one of Rankcast's.
    """
    individual = token_of(message)
    if individual is not None:
        if individual[0] != token:
            raise WireError("got what was sent to another viewer")
        return _read_catch_up(individual[1], limits, now_s)
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


def _read_catch_up(message: memoryview, limits: Limits, now_s: float) -> ReceivedPacket:
    camera, channel, data = split_message(message)
    if channel != "frames":
        raise WireError(f"got a catch-up on topic {channel}")
    try:
        if len(data) > limits.max_packet_bytes:
            raise LimitError(
                f"got a catch-up of {len(data)} bytes, the limit is {limits.max_packet_bytes}"
            )
        packets = [(unpack(packet, limits), packet) for packet in parse_catch_up(data)]
        headers = [packet.header for packet, _ in packets]
        if not headers[0].kind.is_start:
            raise WireError(f"got a catch-up that begins with kind {headers[0].kind.name}")
        for before, header in itertools.pairwise(headers):
            if header.kind is not Kind.PREDICTED:
                raise WireError(f"got kind {header.kind.name} within a catch-up")
            if header.stream_id != before.stream_id or header.sequence <= before.sequence:
                raise WireError("got a catch-up that is not in order")
    except WireError as exc:
        return ReceivedPacket(camera, now_s, None, _NOTHING, error=exc)
    return ReceivedPacket(camera, now_s, packets[-1][0], data, catch_up=packets)
