"""Settings of the receiver, with every default of config/receiver.toml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from rankcast.discovery import AnnouncedName
from rankcast.errors import SettingsError
from rankcast.nats import PastOptions, check_cameras, is_nats, parse_since, wanted_camera
from rankcast.net import DEFAULT_ENDPOINT
from rankcast.rank_cut import MAX_RANK
from rankcast.settings import (
    LogTable,
    MetricsTable,
    NatsTable,
    OptionalPath,
    ProcessTable,
    RecordTable,
    SettingsPaths,
    Table,
)
from rankcast.wire import MAIN
from rankcast_receiver.choice import AUTO, check_choice, check_streams
from rankcast_receiver.limits_table import LimitsTable
from rankcast_receiver.net import check_senders
from rankcast_receiver.sinks import parse_levels


class NetworkTable(Table):
    """``[network]``: senders and cameras to receive from."""

    connect: str | list[str] = DEFAULT_ENDPOINT
    """Address of the sender or of a NATS server, or the name of a camera that is announced, or a
    list of them."""
    camera: str = ""
    """Name of the camera, at a NATS server also SITE.CAMERA, or several separated by commas; empty:
    every camera of every sender."""
    stream: str = MAIN
    """Stream of each camera: main, the name of a substream, or auto."""
    control: bool = True
    """Use the control channel: key frames on request, latency, reports to the sender."""
    timeout_s: float = Field(default=0.0, ge=0.0)
    """Longest wait for a new frame; 0 waits forever."""
    stay: bool | Literal["auto"] = "auto"
    """Wait for the next stream when one has ended; auto: with a web address."""
    queue_messages: int = Field(default=0, ge=0, le=10_000)
    """Most packets that wait to be decoded, 16 or more; 0: 1024 live, 4096 if all are kept."""
    buffer_bytes: int = Field(default=262_144, ge=4096, le=67_108_864)
    """Kernel buffer of the connection; a smaller one bounds the age on slow links."""

    @field_validator("connect")
    @classmethod
    def _addresses_are_allowed(cls, connect: str | list[str]) -> str | list[str]:
        try:
            check_senders([connect] if isinstance(connect, str) else connect)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc
        return connect

    @field_validator("camera")
    @classmethod
    def _names_are_allowed(cls, camera: str) -> str:
        try:
            for name in camera.split(",") if camera else ():
                wanted_camera(name)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc
        return camera

    @field_validator("stream")
    @classmethod
    def _stream_is_allowed(cls, stream: str) -> str:
        try:
            return check_choice(stream)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc

    @property
    def senders(self) -> list[str]:
        """Addresses of all senders, and names of cameras that are to be found."""
        return [self.connect] if isinstance(self.connect, str) else self.connect

    @property
    def endpoints(self) -> list[str]:
        """Those that are addresses."""
        return [each for each in check_senders(self.senders) if isinstance(each, str)]

    @property
    def names(self) -> list[AnnouncedName]:
        """Those that are names of cameras."""
        return [each for each in check_senders(self.senders) if isinstance(each, AnnouncedName)]

    @property
    def cameras(self) -> list[str]:
        """Names of the wanted cameras; empty means all."""
        return self.camera.split(",") if self.camera else []


class StreamTable(Table):
    """``[stream]``: what to do when frames arrive faster than they can be used."""

    mode: Literal["auto", "live", "keep"] = "auto"
    """live: the newest frame wins; keep: every frame; auto: keep when saving or recording
    without display, and from `ReceiverNatsTable.since` on where nobody looks."""
    frames: int = Field(default=0, ge=0)
    """Stop after this many delivered frames; 0: never."""
    rank: int = Field(default=0, ge=0, le=MAX_RANK)
    """Highest rank of a plane that packets of codec `svd` keep; 0: they stay as they come."""
    models: OptionalPath = ""
    """Folder of the model files (.rkm) that packets name by their id; empty: none."""


class SaveTable(Table):
    """``[save]``: pictures on disk."""

    dir: OptionalPath = ""
    """Folder; empty saves nothing."""
    format: Literal["png", "jpeg", "tiff"] = "png"
    every: int = Field(default=1, ge=1)
    """Save frames whose sequence is a multiple of this."""
    max_files: int = Field(default=0, ge=0)
    """Keep only this many of the newest files; 0: no limit."""
    max_bytes: int = Field(default=0, ge=0)
    """Keep only the newest files up to this total size; 0: no limit."""
    max_age_s: float = Field(default=0.0, ge=0.0)
    """Remove files that were written longer ago; 0: no limit."""
    min_free_bytes: int = Field(default=0, ge=0)
    """Remove the oldest files while the file system has less free space; 0: no limit."""
    fsync: bool = False
    """Write each file through to the disk before it counts as saved, as with sync_frames = 1."""
    sync_frames: int = Field(default=0, ge=0)
    """Write the file and the folder through to the disk after every N-th picture; 0: never."""
    debayer: bool = False
    """Save mosaics in colour, interpolated along edges, instead of as they came."""
    jpeg_quality: int = Field(default=95, ge=1, le=100)
    png_compression: int = Field(default=1, ge=0, le=9)

    @property
    def frames_a_sync(self) -> int:
        """What `fsync` and `sync_frames` come to: 0 never waits for the disk."""
        return 1 if self.fsync else self.sync_frames


class DisplayTable(Table):
    """``[display]``: a window."""

    enabled: bool = False
    """Show frames in a window; h lists its keys, q quits."""
    levels: str = "auto"
    """Sample values shown as black and as white: auto, full, minmax, percentile or LOW:HIGH."""
    debayer: Literal["edge-aware", "bilinear", "off"] = "edge-aware"
    """How the colours of a mosaic (a Bayer camera) are interpolated; off shows the mosaic."""
    snapshots: OptionalPath = ""
    """Folder of the pictures that the key s saves; empty: the current one."""

    @field_validator("levels")
    @classmethod
    def _levels_are_known(cls, levels: str) -> str:
        try:
            parse_levels(levels)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc
        return levels


class WebTable(Table):
    """``[web]``: the address of the page, and who may ask it."""

    listen: str = ""
    """HOST:PORT; empty: no web address."""
    hosts: list[str] = Field(default_factory=list)
    """Names of this server, besides IP addresses, localhost and the name of the machine."""
    token: OptionalPath = ""
    """File with the token that browsers and programs have to give; empty: none."""
    tls_cert: OptionalPath = ""
    """Certificate in PEM, with the chain behind it; empty: plain HTTP."""
    tls_key: OptionalPath = ""
    """Its key in PEM."""
    insecure: bool = False
    """Listen beyond loopback without token or TLS."""
    control: bool = False
    """Pages may change the senders, as far as the role of this station's key allows."""
    recordings: OptionalPath = ""
    """Folder of recordings to list and play; empty: none."""

    @model_validator(mode="after")
    def _address_is_allowed(self) -> WebTable:
        if not self.listen:
            return self
        from rankcast.web import parse_listen  # with the server's libraries, which take a while

        try:
            parse_listen(self.listen, self.tls_cert, self.tls_key).check_exposure(
                "--web", token=bool(self.token), insecure=self.insecure
            )
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc
        return self


class SecurityTable(Table):
    """``[security]``: the key of this station, and those of the senders it trusts."""

    key: OptionalPath = ""
    """Secret key of this station, ``NAME.key``; empty: no encryption."""
    server_keys: SettingsPaths = Field(default_factory=list)
    """Public keys of the sender, ``NAME.pub``; with several, each new connection tries the next."""


class ReceiverNatsTable(NatsTable):
    """``[nats]`` of a receiver: also what it wants of the streams of the server."""

    since: str = ""
    """Begin in the past: how long ago, as 10m, or a time with a zone; empty: at the next frame."""
    speed: float = Field(default=-1.0, ge=-1.0, le=100.0)
    """Seconds of the past delivered in each second; 0: as fast as they are taken; -1: 1 with a
    window or a web address, else 0."""
    durable: str = Field(default="", pattern=r"^([A-Za-z0-9_-]{1,64})?$")
    """Name of a durable consumer, which keeps the place of a recorder; empty: none."""

    @field_validator("since")
    @classmethod
    def _time_is_one(cls, since: str) -> str:
        try:
            if since:
                parse_since(since)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc
        return since


class ReceiverSettings(Table):
    """All tables of receiver.toml."""

    network: NetworkTable = NetworkTable()
    stream: StreamTable = StreamTable()
    save: SaveTable = SaveTable()
    record: RecordTable = RecordTable()
    display: DisplayTable = DisplayTable()
    web: WebTable = WebTable()
    security: SecurityTable = SecurityTable()
    nats: ReceiverNatsTable = ReceiverNatsTable()
    metrics: MetricsTable = MetricsTable()
    limits: LimitsTable = LimitsTable()
    process: ProcessTable = ProcessTable()
    log: LogTable = LogTable()

    @model_validator(mode="after")
    def _keys_come_together(self) -> ReceiverSettings:
        key, servers = self.security.key, self.security.server_keys
        if (servers and not key) or (key and not servers and self.network.endpoints):
            raise ValueError(
                "--key and --server-key (security.key, security.server_keys) belong together: "
                "give both or neither, or --key and the name of a camera"
            )
        return self

    @model_validator(mode="after")
    def _stream_can_be_received(self) -> ReceiverSettings:
        network = self.network
        named = bool(network.cameras or network.names)
        try:
            check_streams(
                network.stream,
                named=named,
                live=self.live,
                control=network.control,
                past=bool(self.nats.since or self.nats.durable),
            )
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc
        if network.stream == AUTO and self.record.file:
            raise ValueError(
                "got --record with stream auto: a recording holds one stream of a camera; give "
                "--stream main or a substream"
            )
        return self

    @model_validator(mode="after")
    def _sites_are_of_servers(self) -> ReceiverSettings:
        network, site = self.network, self.nats.site
        at_server = [is_nats(endpoint) for endpoint in network.endpoints]
        if site and not any(at_server):
            raise ValueError(
                f"got --site {site} without a NATS server: give --connect nats://HOST:PORT, or no "
                "site (nats.site)"
            )
        try:
            at_servers = all(at_server) and not network.names
            check_cameras(network.cameras, site, at_servers=at_servers)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc
        return self

    @model_validator(mode="after")
    def _past_comes_from_servers(self) -> ReceiverSettings:
        nats = self.nats
        if nats.speed >= 0 and not nats.since:
            raise ValueError(
                f"got --speed {nats.speed:g} without --since: only the past has a speed; give "
                "--since 10m, or no speed (nats.speed)"
            )
        if nats.speed >= 0 and nats.durable:
            raise ValueError(
                f"got --speed {nats.speed:g} with --durable: a recorder takes every frame as soon "
                "as it can; leave out the speed (nats.speed)"
            )
        if not (nats.since or nats.durable):
            return self
        if self.network.names or not all(map(is_nats, self.network.endpoints)):
            raise ValueError("--since and --durable need the address of a NATS server: --connect "
                             "nats://HOST:PORT")  # fmt: skip
        if nats.durable and (not self.record.file or self.record.events or self.display.enabled):
            raise ValueError("--durable is for a recorder alone: give --record FILE.mcap, without "
                             "--events and --display")  # fmt: skip
        skips = self.stream.mode == "live" and not (self._is_watched or self.past.speed)
        if nats.since and skips:
            raise ValueError("got --since with stream.mode live, which skips the past at --speed "
                             "0: leave out stream.mode, or give --speed 1")  # fmt: skip
        return self

    @property
    def past(self) -> PastOptions:
        """Where in the streams of a NATS server this receiver begins."""
        nats, speed = self.nats, self.nats.speed
        if speed < 0:
            speed = 1.0 if self._is_watched else 0.0
        since = parse_since(nats.since) if nats.since else None
        return PastOptions(since, 0.0 if nats.durable else speed, nats.durable)

    @property
    def stay(self) -> bool:
        """True to wait for the next stream when one has ended."""
        stay = self.network.stay
        return bool(self.web.listen) if stay == "auto" else stay

    @property
    def live(self) -> bool:
        """True when the newest frame wins."""
        if self.stream.mode == "auto":
            counts_past = self.nats.since and not self._is_watched
            return self.display.enabled or not (self.save.dir or self.record.file or counts_past)
        return self.stream.mode == "live"

    @property
    def _is_watched(self) -> bool:
        """True with a window or a web address."""
        return self.display.enabled or bool(self.web.listen)
