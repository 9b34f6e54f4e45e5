"""Tables of what viewers connect to, at a sender and at a relay."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from rankcast.errors import SettingsError
from rankcast.nats import NatsAddress, is_nats
from rankcast.net import DEFAULT_ENDPOINT, SocketOptions, check_endpoint
from rankcast.settings import Table
from rankcast.wire import Limits
from rankcast_sender.sockets import control_address


class ListenTable(Table):
    """``[network]``: the addresses for viewers, and their connections."""

    bind: str = DEFAULT_ENDPOINT
    """Address of the frames, or of a NATS server; the default can be reached from this machine
    only."""
    control: str = ""
    """Address of the control channel; empty selects the port of `bind` + 10, off none."""
    queue_messages: int = Field(default=4, ge=1, le=1000)
    """Longest queue of messages of one camera for one viewer; queued frames grow old."""
    buffer_bytes: int = Field(default=262_144, ge=4096, le=67_108_864)
    """Kernel buffer of one connection; a smaller one keeps frames fresher on slow links."""
    unacknowledged_s: int = Field(default=0, ge=0, le=86_400)
    """Disconnect a viewer that takes no data for this long; 0: 5 s in real time, else 60 s."""
    linger_s: float = Field(default=0.0, ge=0.0, le=600.0)
    """Time for viewers to take the last messages; 0: 1 s in real time, else 30 s."""

    @field_validator("bind")
    @classmethod
    def _address_is_allowed(cls, bind: str) -> str:
        try:
            return str(NatsAddress.of(bind)) if is_nats(bind) else check_endpoint(bind, bind=True)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc

    @model_validator(mode="after")
    def _control_is_an_address(self) -> ListenTable:
        try:
            if not is_nats(self.bind):
                control_address(self.bind, self.control)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc
        return self

    def check_lossless(self) -> None:
        """Check that viewers that keep every frame can say how many they can take.

        Raises
        ------
        ValueError
            Without a control channel.
        """
        if not is_nats(self.bind) and not control_address(self.bind, self.control):
            raise ValueError(
                "realtime = false needs the control channel, by which viewers that keep every "
                "frame say how many they can take: give --control an address, or --realtime"
            )

    @property
    def socket(self) -> SocketOptions:
        """Options of the sockets for viewers."""
        return SocketOptions(
            self.queue_messages,
            self.buffer_bytes,
            0,
            unacknowledged_ms=1000 * self.unacknowledged_s,
        )


class ViewerLimitsTable(Table):
    """``[limits]``: the largest packet, and what one viewer may ask for."""

    max_packet_bytes: int = Field(default=Limits().max_packet_bytes, ge=1024, le=2**31 - 1)
    """Larger packets are not sent; viewers apply their own limit."""
    max_requests_s: int = Field(default=2000, ge=100, le=1_000_000)
    """Most messages a second of one key or, without keys, one connection, which is closed beyond
    it; the key is then refused for a minute and more."""
    max_connections: int = Field(default=64, ge=1, le=10_000)
    """Most connections of one key or, without keys, one address to each of the two ports; further
    ones are closed."""
