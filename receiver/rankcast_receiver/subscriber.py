"""Subscriber: the frames of one or several senders, decoded, as an iterator."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import zmq

from rankcast.errors import NoStreamError
from rankcast.frame import Frame
from rankcast.net import DEFAULT_ENDPOINT, CurveClient, SocketOptions
from rankcast.runtime import Balance, LogLimiter
from rankcast.wire import Limits, check_name
from rankcast_receiver.net import Connection, check_endpoints
from rankcast_receiver.stream import DECODE_BUDGET_S, CameraState, CameraStream, State

log = logging.getLogger(__name__)

LIVE_QUEUE_MESSAGES: Final = 4
KEEP_QUEUE_MESSAGES: Final = 64
BUFFER_BYTES: Final = 262_144
POLL_S: Final = 0.1
STATES_S: Final = 0.05
"""States are judged that often at most."""
MARGIN_BYTES: Final = 1 << 20
"""libzmq ends the connection over a longer message; one that is little too long is counted here."""
FLUTTER_S: Final = 5.0
"""A stream of less than a frame a second turns stale between any two: one line in that time."""


class Subscriber:
    """Receives the pictures of one or several senders.

    Parameters
    ----------
    connect : str or sequence of str
        Address of the sender, ``tcp://HOST:PORT``, or of several.
    camera : str or sequence of str, optional
        Names of cameras at the senders; by default every camera of every sender.
    live : bool
        True: each frame is the newest there is, and what was skipped is counted. False: every
        frame is handed out, and a sender in real time drops what does not fit the queue.
    timeout_s : float, optional
        Longest wait without a new frame.
    stay : bool
        Wait for the next stream when one has ended.
    limits : Limits
        What a packet may ask for.
    queue_messages, buffer_bytes : int
        Bounds of what waits in libzmq and in the kernel.
    models : Path, optional
        Folder of the model files that packets of learned codecs name. One that is not in memory
        holds up the packet that names it: `rankcast.codec.preload_models` loads them.
    stopped : callable
        Asked ten times a second and before each picture; iteration ends when it is true.
    curves : sequence of CurveClient
        Keys, one for each that the sender may have; each new connection tries the next.
    control : bool
        Use the control channel: key frames on request, latency, reports to the sender.
    on_state : callable
        Called with the states of all cameras whenever one has changed.

    Raises
    ------
    SettingsError
        If an argument is wrong.

    Notes
    -----
    Use it from the thread that made it. Connecting does not wait for the sender. With several
    senders the names of cameras carry the number of their sender, counted from 1: ``cam-1``.
    """

    def __init__(
        self,
        connect: str | Sequence[str] = DEFAULT_ENDPOINT,
        *,
        camera: str | Sequence[str] | None = None,
        live: bool = True,
        timeout_s: float | None = None,
        stay: bool = False,
        limits: Limits | None = None,
        queue_messages: int | None = None,
        buffer_bytes: int = BUFFER_BYTES,
        models: Path | None = None,
        stopped: Callable[[], bool] = lambda: False,
        curves: Sequence[CurveClient] = (),
        control: bool = True,
        on_state: Callable[[Sequence[CameraState]], object] = lambda _: None,
    ) -> None:
        endpoints = check_endpoints([connect] if isinstance(connect, str) else connect)
        cameras = [camera] if isinstance(camera, str) else list(camera or ())
        cameras = [check_name(name) for name in dict.fromkeys(cameras)]
        self._timeout_s = timeout_s
        self._stay = stay
        self._stopped = stopped
        self._on_state = on_state
        self._states: tuple[CameraState, ...] = ()
        self._patience = LogLimiter()
        self._told: dict[tuple[str, str], tuple[State, float]] = {}
        limits = limits or Limits()
        options = SocketOptions(
            queue_messages or (LIVE_QUEUE_MESSAGES if live else KEEP_QUEUE_MESSAGES),
            buffer_bytes,
            limits.max_packet_bytes + MARGIN_BYTES,
        )
        self._next_states_s = float("-inf")
        self._context: zmq.Context[Any] = zmq.Context()
        self._connections: list[Connection] = []
        try:
            for number, endpoint in enumerate(endpoints, 1):
                self._connections.append(
                    Connection(
                        self._context,
                        endpoint,
                        cameras,
                        live=live,
                        limits=limits,
                        options=options,
                        curves=curves,
                        control=control,
                        models=models,
                        suffix=f"-{number}" if len(endpoints) > 1 else "",
                    )
                )
            self._judged = {c: c.states() for c in self._connections}
            self._poller = self._make_poller()
        except BaseException:
            self.close()
            raise

    @property
    def streams(self) -> dict[str, CameraStream]:
        """What is known of each camera, by its name here."""
        return {s.camera: s for c in self._connections for s in list(c.streams.values())}

    @property
    def states(self) -> Sequence[CameraState]:
        """The states of all cameras as they were a moment ago; may be read from any thread."""
        return self._states

    @property
    def foreign_messages(self) -> int:
        """Messages that were none of Rankcast's."""
        return sum(connection.foreign_messages for connection in self._connections)

    @property
    def reconnects(self) -> int:
        """Times that a connection was made anew after silence or a refusal."""
        return sum(connection.reconnects for connection in self._connections)

    @property
    def clocks(self) -> dict[str, str]:
        """How the clock of each sender is known, by its address."""
        return {c.endpoint: c.clock.known for c in self._connections}

    def balance(self) -> Balance:
        """Frames that were published since joining, handed out, and lost by cause."""
        entered, passed, lost = 0, 0, Counter[str]()
        for stream in self.streams.values():
            balance = stream.ledger.balance()
            entered, passed = entered + balance.entered, passed + balance.passed
            lost.update(balance.lost)
        return Balance(entered, passed, dict(lost))

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the stream ends.

        Raises
        ------
        NoStreamError
            If no new frame came within ``timeout_s``.
        """
        try:
            yield from self._frames()
        finally:
            for connection in self._connections:
                connection.abandon()

    def close(self) -> None:
        """Close all sockets; may be called twice."""
        for connection in self._connections:
            connection.close()
        self._context.term()

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _frames(self) -> Iterator[Frame]:
        budget_s = DECODE_BUDGET_S / len(self._connections)
        last_frame = time.monotonic()
        while not self._stopped():
            self._poller.poll(round(1000 * min(POLL_S, self._remaining_s(last_frame))))
            self._tick()
            due = time.monotonic() >= self._next_states_s
            for connection in self._connections:
                frames = connection.receive(budget_s, self._stopped)
                if due:
                    # After receiving: what waited while this process stood still is no silence.
                    # Before the frames go out: a late one must not find the word for the last.
                    self._judge(connection)
                for frame in frames:
                    yield frame
                    last_frame = time.monotonic()  # the caller's time is not the sender's
            if not self._stay and all(connection.ended for connection in self._connections):
                self._post_states()
                return
            if self._remaining_s(last_frame) == 0 and not any(c.holding for c in self._connections):
                raise NoStreamError(self._silence())

    def _remaining_s(self, last_frame: float) -> float:
        """Seconds until the time-out; infinite without one."""
        if self._timeout_s is None:
            return math.inf
        return max(0.0, last_frame + self._timeout_s - time.monotonic())

    def _make_poller(self) -> zmq.Poller:
        poller = zmq.Poller()
        for connection in self._connections:
            for socket in connection.sockets:
                poller.register(socket, zmq.POLLIN)
        return poller

    def _tick(self) -> None:
        # In every turn: what the reply to a ping waits here would count as its way.
        changed = [connection.tick() for connection in self._connections]
        if any(changed):
            self._poller = self._make_poller()

    def _post_states(self) -> None:
        for connection in self._connections:
            self._judge(connection)

    def _judge(self, connection: Connection) -> None:
        """Judge the cameras of one connection, and tell of them if a state has changed."""
        self._next_states_s = time.monotonic() + STATES_S
        self._judged[connection] = connection.states()
        states = tuple(state for c in self._connections for state in self._judged[c])
        changed = [(s.camera, s.state) for s in states] != [
            (s.camera, s.state) for s in self._states
        ]
        self._states = states
        if changed:
            for state in states:
                self._log_state(state)
            self._on_state(states)

    def _log_state(self, state: CameraState) -> None:
        key = (state.endpoint, state.camera)
        before, then_s = self._told.get(key, (State.CONNECTING, float("-inf")))
        now = time.monotonic()
        if state.state is before:
            return
        flutter = state.state is State.STALE and before is State.LIVE and now - then_s < FLUTTER_S
        if flutter or state.state in (State.CONNECTING, State.ENDED):
            return
        # What a sender says of itself may change at any pace; what is not said now is said later.
        if not self._patience.may_say():
            return
        self._told[key] = (state.state, now)
        level = logging.INFO if state.state in _FINE else logging.WARNING
        log.log(level, "%s: %s", state.camera or state.endpoint, state)

    def _silence(self) -> str:
        """What is known when no frame came in time."""
        self._post_states()
        causes = []
        for state in self._states:
            where = state.endpoint + (f", camera {state.camera}" if state.camera else "")
            causes.append(f"{where}: {state.detail or state}")
        return f"no frame within {self._timeout_s:g} s from {'; '.join(causes)}"


_FINE: Final = (State.LIVE, State.OPENING, State.WAITING_FOR_TRIGGER)
