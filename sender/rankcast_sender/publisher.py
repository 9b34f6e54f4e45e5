"""Publisher: encodes the frames of one camera and sends the packets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rankcast.codec import DEFAULT_CODEC
from rankcast.encoder import EncodedPacket, Encoder
from rankcast.errors import RankcastError
from rankcast.frame import Frame, Pixels, Scalar
from rankcast.nats import NatsOptions
from rankcast.net import DEFAULT_ENDPOINT, SocketOptions
from rankcast.numerics import Fidelity
from rankcast.runtime import ENCODE, STOPPED, Balance
from rankcast.wire import Header, Limits, Replay, Status
from rankcast_sender.camera import Camera, StreamOptions
from rankcast_sender.outlet import Outlet
from rankcast_sender.outlets import open_outlet
from rankcast_sender.peers import MAX_CONNECTIONS
from rankcast_sender.sender_sockets import DEFAULT_SOCKET, MAX_REQUESTS_S, SenderOptions
from rankcast_sender.sockets import NewStream, NumberedPacket
from rankcast_sender.stream_encoder import StreamEncoder


class Publisher:
    """Encode the frames of one camera and publish the packets.

    Parameters
    ----------
    bind : str
        Address to listen at, ``tcp://ADDRESS:PORT``, or of a NATS server to publish at,
        ``nats://HOST:PORT``.
    name : str
        Name of the camera: 1 to 32 of a-z, 0-9, _ and -.
    codec : str
        Name of the codec; its options follow as keyword arguments.
    realtime : bool
        True: a slow viewer loses frames, and no other viewer does. False: `send` waits for the
        slowest viewer.
    source : str
        Source of the frames, for the status message.
    socket : SocketOptions
        Queue, buffer and timeout of each connection; `unacknowledged_ms` 0 selects 5 s in real
        time and 60 s otherwise.
    linger_s : float
        How long `close` waits for viewers to take the last messages; 0 selects 1 s in real time
        and 30 s otherwise.
    max_packet_bytes : int
        Larger packets are refused here, because viewers would refuse them.
    max_requests_s : int
        Most messages a second of one key or, without keys, one connection, which is closed beyond
        it; the key is then refused for a while.
    max_connections : int
        Most connections of one key or, without keys, one address to each of the two ports.
    control : str
        Address of the control channel; empty selects the port of `bind` + 10, ``off`` none.
    key, authorized : path, optional
        Secret key of this sender, and directory of the public keys that may connect.
    insecure : bool
        Listen without keys on an address that other machines can reach.
    nats : NatsOptions, optional
        Site, credentials and TLS of a NATS server.
    outlet : Outlet, optional
        Shared by the cameras of one sender. Its options replace `bind`, `socket`, `linger_s`, the
        limits of peers, `control` and the keys; its owner starts it after creating the last
        publisher, and closes it after closing the last publisher.
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
    Call `send` from one thread at a time. The sockets run in separate threads.
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
        max_packet_bytes: int = Limits().max_packet_bytes,
        max_requests_s: int = MAX_REQUESTS_S,
        max_connections: int = MAX_CONNECTIONS,
        control: str = "",
        key: Path | str | None = None,
        authorized: Path | str | None = None,
        insecure: bool = False,
        nats: NatsOptions | None = None,
        outlet: Outlet | None = None,
        **options: Any,
    ) -> None:
        stream = StreamOptions(name, codec, options, realtime, source, max_packet_bytes)
        self.camera = Camera(stream)
        """State of the camera, for the other threads of the sender."""
        self._encoder = Encoder(codec, **options)
        self._encoder.stream_id = self.camera.stream_id
        self._encoder.max_packet_bytes = max_packet_bytes
        self._stream_encoder = StreamEncoder(self.camera, self._encoder)
        self._closed = False
        self._owns_outlet = outlet is None
        if outlet is None:
            outlet = open_outlet(
                SenderOptions(
                    bind=bind,
                    control=control,
                    socket=socket,
                    realtime=realtime,
                    linger_s=linger_s,
                    max_packet_bytes=max_packet_bytes,
                    max_requests_s=max_requests_s,
                    max_connections=max_connections,
                    key=key,
                    authorized=authorized,
                    insecure=insecure,
                    nats=nats or NatsOptions(),
                )
            )
        self._outlet = outlet
        try:
            outlet.add(self.camera)
            if self._owns_outlet:
                outlet.start()
        except BaseException:
            if self._owns_outlet:
                outlet.close()
            raise

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
            Sequence number of the frame; None if the camera has no viewers, in which case
            nothing is encoded.

        Raises
        ------
        UnsupportedImageError
            If the codec cannot encode this picture, which counts as a loss; the next picture can
            be sent.
        SettingsError
            If the metadata are not a flat mapping of text to scalars; counts as a loss as well.
        WorkerError
            If the publisher has ended.
        """
        try:
            # Checked even without viewers, so that a program gets the error at once.
            frame = self._encoder.frame_of(image, meta=meta)
        except RankcastError:
            self.camera.lose(ENCODE)
            raise
        self.camera.grabbed(image)
        return self.publish(self.encode(frame))

    def encode(self, frame: Frame) -> EncodedPacket | None:
        """Encode one frame already counted as grabbed; None if the camera has no viewers.

        Raises
        ------
        UnsupportedImageError
            If the codec cannot encode this frame, which counts as a loss.
        """
        return self._stream_encoder.encode(frame)

    def publish(self, packet: EncodedPacket | None) -> int | None:
        """Send one packet from `encode`; return its sequence number if it was sent.

        Raises
        ------
        WorkerError
            If the publisher has ended.
        """
        if packet is None:
            return None
        camera, sent = self.camera, False
        try:
            if camera.joins is not None:
                camera.joins.expect(packet.header)
            with camera.pulse.resting():
                sent = self._outlet.send(camera.channel, packet.data)
        finally:
            if not sent:
                camera.ledger.lose(STOPPED)
        if not sent:
            return None
        camera.figures.add(len(packet.data), packet.header)
        if camera.tape is not None:
            camera.tape.offer(packet)
        return packet.header.sequence

    def begin_replay(self, replay: Replay, stream_id: bytes, next_sequence: int) -> None:
        """Begin a stream of packets of a recording, under an id of its own.

        The status says so before the first of them.

        Raises
        ------
        WorkerError
            If the publisher has ended.
        """
        stream = NewStream(stream_id, next_sequence, replay)
        self._outlet.send(self.camera.channel, stream)

    def publish_recorded(self, data: bytes, header: Header) -> None:
        """Send one packet of a recording, already counted as entered.

        Parameters
        ----------
        data : bytes
            The packet; empty if nobody watches.
        header : Header

        Raises
        ------
        WorkerError
            If the publisher has ended.
        """
        camera, sent = self.camera, False
        try:
            with camera.pulse.resting():
                packet = NumberedPacket(data, header.sequence)
                sent = self._outlet.send(camera.channel, packet)
        finally:
            if not sent and data:
                camera.ledger.lose(STOPPED)
        if sent and data:
            camera.figures.add(len(data), header)

    def wait_viewers(
        self,
        count: int = 1,
        timeout_s: float | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Wait until `count` viewers have subscribed; False on timeout or if `stopped` is true."""
        return self._outlet.wait_viewers(self.camera.channel, count, stopped, timeout_s)

    def hurry(self) -> None:
        """Stop waiting for viewers: `close` then gives them 0.4 s at most."""
        self._outlet.hurry()

    def close(self, impatient: Callable[[], bool] = lambda: False) -> None:
        """Publish the end message with the totals and release the address; may be called twice.

        Parameters
        ----------
        impatient : callable
            Called ten times a second while viewers take the last messages; true ends the wait.

        Raises
        ------
        WorkerError
            If a thread is stuck; see `Outlet.close` for the time that this takes.
        """
        if self._closed:
            return
        self._closed = self.camera.ended = True
        if self._owns_outlet:
            self._outlet.close(impatient)
        else:
            self._outlet.end(self.camera.channel)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Public interface to the camera's state.

    @property
    def name(self) -> str:
        """Name of the camera."""
        return self.camera.name

    @property
    def codec(self) -> str:
        """Name of the codec."""
        return self.camera.codec

    @property
    def stream_id(self) -> bytes:
        """Random 128-bit id of this run."""
        return self.camera.stream_id

    @property
    def viewers(self) -> int:
        """Number of viewers of this camera."""
        return self.camera.viewers

    @property
    def state(self) -> str:
        """The state in one word; see docs/wire.md."""
        return self.camera.state

    def status(self) -> Status:
        """Return the current status message."""
        return self.camera.status()

    def balance(self) -> Balance:
        """Grabbed, published and lost frames so far."""
        return self.camera.balance()

    @property
    def packet_bytes(self) -> int:
        """Size of all packets together."""
        return self.camera.figures.packet_bytes

    @property
    def fidelity(self) -> Fidelity:
        """Rank, energy and error of all packets."""
        return self.camera.figures.fidelity

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """Codec options in effect from the next frame on."""
        return self.camera.settings

    def set(self, **options: Any) -> None:
        """Change codec options from the next frame on, from any thread.

        Takes as long as the codec takes to start. If the next frame cannot be coded with the
        options, it is coded with those before, and `settings` has them again.

        Raises
        ------
        SettingsError
            If the codec cannot start with these options; no option changes in that case.
        """
        self.camera.set(options)

    def request_keyframe(self, stream_id: bytes = b"", seen_sequence: int | None = None) -> bool:
        """Request a key frame, from any thread; see `Camera.request_keyframe`."""
        return self.camera.request_keyframe(stream_id, seen_sequence)

    @property
    def key_sequence(self) -> int | None:
        """Sequence number of the newest key frame; None before the first."""
        return self.camera.key_sequence
