"""Settings of the relay: the defaults that config/relay.toml repeats."""

from __future__ import annotations

from typing import Final

from pydantic import Field, field_validator, model_validator

from rankcast.errors import SettingsError
from rankcast.nats import is_nats
from rankcast.net import DEFAULT_ENDPOINT
from rankcast.rank_cut import MAX_RANK
from rankcast.settings import (
    LogTable,
    MetricsTable,
    NatsTable,
    OptionalPath,
    SettingsPaths,
    Table,
)
from rankcast.wire import check_name
from rankcast_receiver.limits_table import LimitsTable
from rankcast_receiver.net import sender_addresses
from rankcast_sender.viewer_tables import ListenTable, ViewerLimitsTable

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


class NetworkTable(ListenTable):
    """``[network]``: the addresses for viewers, and their connections."""

    bind: str = DEFAULT_BIND
    realtime: bool = True
    """True: the newest frame wins. False: every frame is sent, at the slowest viewer's pace."""

    @model_validator(mode="after")
    def _lossless_has_control(self) -> NetworkTable:
        if not self.realtime:
            self.check_lossless()
        return self


class SecurityTable(Table):
    """``[security]``: the key of this relay, and the keys at both of its sides."""

    key: OptionalPath = ""
    """Secret key of this relay, ``NAME.key``, for senders and viewers; empty: no encryption."""
    server_keys: SettingsPaths = Field(default_factory=list)
    """Public keys of the senders, ``NAME.pub``; empty: no encryption of the uplink."""
    authorized: OptionalPath = ""
    """Directory of the public keys that may connect; empty: no keys for viewers."""
    insecure: bool = False
    """Listen without keys on an address that other machines can reach."""

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


class RelayLimitsTable(ViewerLimitsTable, LimitsTable):
    """``[limits]``: both of what arrives and of what is passed on."""


class RelaySettings(Table):
    """All tables of relay.toml."""

    uplink: UplinkTable = UplinkTable()
    stream: StreamTable = StreamTable()
    network: NetworkTable = NetworkTable()
    security: SecurityTable = SecurityTable()
    nats: NatsTable = NatsTable()
    metrics: MetricsTable = MetricsTable()
    limits: RelayLimitsTable = RelayLimitsTable()
    log: LogTable = LogTable()

    @model_validator(mode="after")
    def _a_server_is_at_one_side(self) -> RelaySettings:
        server = next(filter(is_nats, self.uplink.addresses), "")
        to_server = is_nats(self.network.bind)
        if server and to_server:
            raise ValueError(
                f"got --from {server} and --to {self.network.bind}: a relay takes nats:// at one "
                "side only; let the servers pass streams on, as leaf nodes or a cluster"
            )
        if not self.network.realtime and (server or to_server):
            raise ValueError(
                f"got --no-realtime with {server or self.network.bind}: a viewer cannot hold a "
                "NATS server up; leave --no-realtime out"
            )
        if self.security.authorized and to_server:
            raise ValueError(
                f"got --authorized with {self.network.bind}: a NATS server has users of its own, "
                "see [nats]; leave it out"
            )
        return self
