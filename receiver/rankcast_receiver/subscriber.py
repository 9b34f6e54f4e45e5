"""Subscriber: the decoded frames of one or several senders, as an iterator."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from rankcast.boot_clock import boot_s, slept_s
from rankcast.errors import NoStreamError, SettingsError
from rankcast.frame import Frame, Scalar
from rankcast.nats import NatsOptions, PastOptions, check_cameras, is_nats
from rankcast.net import DEFAULT_ENDPOINT, CurveClient, SocketOptions
from rankcast.rank_cut import MAX_RANK, CutCounts
from rankcast.runtime import Balance, Pulse
from rankcast.wire import MAIN, Header, Limits, Reply
from rankcast_receiver.choice import ChoiceTotals, check_streams
from rankcast_receiver.inlets import open_inlets, wanted_cameras
from rankcast_receiver.net import (
    MAX_MESSAGES_S,
    ConnectionOptions,
    ControlRequest,
    SenderAddress,
    sender_addresses,
)
from rankcast_receiver.senders import Senders
from rankcast_receiver.state import CameraState
from rankcast_receiver.stream import (
    CameraStates,
    CameraStream,
    PacketBatch,
    PacketQueue,
    SenderStreams,
    StreamDecoder,
    StreamOptions,
)

BUFFER_BYTES: Final = 262_144
LEAST_PACKETS: Final = 16
"""A dropped picture costs all those that are predicted from it, up to the next key frame."""
POLL_S: Final = 0.05
"""Longest interval between checks for a stop and updates of the states."""
MARGIN_BYTES: Final = 1 << 20
"""libzmq disconnects on a message longer than its limit; this margin above the packet limit lets
slightly larger packets arrive and be counted."""


@dataclass(frozen=True, slots=True)
class ControlAddress:
    """Where to send requests for a camera."""

    endpoint: str
    """Numeric address of the control channel of its sender."""
    camera: str
    """Name of the camera at that sender."""
    curves: Sequence[CurveClient] = ()
    """Keys; empty without encryption."""


class Subscriber:
    """Receives the frames of one or several senders.

    Parameters
    ----------
    connect : str, SenderAddress or sequence of them
        Address of the sender, ``tcp://HOST:PORT``, of a NATS server, ``nats://HOST:PORT``, or of
        several.
    camera : str or sequence of str, optional
        Names of cameras at the senders, at NATS servers also ``SITE.CAMERA``; by default every
        camera of every sender.
    stream : str
        Which stream of each camera: ``main``, the name of a substream, or ``auto``, which takes a
        smaller one while the link does not carry a larger one, and needs `live`.
    live : bool
        True: each frame is the newest available, and skipped ones are counted. False: every frame
        is returned; a lossless sender waits for this receiver, while frames of a real-time sender
        that do not fit the queues are dropped and counted. The sender waits only for receivers
        that use its control channel.
    timeout_s : float, optional
        Longest wait for a new frame.
    stay : bool
        Wait for the next stream when one has ended.
    limits : Limits
        Sizes above which a packet is refused.
    queue_messages : int, optional
        Most packets that wait to be decoded, 16 or more: by default 1024, or 4096 if every frame is
        kept.
    buffer_bytes : int
        Kernel buffer of the connection.
    models : Path, optional
        Folder of the model files that packets of learned codecs refer to. A model that is not in
        memory delays the first packet that uses it; `rankcast.codec.preload_models` loads them.
    on_demand : bool
        True: decode a camera only while somebody needs its pixels, which `CameraStream.demand`
        has to be told; no other frames are returned.
    rank : int
        Highest rank of a plane that packets of codec `svd` keep: the bands above it are dropped
        before decoding, and `Frame.coding` tells what is left. 0: packets stay as they come.
    writable : bool
        True: the pixels of each frame are a copy that may be modified. False: they are read-only.
    stopped : callable
        Called ten times a second and before each picture; iteration ends once it returns True.
    curves : sequence of CurveClient
        Client keys, one for each possible sender key; each new connection tries the next one.
    control : bool
        Use the control channel: key frames on request, latency, reports to the sender.
    on_state : callable
        Called with the states of all cameras whenever one of them has changed.
    max_messages_s : int
        A sender that sends more messages a second is disconnected for a while.
    nats : NatsOptions, optional
        Site, credentials and TLS for ``nats://`` addresses, whose cameras are named
        ``SITE.CAMERA``.
    reply_limits : Limits, optional
        Of packets in replies to `ask`; by default a reply contains none.
    past : PastOptions, optional
        Begin with what the server has kept of them.

    Raises
    ------
    SettingsError
        If an argument is invalid.

    Notes
    -----
    A separate thread drains the sockets from the start; `close` ends it. Iterate in one thread.
    Connecting does not wait for the sender. With several senders, camera names end in the number
    of their sender, counted from 1: ``cam-1``.
    """

    def __init__(
        self,
        connect: str | SenderAddress | Sequence[str | SenderAddress] = DEFAULT_ENDPOINT,
        *,
        camera: str | Sequence[str] | None = None,
        stream: str = MAIN,
        live: bool = True,
        timeout_s: float | None = None,
        stay: bool = False,
        limits: Limits | None = None,
        queue_messages: int | None = None,
        buffer_bytes: int = BUFFER_BYTES,
        models: Path | None = None,
        on_demand: bool = False,
        rank: int = 0,
        writable: bool = False,
        stopped: Callable[[], bool] = lambda: False,
        curves: Sequence[CurveClient] = (),
        control: bool = True,
        on_state: Callable[[Sequence[CameraState]], object] = lambda _: None,
        max_messages_s: int = MAX_MESSAGES_S,
        nats: NatsOptions | None = None,
        reply_limits: Limits | None = None,
        past: PastOptions | None = None,
    ) -> None:
        given = [connect] if isinstance(connect, str | SenderAddress) else connect
        addresses = sender_addresses(given)
        cameras = [camera] if isinstance(camera, str) else list(camera or ())
        cameras = list(dict.fromkeys(cameras))
        nats = nats or NatsOptions()
        at_server = [is_nats(address.endpoint) for address in addresses]
        check_cameras(cameras, nats.site, at_servers=all(at_server))
        past = past or PastOptions()
        check_streams(
            stream, named=bool(cameras), live=live, control=control, past=past.reads_streams
        )
        limits = limits or Limits()
        if not 0 <= rank <= MAX_RANK:
            raise SettingsError(f"got rank {rank}, want 1 to {MAX_RANK}, or 0 to cut nothing")
        options = ConnectionOptions(
            live=live,
            limits=limits,
            # This end sends nothing but its subscriptions.
            socket=SocketOptions(0, buffer_bytes, limits.max_packet_bytes + MARGIN_BYTES),
            curves=tuple(curves),
            control=control,
            max_messages_s=max_messages_s,
            reply_limits=reply_limits or Limits(max_packet_bytes=0),
        )
        stream_options = StreamOptions(
            live=live,
            limits=limits,
            models=models,
            on_demand=on_demand,
            rank=rank,
            writable=writable,
        )
        self._timeout_s = timeout_s
        self._stay = stay
        self._stopped = stopped
        self._states = CameraStates(on_state)
        # Those over ZeroMQ first, which share one thread.
        numbered = sorted(enumerate(addresses, 1), key=lambda each: is_nats(each[1].endpoint))
        addresses = [address for _, address in numbered]
        senders = [
            SenderStreams(
                address.endpoint,
                wanted_cameras(cameras, nats.site) if is_nats(address.endpoint)
                else cameras or list(address.cameras),
                stream_options,
                stream=stream,
                suffix=f"-{number}" if len(addresses) > 1 else "",
                stations=is_nats(address.endpoint),
            )
            for number, address in numbered
        ]  # fmt: skip
        self._senders = Senders(senders)
        self.decoder = StreamDecoder(senders, self._states, stopped)
        """Decodes the batches that `packets` yields."""
        most_packets = max(LEAST_PACKETS, queue_messages) if queue_messages else None
        self._queue = PacketQueue(len(addresses), live=live, most_packets=most_packets)
        self._inlets = open_inlets(addresses, senders, options, self._queue, nats, cameras, past)
        self._inlets.start()

    @property
    def streams(self) -> dict[str, CameraStream]:
        """All known cameras, by their names at this receiver."""
        return self._senders.streams

    @property
    def choices(self) -> dict[str, ChoiceTotals]:
        """How long each stream was shown, by the names of cameras here; none of main ones alone."""
        return self._senders.choices

    @property
    def states(self) -> Sequence[CameraState]:
        """The latest states of all cameras; may be read from any thread."""
        return self._states.current

    @property
    def foreign_messages(self) -> int:
        """Number of messages that are not Rankcast messages or belong to no camera."""
        return self._inlets.foreign_messages + self._senders.foreign_packets

    @property
    def reconnects(self) -> int:
        """Connections replaced after silence or a refusal."""
        return self._inlets.reconnects

    @property
    def clocks(self) -> dict[str, str]:
        """How the clock of each sender, by address, is compared with the local one."""
        return self._senders.clocks

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """Pulses of the threads that drain the sockets."""
        return self._inlets.pulses

    def control_address(self, camera: str) -> ControlAddress | None:
        """Return where to send requests for a camera; None while it has no control channel.

        May be called from any thread.
        """
        place = self._senders.place_of(camera)
        endpoint = None if place is None else self._inlets.control_endpoint(place.number)
        if place is None or endpoint is None:
            return None
        name = place.sender.name_of(place.name)
        return ControlAddress(endpoint, name, self._inlets.curves(place.number))

    def sender_of(self, camera: str) -> int | None:
        """Return the number of the sender that has a camera; from any thread."""
        place = self._senders.place_of(camera)
        return None if place is None else place.number

    def follow(self, substreams: Mapping[str, bool]) -> None:
        """Receive substreams beside the main streams, each as a camera of its own.

        Call it in the thread that iterates.

        Parameters
        ----------
        substreams : mapping of str to bool
            All that are to be received, by the names of their cameras here, ``NAME.SUB``. True:
            with frames; False: the status alone, for which the sender encodes nothing.
        """
        self._senders.follow(substreams)

    def give_up(self, sender: int) -> None:
        """Disconnect from the sender of that number for good; from any thread."""
        self._inlets.give_up(sender)

    def balance(self) -> Balance:
        """Return the frames that were published since joining, handed out, and lost by cause."""
        return self._senders.balance()

    @property
    def decoded_frames(self) -> int:
        """Frames that were decoded and handed out; the others in `balance` were not needed."""
        return sum(stream.decoded_frames for stream in self.streams.values())

    def packet_balance(self) -> Balance:
        """Return the same for sinks that accept packets: every new packet passes."""
        return self._senders.packet_balance()

    def cut_counts(self) -> CutCounts:
        """Return what cutting to `rank` did to the packets of all cameras."""
        return sum((stream.cut_counts for stream in self.streams.values()), CutCounts())

    def ask(
        self,
        camera: str,
        op: str,
        args: Mapping[str, Scalar],
        on_reply: Callable[[Reply], object] = lambda _: None,
    ) -> ControlRequest:
        """Ask the sender of a camera for an operation of the control channel; from any thread.

        Parameters
        ----------
        camera : str
            Its name at this receiver.
        op : str
        args : mapping of str to scalar
        on_reply : callable
            Called with the reply, or with a refusal where none comes, in any thread.

        Returns
        -------
        ControlRequest
            At once; its reply comes later.
        """
        place = self._senders.place_of(camera)
        if place is None:
            return ControlRequest(camera, op, args, on_reply).fail(f"there is no camera {camera}")
        request = ControlRequest(place.sender.name_of(place.name), op, args, on_reply)
        return self._inlets.ask(place.number, request)

    def note_recorded(self, camera: str, header: Header) -> None:
        """Note that a packet is in a recording, for a server that waits for it; any thread."""
        self._senders.recorded(camera, header)

    def packets(self) -> Generator[PacketBatch, None, None]:
        """Yield received batches until the stream ends; pass empty ones to `decoder` too.

        Raises
        ------
        NoStreamError
            If no new frame was handed out within ``timeout_s``.
        WorkerError
            If the subscriber is closed, before or meanwhile, or its thread has failed.
        """
        last_frame_s, slept_before_s = boot_s(), slept_s()
        try:
            while not self._stopped():
                # Nobody waited for a frame while the machine was suspended.
                last_frame_s += (slept := slept_s()) - slept_before_s
                slept_before_s = slept
                # A closed queue is empty and no longer waits: the loop must end here.
                self._inlets.check()
                frames_before = self._senders.frame_s
                batch = self._queue.take(POLL_S)
                if self._stopped():
                    return  # what came during the wait was published after the stop
                yield batch
                if self._senders.frame_s != frames_before:
                    last_frame_s = boot_s()  # time spent by the caller is not silence
                # In this order: what a link has caught up with is in the queue before it says so.
                catches_up = any(link.catches_up for link in self._queue.links)
                more = catches_up or len(self._queue) > 0
                if not (self._stay or more) and self._senders.ended:
                    self._judge()
                    return
                if self._timed_out(last_frame_s) and not self._senders.holding:
                    raise NoStreamError(self._silence())
        finally:
            self.decoder.stop()

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the stream ends.

        Raises
        ------
        NoStreamError
            If no new frame was received within ``timeout_s``.
        WorkerError
            If the subscriber is closed, before or meanwhile, or its thread has failed.
        """
        with closing(self.packets()) as stream:
            for packets in stream:
                for decoded in self.decoder.decode(packets):
                    if decoded.frame is not None:
                        yield decoded.frame

    def close(self) -> None:
        """Close all sockets and end the thread; may be called twice."""
        self._inlets.stop()

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _timed_out(self, last_frame_s: float) -> bool:
        """Return True if no frame arrived in time, after reading everything available."""
        if self._timeout_s is None:
            return False
        # Packets still queued after this process was suspended do not count as silence.
        read_s = min(link.read_s or -math.inf for link in self._queue.links)
        return read_s - last_frame_s >= self._timeout_s

    def _judge(self) -> None:
        self._states.update(self._senders.all, self._queue.links)

    def _silence(self) -> str:
        """Return the error message for a timeout, with the state of each camera."""
        self._judge()
        causes = []
        for state in self.states:
            where = state.endpoint + (f", camera {state.camera}" if state.camera else "")
            causes.append(f"{where}: {state.detail or state}")
        return f"no frame within {self._timeout_s:g} s from {'; '.join(causes)}"
