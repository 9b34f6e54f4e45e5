"""Settings of the sender: the defaults that config/sender.toml repeats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from rankcast.codec import CODECS_BY_NAME, DEFAULT_CODEC
from rankcast.errors import SettingsError
from rankcast.nats import is_nats
from rankcast.settings import (
    CodecTable,
    LogTable,
    MetricsTable,
    NatsTable,
    OptionalPath,
    ProcessTable,
    RecordTable,
    Table,
)
from rankcast.wire import check_name
from rankcast_sender.stream_table import MAX_STREAMS, StreamTable
from rankcast_sender.viewer_tables import ListenTable, ViewerLimitsTable


class CameraTable(Table):
    """``[camera]``: the source of the frames."""

    name: str = "cam"
    """Name that viewers see: 1 to 32 of a-z, 0-9, _ and -."""
    source: str = "camera:0"
    """``camera:0``, ``rtsp://...``, ``replay:PATH``, ``synthetic:conveyor``, ..."""
    fps: float = Field(default=0.0, ge=0.0, le=1000.0)
    """Frames per second; 0 selects the rate of the source."""
    frames: int = Field(default=0, ge=0)
    """Stop after this many grabbed frames; 0 is unlimited."""
    loop: bool = False
    """Restart a replay at its end."""
    realtime: bool = True
    """True: the newest frame wins. False: every frame is sent, at the slowest viewer's pace."""
    retry: bool = True
    """Reopen a camera after a failure; False: stop. A failed replay always stops."""
    stream: list[StreamTable] = Field(default_factory=list, max_length=MAX_STREAMS)
    """Substreams beside the camera's own stream."""

    @field_validator("name")
    @classmethod
    def _name_is_allowed(cls, name: str) -> str:
        try:
            return check_name(name)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc

    @model_validator(mode="after")
    def _streams_fit_the_camera(self) -> CameraTable:
        names = [stream.name for stream in self.stream]
        for stream in self.stream:
            if names.count(stream.name) > 1:
                raise ValueError(
                    f"two streams are named {stream.name}: give each [[camera.stream]] its own name"
                )
            if self.fps and stream.fps > self.fps:
                raise ValueError(
                    f"stream {stream.name}: fps = {stream.fps:g} is more than the {self.fps:g} of "
                    "the camera"
                )
        if self.stream and not self.realtime:
            raise ValueError(
                "[[camera.stream]] needs realtime = true: a lossless sender sends every frame as "
                "it is; leave the streams out, or give --realtime"
            )
        return self


class NetworkTable(ListenTable):
    """``[network]``: addresses and connections."""

    wait_viewers: int = Field(default=0, ge=0, le=1000)
    """Open the source only when this many viewers have subscribed."""


class AuditTable(Table):
    """``[audit]``: originals to compare with what viewers received."""

    dir: OptionalPath = ""
    """Directory for the originals; empty is off."""
    every: int = Field(default=20, ge=1)
    """Keep the original of every published frame whose sequence number is a multiple of this."""


class SecurityTable(Table):
    """``[security]``: the key of this sender, and the keys that may connect."""

    key: OptionalPath = ""
    """Secret key of this sender, ``NAME.key``; empty: no encryption, anybody may connect."""
    authorized: OptionalPath = ""
    """Directory of the public keys that may connect; read again every second."""
    insecure: bool = False
    """Listen without keys on an address that other machines can reach."""

    @model_validator(mode="after")
    def _keys_come_together(self) -> SecurityTable:
        if bool(self.key) != bool(self.authorized):
            raise ValueError(
                "--key and --authorized (security.key, security.authorized) belong together: "
                "give both or neither"
            )
        if self.key and self.insecure:
            raise ValueError("insecure and key contradict each other: give only one of them")
        return self


class DiscoveryTable(Table):
    """``[discovery]``: how viewers find this sender by its cameras' names."""

    enabled: bool = True
    """Announce the cameras by mDNS, through the interfaces that `network.bind` listens at."""


def _with_codec_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    # `--set codec.quality=60` without a codec name applies to the default codec.
    table = {"name": DEFAULT_CODEC, **given}
    for name, codec in CODECS_BY_NAME.items():
        own = given.get(name, {})
        if codec.sender_defaults and isinstance(own, dict):
            table[name] = {**codec.sender_defaults, **own}
    return table


class SenderNatsTable(NatsTable):
    """``[nats]`` of a sender: also what the server keeps of its cameras."""

    keep_age_s: float = Field(default=0.0, ge=0.0, le=1e9)
    """Seconds of each camera that a stream of the server keeps; 0: no stream."""
    keep_bytes: int = Field(default=2**32, ge=2**20, le=2**50)
    """Most bytes of each camera in its stream."""
    keep_replicas: int = Field(default=1, ge=1, le=5)
    """Servers of a cluster that keep a copy each: 1, 3 or 5."""


class SenderSettings(Table):
    """All tables of sender.toml."""

    camera: CameraTable = CameraTable()
    network: NetworkTable = NetworkTable()
    codec: CodecTable = CodecTable.model_validate(_with_codec_defaults({}))
    audit: AuditTable = AuditTable()
    record: RecordTable = RecordTable()
    security: SecurityTable = SecurityTable()
    nats: SenderNatsTable = SenderNatsTable()
    metrics: MetricsTable = MetricsTable()
    discovery: DiscoveryTable = DiscoveryTable()
    limits: ViewerLimitsTable = ViewerLimitsTable()
    process: ProcessTable = ProcessTable()
    log: LogTable = LogTable()

    @model_validator(mode="after")
    def _lossless_has_control(self) -> SenderSettings:
        if not self.camera.realtime:
            self.network.check_lossless()
        return self

    @model_validator(mode="after")
    def _site_is_at_a_server(self) -> SenderSettings:
        if self.nats.site and not is_nats(self.network.bind):
            raise ValueError(
                f"got --site {self.nats.site} without a NATS server: give --to nats://HOST:PORT, "
                "or no site (nats.site)"
            )
        return self

    @model_validator(mode="after")
    def _streams_have_codecs(self) -> SenderSettings:
        for stream in self.camera.stream:
            try:
                stream.codec_beside(self.codec)
            except ValidationError as exc:
                reason = exc.errors()[0]["msg"].removeprefix("Value error, ")
                whose = f"stream {stream.name} of camera {self.camera.name}"
                raise ValueError(f"{whose}: {reason}") from None
        return self

    @field_validator("codec", mode="before")
    @classmethod
    def _codec_has_a_name(cls, value: object) -> object:
        return _with_codec_defaults(value) if isinstance(value, dict) else value
