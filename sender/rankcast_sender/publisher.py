"""Publisher: the frames of one camera, encoded and published."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final

from rankcast.codec import DEFAULT_CODEC
from rankcast.encoder import Encoder
from rankcast.errors import RankcastError
from rankcast.frame import Frame, Pixels, Scalar
from rankcast.ledger import ENCODE, NOBODY_WATCHING, STOPPED, Balance, Ledger
from rankcast.status import Status
from rankcast.topic import check_name
from rankcast.transport import DEFAULT_ENDPOINT, SocketOptions, check_endpoint
from rankcast.wire import Limits
from rankcast_sender.xpub import Channel, XpubThread

DEFAULT_LIMITS: Final = Limits()
DEFAULT_SOCKET: Final = SocketOptions(
    queue_messages=4, buffer_bytes=262_144, max_message_bytes=1024
)


RATE_INTERVAL_S: Final = 0.5
REALTIME_LINGER_S: Final = 1.0
LOSSLESS_LINGER_S: Final = 30.0


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
        Queue and buffer of one connection.
    linger_s : float
        How long `close` lets viewers take the last messages; 0 is one second in real time and
        thirty otherwise.
    max_packet_bytes : int
        Larger packets are refused here, because viewers would refuse them.
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
        self._join_pending = False
        self._packet_bytes = 0
        self._closed = False
        self._channel = Channel(
            name=check_name(name),
            stream_id=self._encoder.stream_id,
            status=self._status,
            on_sent=self._sent,
            on_lost=lambda count: self._ledger.lose(STOPPED, count),
            on_join=self._joined,
        )
        self._xpub = XpubThread(
            check_endpoint(bind, bind=True),
            [self._channel],
            socket,
            lossless=not realtime,
            linger_s=linger_s or (REALTIME_LINGER_S if realtime else LOSSLESS_LINGER_S),
        )

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

    def describe(self, source: str, state: Callable[[], str]) -> None:
        """Set what the status message says of the source, once it is open."""
        self._source = source
        self._state = state

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
        return self._xpub.wait_viewers(self._channel, count, stopped, timeout_s)

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
        if not self._channel.viewers:
            self._ledger.lose(NOBODY_WATCHING)
            return None
        if self._join_pending:
            self._join_pending = False
            self._encoder.request_keyframe()
        sequence = self._encoder.sequence
        try:
            packet = self._encoder.encode(image, meta=meta)
        except RankcastError:
            self._ledger.lose(ENCODE)
            raise
        sent = False
        try:
            sent = self._xpub.send(self._channel, packet)
        finally:
            if not sent:
                self._ledger.lose(STOPPED)
        if not sent:
            return None
        self._packet_bytes += len(packet)
        return sequence

    def hurry(self) -> None:
        """Wait for no viewer any more; `close` then takes half a second at most."""
        self._xpub.hurry()

    def close(self, impatient: Callable[[], bool] = lambda: False) -> None:
        """Publish the end message with the totals and release the address; may be called twice.

        Parameters
        ----------
        impatient : callable
            Asked ten times a second while viewers take the last messages; true ends the wait.
        """
        if not self._closed:
            self._closed = True
            self._xpub.close(impatient)

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
        self._join_pending = True

    def _sent(self) -> None:
        self._ledger.passed()

    def _status(self, viewers: int) -> Status:
        balance = self._ledger.balance()
        now, state = time.monotonic(), self._state()
        elapsed_s = now - self._rate_since
        if elapsed_s >= RATE_INTERVAL_S:  # a viewer that joins makes a status in between
            self._fps = (balance.passed - self._rate_published) / elapsed_s
            self._rate_since, self._rate_published = now, balance.passed
        return Status(
            grabbed=balance.entered,
            published=balance.passed,
            lost=balance.lost,
            viewers=viewers,
            state="ended" if self._closed and state != "failed" else state,
            source=self._source,
            codec=self._encoder.codec,
            fps=self._fps,
        )
