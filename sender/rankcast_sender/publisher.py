"""Publisher: the frames of one camera, encoded and published."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from rankcast.codec import DEFAULT_CODEC
from rankcast.encoder import Encoder
from rankcast.errors import RankcastError
from rankcast.frame import Frame, Pixels, Scalar
from rankcast.net import DEFAULT_ENDPOINT, SocketOptions
from rankcast.numerics import Fidelity
from rankcast.runtime import ENCODE, NOBODY_WATCHING, STOPPED, Balance, Ledger, Pulse, clock_quality
from rankcast.wire import Limits, Status, check_name
from rankcast_sender.camera import CodecSettings, KeyframeBudget, NewestFrame, ViewerReports
from rankcast_sender.sender_sockets import DEFAULT_SOCKET, SenderSockets
from rankcast_sender.sockets import Channel
from rankcast_sender.sources import Adjustments

DEFAULT_LIMITS: Final = Limits()
RATE_INTERVAL_S: Final = 0.5


class Publisher:
    """Encodes and publishes the frames of one camera.

    Parameters
    ----------
    bind : str
        Address to listen at, ``tcp://ADDRESS:PORT``.
    name : str
        Name of the camera: 1 to 32 of a-z, 0-9, _ and -.
    codec : str
        Name of the codec; its options follow as keyword arguments.
    realtime : bool
        True: a slow viewer loses frames, alone. False: `send` waits for the slowest viewer.
    source : str
        What the frames come from, for the status message.
    socket : SocketOptions
        Queue, buffer and patience of one connection; `unacknowledged_ms` 0 is 5 s in real time and
        60 s otherwise.
    linger_s : float
        How long `close` lets viewers take the last messages; 0 is one second in real time and
        thirty otherwise.
    max_packet_bytes : int
        Larger packets are refused here, because viewers would refuse them.
    control : str
        Address of the control channel; empty is the port of `bind` and 10, ``off`` is none.
    key, authorized : path, optional
        Secret key of the station, and the folder of the public keys that are let in.
    insecure : bool
        Listen without keys where others can reach it.
    station : SenderSockets, optional
        Shared by the cameras of one sender, whose address, `socket`, `linger_s`, `control` and
        keys are then those of the station; it is started and closed by its owner, after every
        publisher.
    **options
        Options of the codec.

    Raises
    ------
    SettingsError
        If an argument is wrong.
    TransportError
        If the address cannot be bound.

    Notes
    -----
    Use `send` from one thread at a time. The socket lives in a thread of its own.
    """

    def __init__(
        self,
        bind: str = DEFAULT_ENDPOINT,
        *,
        name: str = "cam",
        codec: str = DEFAULT_CODEC,
        realtime: bool = True,
        source: str = "",
        socket: SocketOptions = DEFAULT_SOCKET,
        linger_s: float = 0.0,
        max_packet_bytes: int = DEFAULT_LIMITS.max_packet_bytes,
        control: str = "",
        key: Path | str | None = None,
        authorized: Path | str | None = None,
        insecure: bool = False,
        station: SenderSockets | None = None,
        **options: Any,
    ) -> None:
        self._encoder = Encoder(codec, **options)
        self._encoder.max_packet_bytes = max_packet_bytes
        self._ledger = Ledger()
        self._source = source
        self._state: Callable[[], str] = lambda: "live"
        self._rate_since = time.monotonic()
        self._rate_published = 0
        self._fps = 0.0
        self.fidelity = Fidelity()
        """Rank, energy and error of all packets so far."""
        self._recent, self._recent_values = Fidelity(), dict[str, float | int]()
        self._keyframes = KeyframeBudget()
        self._packet_bytes = 0
        self._closed = False
        self._settings = CodecSettings(codec, options, self._encoder.options)
        self._newest = NewestFrame()
        self._adjustments: Callable[[], Adjustments | None] = lambda: None
        self.pulse = Pulse(f"encode of {name}")
        """Of the thread that calls `send`; at rest while that waits for viewers."""
        self.reports = ViewerReports()
        """What the viewers of this camera say about their losses."""
        self._channel = Channel(
            name=check_name(name),
            stream_id=self._encoder.stream_id,
            status=self._status,
            on_sent=self._sent,
            on_lost=lambda count: self._ledger.lose(STOPPED, count),
            on_join=self._joined,
        )
        self._owns_station = station is None
        if station is None:
            station = SenderSockets(
                bind, socket=socket, realtime=realtime, linger_s=linger_s, control=control,
                max_packet_bytes=max_packet_bytes, key=key, authorized=authorized,
                insecure=insecure,
            )  # fmt: skip
        self._station = station
        try:
            station.add(self, self._channel)
            if self._owns_station:
                station.start()
        except BaseException:
            if self._owns_station:
                station.close()
            raise

    @property
    def name(self) -> str:
        """Name of the camera."""
        return self._channel.name

    @property
    def viewers(self) -> int:
        """Number of current subscriptions to the frames."""
        return self._channel.viewers

    @property
    def stream_id(self) -> bytes:
        """128 random bits of this start."""
        return self._encoder.stream_id

    @property
    def codec(self) -> str:
        """Name of the codec."""
        return self._encoder.codec

    @property
    def packet_bytes(self) -> int:
        """Bytes of all packets so far."""
        return self._packet_bytes

    def balance(self) -> Balance:
        """Grabbed, published and lost frames so far."""
        return self._ledger.balance()

    def describe(
        self,
        source: str,
        state: Callable[[], str],
        adjustments: Callable[[], Adjustments | None] = lambda: None,
    ) -> None:
        """Set what the status message says of the source, and how it is changed."""
        self._source = source
        self._state = state
        self._adjustments = adjustments

    @property
    def state(self) -> str:
        """One word for the status message; see docs/wire.md."""
        state = self._state()
        return "ended" if self._closed and state != "failed" else state

    @property
    def adjustments(self) -> Adjustments | None:
        """ChangeLog to the open source; None where it cannot be changed, or is not open."""
        return self._adjustments()

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """Options of the codec that count from the next frame on."""
        return self._settings.in_force

    @property
    def settings_touched(self) -> bool:
        """True once options of the codec were set after the start."""
        return self._settings.touched

    def check_settings(self, options: Mapping[str, Scalar]) -> None:
        """Refuse options of the codec that `set` would refuse.

        Raises
        ------
        SettingsError
        """
        self._settings.check(options)

    def set(self, **options: Any) -> None:
        """Change options of the codec from the next frame on; may be called from any thread.

        Raises
        ------
        SettingsError
            If an option is unknown or a value is not allowed; nothing is changed then.
        """
        self._settings.set(options)

    def request_keyframe(self, stream_id: bytes = b"", seen_sequence: int | None = None) -> bool:
        """Want a key frame within the budget of this camera; may be called from any thread.

        Parameters
        ----------
        stream_id : bytes, optional
            Stream that the viewer knows; with another one it must join anew, which brings one.
        seen_sequence : int, optional
            Newest frame that reached the viewer.

        Returns
        -------
        bool
            False when a newer key frame was published just now.
        """
        if stream_id and stream_id != self.stream_id:
            return False
        return self._keyframes.ask(time.monotonic(), seen_sequence)

    @property
    def key_sequence(self) -> int | None:
        """Sequence of the newest key frame; None before the first."""
        return self._keyframes.key_sequence

    def newest(self, timeout_s: float, stopped: Callable[[], bool]) -> Frame | None:
        """Return the newest frame that was to be sent, watched or not; None when none came."""
        return self._newest.wait(timeout_s, stopped)

    def lose(self, cause: str, count: int = 1) -> None:
        """Count frames that were grabbed and lost before they could be sent."""
        self._ledger.enter(count)
        self._ledger.lose(cause, count)

    def wait_viewers(
        self,
        count: int = 1,
        timeout_s: float | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Wait until `count` viewers subscribed; False when `stopped` or out of time."""
        return self._station.xpub.wait_viewers(self._channel, count, stopped, timeout_s)

    def send(self, image: Pixels | Frame, meta: Mapping[str, Scalar] | None = None) -> int | None:
        """Encode and publish one picture.

        Parameters
        ----------
        image : ndarray, shape (H, W) or (H, W, C), uint8 or uint16; or Frame
            Colour is BGR.
        meta : mapping of str to scalar, optional
            User metadata, at most 4 KiB once packed.

        Returns
        -------
        int or None
            The sequence of the frame; None when nobody watches, and nothing was encoded.

        Raises
        ------
        UnsupportedImageError
            If the codec cannot code such a picture; counted, and the next one may be sent.
        WorkerError
            If the publisher has ended.
        """
        self._ledger.enter()
        self._newest.keep(image)
        if not self._channel.viewers:
            self._ledger.lose(NOBODY_WATCHING)
            return None
        changed = self._settings.take()
        if changed is not None:
            self._encoder.set(**changed)
        requested = self._keyframes.due(time.monotonic())
        if requested:
            self._encoder.request_keyframe()
        sequence = self._encoder.sequence
        try:
            packet = self._encoder.encode(image, meta=meta)
        except RankcastError:
            self._ledger.lose(ENCODE)
            raise
        if self._encoder.key_sequence == sequence:
            # Before it is handed over: who joins after that needs another one.
            bitrate = self.settings.get("bitrate")
            self._keyframes.published(
                sequence, len(packet), time.monotonic(),
                bitrate if isinstance(bitrate, float) else None, requested,
            )  # fmt: skip
        sent = False
        try:
            with self.pulse.resting():
                sent = self._station.xpub.send(self._channel, packet)
        finally:
            if not sent:
                self._ledger.lose(STOPPED)
        if not sent:
            return None
        self._packet_bytes += len(packet)
        header = self._encoder.header
        assert header is not None
        for fidelity in (self.fidelity, self._recent):
            fidelity.add(header.rank, header.energy, header.psnr_db)
        return sequence

    def hurry(self) -> None:
        """Wait for no viewer any more; `close` then takes 0.4 s at most."""
        self._station.hurry()

    def close(self, impatient: Callable[[], bool] = lambda: False) -> None:
        """Publish the end message with the totals and release the address; may be called twice.

        Parameters
        ----------
        impatient : callable
            Asked ten times a second while viewers take the last messages; true ends the wait.
        """
        if not self._closed:
            self._closed = True
            if self._owns_station:
                self._station.close(impatient)
            else:
                self._station.xpub.end(self._channel)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _joined(self) -> None:
        self._keyframes.ask(time.monotonic())

    def _sent(self) -> None:
        self._ledger.passed()

    def _status(self, viewers: int) -> Status:
        balance = self._ledger.balance()
        now = time.monotonic()
        elapsed_s = now - self._rate_since
        if elapsed_s >= RATE_INTERVAL_S:  # a viewer that joins makes a status in between
            self._fps = (balance.passed - self._rate_published) / elapsed_s
            if self._recent.frames:
                recent, self._recent = self._recent.values(), Fidelity()
                self._recent_values = {k: v for k, v in recent.items() if v is not None}
            self._rate_since, self._rate_published = now, balance.passed
        clock, reports, adjustments = clock_quality(), self.reports.total(now), self.adjustments
        return Status(
            grabbed=balance.entered,
            published=balance.passed,
            lost=balance.lost,
            viewers=viewers,
            state=self.state,
            source=self._source,
            codec=self._encoder.codec,
            fps=self._fps,
            settings=self.settings,
            camera={} if adjustments is None else adjustments.values,
            control=self._station.control_port,
            clock_synchronised=clock.synchronised,
            clock_error_ms=clock.error_ms,
            reporting=reports.viewers,
            viewers_lost=reports.lost,
            viewers_latency_p99_ms=reports.latency_p99_ms,
            keys=self._station.key_state,
            fidelity=self._recent_values,
        )

    def status(self) -> Status:
        """What the status message says at this moment."""
        return self._status(self._channel.viewers)
