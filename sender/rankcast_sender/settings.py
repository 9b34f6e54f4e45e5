"""Settings of the camera station: every default of config/sender.toml stands here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from rankcast.codec import CODECS_BY_NAME, DEFAULT_CODEC
from rankcast.errors import SettingsError
from rankcast.kernels import MAX_THREADS
from rankcast.net import DEFAULT_ENDPOINT, check_endpoint
from rankcast.settings import CodecTable, OptionalPath, Table
from rankcast.wire import Limits, check_name
from rankcast_sender.sockets import control_address


class CameraTable(Table):
    """``[camera]``: where frames come from."""

    name: str = "cam"
    """Name that viewers see: 1 to 32 of a-z, 0-9, _ and -."""
    source: str = "camera:0"
    """``camera:0``, ``camera:/dev/video0``, ``replay:PATH``, ``synthetic:conveyor``."""
    fps: float = Field(default=0.0, ge=0.0, le=1000.0)
    """Frames a second; 0 is the source's own."""
    frames: int = Field(default=0, ge=0)
    """Stop after that many grabbed frames; 0 is never."""
    loop: bool = False
    """Start a replay again at its end."""
    realtime: bool = True
    """True: the newest frame wins. False: every frame is sent, however long it takes."""
    retry: bool = True
    """Open a camera again when it cannot be opened or fails; False: end then. Not of replays."""

    @field_validator("name")
    @classmethod
    def _name_is_allowed(cls, name: str) -> str:
        try:
            return check_name(name)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc


class NetworkTable(Table):
    """``[network]``: where viewers connect."""

    bind: str = DEFAULT_ENDPOINT
    """Address to listen at; the default is this machine only."""
    control: str = ""
    """Address of the control channel; empty is the port of `bind` and 10, off is none."""
    wait_viewers: int = Field(default=0, ge=0, le=1000)
    """Start the source only when that many viewers subscribed."""
    queue_messages: int = Field(default=4, ge=1, le=1000)
    """Messages that wait for one viewer; what queues is old."""
    buffer_bytes: int = Field(default=262_144, ge=4096, le=67_108_864)
    """Kernel buffer of one connection; smaller bounds the age on slow links."""
    unacknowledged_s: int = Field(default=0, ge=0, le=86_400)
    """A viewer that takes nothing for so long is cut off; 0: 5 s in real time, 60 s otherwise."""
    linger_s: float = Field(default=0.0, ge=0.0, le=600.0)
    """How long viewers may take the last messages; 0: 1 s in real time, 30 s otherwise."""

    @field_validator("bind")
    @classmethod
    def _address_is_allowed(cls, bind: str) -> str:
        try:
            return check_endpoint(bind, bind=True)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc

    @model_validator(mode="after")
    def _control_is_an_address(self) -> NetworkTable:
        try:
            control_address(self.bind, self.control)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc
        return self


class AuditTable(Table):
    """``[audit]``: keep some originals, to compare with what viewers received."""

    dir: OptionalPath = ""
    """Folder for the originals; empty is off."""
    every: int = Field(default=20, ge=1)
    """Keep the original of each published frame whose sequence is a multiple of this."""


class SecurityTable(Table):
    """``[security]``: who this station is, and whom it lets in."""

    key: OptionalPath = ""
    """Secret key of this station, ``NAME.key``; empty: no encryption, everybody is let in."""
    authorized: OptionalPath = ""
    """Folder of the public keys that are let in; read again each second."""
    insecure: bool = False
    """Listen without keys where others can reach it."""

    @model_validator(mode="after")
    def _keys_come_together(self) -> SecurityTable:
        if bool(self.key) != bool(self.authorized):
            raise ValueError(
                "--key and --authorized (security.key, security.authorized) come together"
            )
        if self.key and self.insecure:
            raise ValueError("insecure and key contradict each other: give one of them")
        return self


class LimitsTable(Table):
    """``[limits]``."""

    max_packet_bytes: int = Field(default=Limits().max_packet_bytes, ge=1024, le=2**31 - 1)
    """Larger packets are refused; viewers refuse them by a limit of their own."""


class ProcessTable(Table):
    """``[process]``."""

    threads: int = Field(default=0, ge=0, le=MAX_THREADS)
    """Processors for kernels, BLAS and OpenCV; 0 is all that this process may use."""


def _with_codec_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    # `--set codec.quality=60` alone means the default codec.
    table = {"name": DEFAULT_CODEC, **given}
    for name, codec in CODECS_BY_NAME.items():
        own = given.get(name, {})
        if codec.sender_defaults and isinstance(own, dict):
            table[name] = {**codec.sender_defaults, **own}
    return table


class SenderSettings(Table):
    """All tables of sender.toml."""

    camera: CameraTable = CameraTable()
    network: NetworkTable = NetworkTable()
    codec: CodecTable = CodecTable.model_validate(_with_codec_defaults({}))
    audit: AuditTable = AuditTable()
    security: SecurityTable = SecurityTable()
    limits: LimitsTable = LimitsTable()
    process: ProcessTable = ProcessTable()

    @field_validator("codec", mode="before")
    @classmethod
    def _codec_has_a_name(cls, value: object) -> object:
        return _with_codec_defaults(value) if isinstance(value, dict) else value
