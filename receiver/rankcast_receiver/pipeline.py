"""The receiver pipeline: subscribe -> decode what is needed -> one runner per sink."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Final

from rankcast.errors import NoStreamError
from rankcast.frame import Scalar
from rankcast.runtime import Balance, Pulse, Worker, join_all
from rankcast_receiver.net import ControlRequest
from rankcast_receiver.report import Outcome, Tally
from rankcast_receiver.sinks import SinkRunner
from rankcast_receiver.state import ANSWER_S, CameraState, State
from rankcast_receiver.stream import CameraPacket, CameraStream, Decoded
from rankcast_receiver.subscriber import ControlAddress, Subscriber

PIPELINE_STOP_S: Final = 30.0
"""A save sink may have a few large frames to finish."""


class ReceiverPipeline:
    """Decodes in one thread and runs each sink in its own thread.

    Parameters
    ----------
    open_subscriber : callable
        Creates the subscriber, in the decode thread; its argument is a function that returns True
        once the subscriber must stop.
    runners : sequence of SinkRunner
        The receiver ends when one of them is full.
    main_thread : SinkRunner, optional
        One of `runners` that must run in the caller's thread, as windows must.
    """

    def __init__(
        self,
        open_subscriber: Callable[[Callable[[], bool]], Subscriber],
        runners: Sequence[SinkRunner],
        main_thread: SinkRunner | None = None,
    ) -> None:
        self._open_subscriber = open_subscriber
        self._runners = runners
        self._main_thread = main_thread
        self._stop = threading.Event()
        self._done = threading.Event()
        self._pulse = Pulse("decode")
        self.tally = Tally()
        self._outcome: Outcome | None = None
        self.silence: NoStreamError | None = None
        self._subscriber: Subscriber | None = None
        self._packet_losses: Mapping[str, Mapping[str, int]] = {}
        self._decoder = Worker("rankcast-decode", self._run, self._ended, task="decoding")
        self._sinks = [
            Worker(
                f"rankcast-{runner.name}", runner.run, self._done.set, task=f"sink {runner.name}"
            )
            for runner in runners
            if runner is not main_thread
        ]

    @property
    def pulses(self) -> Sequence[Pulse]:
        """Pulses of the receive and decode threads and of the sinks."""
        subscriber = self._subscriber
        receiving = () if subscriber is None else subscriber.pulses
        return (*receiving, self._pulse, *(runner.pulse for runner in self._runners))

    def abandon(self) -> None:
        """Stop now: frames queued for a sink are counted as stopped, not delivered."""
        self._stop.set()
        for runner in self._runners:
            runner.abandon()

    def start(self) -> None:
        """Start all threads."""
        for worker in self._sinks:
            worker.start()
        self._decoder.start()

    def run_main_thread(self) -> None:
        """Run the sink that needs this thread; return at the end of the stream."""
        assert self._main_thread is not None
        self._main_thread.run()
        self._stop.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the stream has ended or a sink is done; return True if it is time to join."""
        return self._done.wait(timeout_s)

    @property
    def stopping(self) -> bool:
        """True once the pipeline is to end."""
        return self._stop.is_set()

    @property
    def subscriber(self) -> Subscriber | None:
        """What receives, while it does; any thread may read from it."""
        return self._subscriber

    def current(self) -> Balance:
        """Return the frames so far: published since joining, received, lost by cause."""
        subscriber = self._subscriber
        return self.outcome.balance if subscriber is None else subscriber.balance()

    def states(self) -> Sequence[CameraState]:
        """Return the latest states of all cameras; may be called from any thread."""
        subscriber = self._subscriber
        return self.outcome.states if subscriber is None else subscriber.states

    def streams(self) -> Mapping[str, CameraStream]:
        """Return all known cameras by their names here; for what any thread may read of them."""
        subscriber = self._subscriber
        return {} if subscriber is None else subscriber.streams

    def want_keyframe(self, sink: str, camera: str, wanted: bool) -> None:
        """Ask for a key frame of `camera`, or no longer; for a sink, from any thread."""
        stream = self.streams().get(camera)
        if stream is not None:
            stream.note_waits(sink, waits=wanted)

    def note_recorded(self, packet: CameraPacket) -> None:
        """Note that a packet is in the recording; for its sink, from any thread."""
        subscriber = self._subscriber
        if subscriber is not None:
            subscriber.note_recorded(packet.camera, packet.packet.header)

    def control_address(self, camera: str) -> ControlAddress | None:
        """Return where to control `camera`; None while it has no control channel; any thread."""
        subscriber = self._subscriber
        return None if subscriber is None else subscriber.control_address(camera)

    def ask(self, camera: str, op: str, args: Mapping[str, Scalar]) -> ControlRequest:
        """Ask the sender of a camera, see `Subscriber.ask`; for a sink, from any thread."""
        subscriber = self._subscriber
        if subscriber is None:
            return ControlRequest(camera, op, args).fail("nothing is being received")
        return subscriber.ask(camera, op, args)

    def packet_losses(self) -> Mapping[str, Mapping[str, int]]:
        """Return the packets of each camera that never came to a sink, by cause; any thread."""
        subscriber = self._subscriber
        if subscriber is not None:
            self._packet_losses = {
                name: stream.packet_ledger.balance().lost
                for name, stream in subscriber.streams.items()
            }
        return self._packet_losses

    @property
    def outcome(self) -> Outcome:
        """Final figures, or those so far while decoding goes on or is stuck."""
        subscriber = self._subscriber
        if self._outcome is None and subscriber is not None:
            return _outcome(subscriber, silent=False)
        return self._outcome or Outcome()

    def join(self, timeout_s: float = PIPELINE_STOP_S) -> None:
        """Wait for all threads and raise the exception of the first one that failed."""
        self._stop.set()
        join_all((self._decoder, *self._sinks), timeout_s)

    def _run(self) -> None:
        self._pulse.beat()
        with self._open_subscriber(self._stopped) as subscriber:
            self._subscriber = subscriber
            decoder = subscriber.decoder
            try:
                with closing(subscriber.packets()) as batches:
                    for packets in batches:
                        for decoded in decoder.decode(packets):
                            self._put(decoded)
            except NoStreamError as exc:
                self.silence = exc
            finally:
                self._outcome = _outcome(subscriber, silent=self.silence is not None)
                self.packet_losses()
                self._subscriber = None

    def _put(self, decoded: Decoded) -> None:
        for coding in decoded.codings:
            self.tally.add(coding)
        with self._pulse.resting():  # where every frame is kept, sinks set the pace
            for runner in self._runners:
                runner.put(decoded)

    def _ended(self) -> None:
        self._pulse.rest()
        for runner in self._runners:
            runner.close()
        self._done.set()

    def _stopped(self) -> bool:
        """Return True if decoding must stop; called before each batch and each picture."""
        self._pulse.beat()
        return self._stop.is_set() or any(runner.full for runner in self._runners)


def _outcome(subscriber: Subscriber, *, silent: bool) -> Outcome:
    streams = subscriber.streams.values()
    # A receiver that leaves in mid-stream knows what was published until then. If frames stop
    # without a status or an end message, more may have been published without showing as a gap.
    limit_s = 0.0 if silent else ANSWER_S
    decoded = subscriber.decoded_frames
    balance = subscriber.balance()
    return Outcome(
        balance=balance,
        undecoded=balance.passed - decoded,
        packets=subscriber.packet_balance(),
        stream_ids=tuple(stream_id for stream in streams for stream_id in stream.stream_ids),
        foreign_messages=subscriber.foreign_messages,
        refused_packets=sum(stream.refused_packets for stream in streams),
        reconnects=subscriber.reconnects,
        states=tuple(subscriber.states),
        cameras={stream.camera: stream.ledger.balance() for stream in streams},
        cut_counts=subscriber.cut_counts(),
        keyframe_requests=sum(stream.keyframe_requests for stream in streams),
        clocks=subscriber.clocks,
        choices=subscriber.choices,
        failed_camera=next(
            (s.camera for s in subscriber.states if s.state is State.CAMERA_DEAD), ""
        ),
        unconfirmed=frozenset(s.camera for s in streams if (s.unconfirmed_s or 0.0) > limit_s),
    )
