"""The path through the receiver: receive and decode -> one runner for each sink."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from rankcast.errors import NoStreamError
from rankcast.runtime import STOPPED, Balance, Pulse, Worker, join_all
from rankcast_receiver.report import Outcome, Tally
from rankcast_receiver.sinks import Arrival, SinkRunner
from rankcast_receiver.stream import ANSWER_S, CameraState, State
from rankcast_receiver.subscriber import Subscriber

STOP_TIMEOUT_S = 30.0
"""A save sink may have a few large frames to finish."""


class ReceiverPipeline:
    """Receives in one thread, and feeds each runner in a thread of its own.

    Parameters
    ----------
    open_subscriber : callable
        Makes the subscriber, in the receive thread; it takes the function that says when to stop.
    runners : sequence of SinkRunner
        The receiver ends when one is full.
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
        self._pulse = Pulse("receive")
        self.pulses = (self._pulse, *(runner.pulse for runner in runners))
        """Of the receive thread and of the sinks."""
        self.tally = Tally()
        self.outcome = Outcome()
        self.silence: NoStreamError | None = None
        self._subscriber: Subscriber | None = None
        self._receiver = Worker("rankcast-receive", self._receive, self._received)
        self._sinks = [
            Worker(f"rankcast-{runner.name}", runner.run, self._done.set)
            for runner in runners
            if runner is not main_thread
        ]

    def abandon(self) -> None:
        """End now: what waits for a sink is counted as stopped, not handled."""
        self._stop.set()
        for runner in self._runners:
            runner.abandon()

    def start(self) -> None:
        """Start all threads."""
        for worker in self._sinks:
            worker.start()
        self._receiver.start()

    def run_main_thread(self) -> None:
        """Run the runner that needs this thread; returns at the end of the stream."""
        assert self._main_thread is not None
        self._main_thread.run()
        self._stop.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until receiving has ended or a sink is done; True when it is time to join."""
        return self._done.wait(timeout_s)

    def current(self) -> Balance:
        """Frames so far: published since joining, handed on, lost by cause."""
        subscriber = self._subscriber
        return self.outcome.balance if subscriber is None else subscriber.balance()

    def states(self) -> Sequence[CameraState]:
        """The states of all cameras a moment ago; from any thread."""
        subscriber = self._subscriber
        return self.outcome.states if subscriber is None else subscriber.states

    def join(self) -> None:
        """Wait for all threads and raise what the first one died of."""
        self._stop.set()
        join_all((self._receiver, *self._sinks), STOP_TIMEOUT_S)

    def _receive(self) -> None:
        self._pulse.beat()
        with self._open_subscriber(self._stopped) as subscriber:
            self._subscriber = subscriber
            try:
                for frame in subscriber:
                    if self._stopped():
                        # Decoded, but too late for the sinks.
                        for runner in self._runners:
                            runner.ledger.enter()
                            runner.ledger.lose(STOPPED)
                        continue
                    arrival = Arrival(frame, time.monotonic_ns())
                    if frame.coding is not None:
                        self.tally.add(frame.coding)
                    with self._pulse.resting():  # where every frame is kept sinks set the pace
                        for runner in self._runners:
                            runner.put(arrival)
            except NoStreamError as exc:
                self.silence = exc
            finally:
                self.outcome = _outcome(subscriber, silent=self.silence is not None)
                self._subscriber = None

    def _received(self) -> None:
        self._pulse.rest()
        for runner in self._runners:
            runner.close()
        self._done.set()

    def _stopped(self) -> bool:
        """Asked in every turn of the receive thread."""
        self._pulse.beat()
        return self._stop.is_set() or any(runner.full for runner in self._runners)


def _outcome(subscriber: Subscriber, *, silent: bool) -> Outcome:
    streams = subscriber.streams.values()
    # Who leaves in the middle of a stream knows what was published until then. Where frames stop
    # without a status or an end, more may have been: nothing came that would tell of a gap.
    patience_s = 0.0 if silent else ANSWER_S
    return Outcome(
        subscriber.balance(),
        tuple(stream_id for stream in streams for stream_id in stream.stream_ids),
        subscriber.foreign_messages,
        subscriber.reconnects,
        tuple(subscriber.states),
        {stream.camera: stream.ledger.balance() for stream in streams},
        sum(stream.keyframe_requests for stream in streams),
        subscriber.clocks,
        next((s.camera for s in subscriber.states if s.state is State.CAMERA_DEAD), ""),
        frozenset(s.camera for s in streams if (s.untold_s or 0.0) > patience_s),
    )
