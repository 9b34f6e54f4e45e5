"""Settings of the relay: the defaults that config/relay.toml repeats."""

from __future__ import annotations

from typing import Final

from pydantic import Field, field_validator, model_validator

from rankcast.errors import SettingsError
from rankcast.nats import NatsAddress, is_nats
from rankcast.net import DEFAULT_ENDPOINT, check_endpoint
from rankcast.rank_cut import MAX_RANK
from rankcast.settings import (
    LogTable,
    MetricsTable,
    NatsTable,
    OptionalPath,
    SettingsPath,
    Table,
)
from rankcast.wire import Limits, check_name
from rankcast_receiver.net import MAX_MESSAGES_S, sender_addresses
from rankcast_sender.sockets import control_address

DEFAULT_BIND: Final = "tcp://127.0.0.1:6000"


class UplinkTable(Table):
    """``[uplink]``: the senders that are relayed."""

    connect: str | list[str] = DEFAULT_ENDPOINT
    """Address of the sender, of another relay or of a NATS server, or a list of them."""
    camera: str = ""
    """Name of the camera, or several separated by commas; empty: every camera of every sender."""
    buffer_bytes: int = Field(default=262_144, ge=4096, le=67_108_864)
    """Kernel buffer of the connection to a sender."""

    @field_validator("connect")
    @classmethod
    def _addresses_are_allowed(cls, connect: str | list[str]) -> str | list[str]:
        try:
            sender_addresses([connect] if isinstance(connect, str) else connect)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc
        return connect

    @field_validator("camera")
    @classmethod
    def _names_are_allowed(cls, camera: str) -> str:
        try:
            for name in camera.split(",") if camera else ():
                check_name(name)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc
        return camera

    @property
    def addresses(self) -> list[str]:
        """Addresses of all senders."""
        return [self.connect] if isinstance(self.connect, str) else self.connect

    @property
    def cameras(self) -> list[str]:
        """Names of the wanted cameras; empty means all."""
        return self.camera.split(",") if self.camera else []


class NetworkTable(Table):
    """``[network]``: the addresses for viewers, and their connections."""

    bind: str = DEFAULT_BIND
    """Address of the frames, or of a NATS server; the default can be reached from this machine
    only."""
    control: str = ""
    """Address of the control channel; empty selects the port of `bind` + 10, off none."""
    realtime: bool = True
    """True: the newest frame wins. False: every frame is sent, at the slowest viewer's pace."""
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
    def _control_is_an_address(self) -> NetworkTable:
        try:
            control = is_nats(self.bind) or control_address(self.bind, self.control)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc
        if not self.realtime and not control:
            raise ValueError(
                "realtime = false needs the control channel, by which viewers that keep every "
                "frame say how many they can take: give --control an address, or --realtime"
            )
        return self


class SecurityTable(Table):
    """``[security]``: the key of this relay, and the keys at both of its sides."""

    key: OptionalPath = ""
    """Secret key of this relay, ``NAME.key``, for senders and viewers; empty: no encryption."""
    server_keys: list[SettingsPath] = Field(default_factory=list)
    """Public keys of the senders, ``NAME.pub``; empty: no encryption of the uplink."""
    authorized: OptionalPath = ""
    """Directory of the public keys that may connect; empty: no keys for viewers."""
    insecure: bool = False
    """Listen without keys on an address that other machines can reach."""

    @field_validator("server_keys", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _keys_come_together(self) -> SecurityTable:
        if bool(self.key) != bool(self.server_keys or self.authorized):
            raise ValueError(
                "--key (security.key) needs --server-key for the senders, --authorized for the "
                "viewers, or both, and these need --key"
            )
        if self.authorized and self.insecure:
            raise ValueError("insecure and authorized contradict each other: give only one of them")
        return self


class StreamTable(Table):
    """``[stream]``: what is passed on of each packet."""

    rank: int = Field(default=0, ge=0, le=MAX_RANK)
    """Highest rank of a plane that packets of codec `svd` keep; 0: they stay as they come."""


class LimitsTable(Table):
    """``[limits]``: largest sizes and rates."""

    max_packet_bytes: int = Field(default=Limits().max_packet_bytes, ge=1024, le=2**31 - 1)
    """Larger packets are not relayed."""
    max_side: int = Field(default=Limits().max_side, ge=1, le=2**20)
    max_samples: int = Field(default=Limits().max_samples, ge=1, le=2**32)
    max_messages_s: int = Field(default=MAX_MESSAGES_S, ge=100, le=1_000_000)
    """A sender that sends more messages a second is disconnected for a while."""
    max_requests_s: int = Field(default=2000, ge=100, le=1_000_000)
    """Most messages a second of one key or, without keys, one connection, which is closed beyond
    it; the key is then refused for a minute and more."""
    max_connections: int = Field(default=64, ge=1, le=10_000)
    """Most connections of one key or, without keys, one address to each of the two ports; further
    ones are closed."""

    def limits(self) -> Limits:
        """Return the limits in the form that the parser expects."""
        return Limits(self.max_packet_bytes, self.max_side, self.max_samples)


class RelaySettings(Table):
    """All tables of relay.toml."""

    uplink: UplinkTable = UplinkTable()
    stream: StreamTable = StreamTable()
    network: NetworkTable = NetworkTable()
    security: SecurityTable = SecurityTable()
    nats: NatsTable = NatsTable()
    metrics: MetricsTable = MetricsTable()
    limits: LimitsTable = LimitsTable()
    log: LogTable = LogTable()

    @model_validator(mode="after")
    def _a_server_is_at_one_side(self) -> RelaySettings:
        server = next(filter(is_nats, self.uplink.addresses), "")
        to_server = is_nats(self.network.bind)
        if server and to_server:
            raise ValueError(
                f"got --from {server} and --to {self.network.bind}: a relay takes nats:// at one "
                "side only; servers pass streams on themselves, as leaf nodes or a cluster"
            )
        if not self.network.realtime and (server or to_server):
            raise ValueError(
                f"got --no-realtime with {server or self.network.bind}: a viewer cannot hold a "
                "NATS server up; leave it out"
            )
        if self.security.authorized and to_server:
            raise ValueError(
                f"got --authorized with {self.network.bind}: a NATS server has users of its own, "
                "see [nats]; leave it out"
            )
        return self
