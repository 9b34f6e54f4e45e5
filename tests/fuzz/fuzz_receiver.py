"""Fuzz target `receiver`: a connection and its control channel against a sender that lies.

Frames, status and end messages, and replies come in any order and at any time; the clock, the
connection and whether a request can be sent are the input's, too. Only sockets are left out.

A message is one of the frames (topic, NUL, packet) or one of the control channel. A map with `ok`
is a reply: an id below 2^31 chooses one of the requests that wait, so that most replies are
expected. A map with `wait_ms` lets time pass; with `event` and `value` the connection changes, with
`deaf` no request gets through. In the first message `live` and `wanted` say what is asked for.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest import mock

from harness import main

MAGIC = b"RKT\xa5"
ENDPOINT = "tcp://192.0.2.1:5555"
TURN_S = 0.02
"""Time between two messages, as of a stream at 50 Hz."""
MOST_WAIT_S = 100.0
EXPECTED_IDS = 2**31
KEYFRAMES_PER_S = 5
MAX_WORDS = 400


class ReceiverTarget:
    """Reached: a camera or a reply was accepted. Accepted: it had an effect."""

    name = "receiver"

    def __init__(self) -> None:
        import zmq
        from mutator import put_together, take_apart

        from rankcast.net import link, transport
        from rankcast.numerics import histogram
        from rankcast.runtime import system_clock as clock_quality
        from rankcast.wire import control_messages as control
        from rankcast.wire import packet as wire
        from rankcast_receiver import stream
        from rankcast_receiver.clock import sender_clock
        from rankcast_receiver.net import connection
        from rankcast_receiver.net.control_link import ControlLink
        from rankcast_receiver.sinks.display import tile
        from support import fakelink

        self.reached = self.accepted = 0
        self.states: set[str] = set()
        """States of all cameras so far."""
        self._zmq, self._fakelink = zmq, fakelink
        self._take_apart, self._put_together = take_apart, put_together
        self._parse_request = control.parse_request
        self._connection, self._tile, self._histogram = connection, tile, histogram.Histogram
        self._options = transport.SocketOptions(4, 65_536, 1 << 17)
        self._limits = wire.Limits(max_packet_bytes=65_536, max_side=64, max_samples=1200)
        self._kept = clock_quality.ClockQuality(synchronised=True, error_ms=1.0)
        self._sender_clock = sender_clock
        self._timed = {"ControlLink": ControlLink, "Link": link.Link}
        self._stream = stream
        self._events = (
            zmq.EVENT_CONNECT_DELAYED, zmq.EVENT_CONNECTED, zmq.EVENT_HANDSHAKE_SUCCEEDED,
            zmq.EVENT_DISCONNECTED, zmq.EVENT_CLOSED, zmq.EVENT_CONNECT_RETRIED,
            zmq.EVENT_HANDSHAKE_FAILED_AUTH, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
            zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
        )  # fmt: skip

    def run(self, messages: list[bytes]) -> None:
        """Receive everything from one sender."""
        clock = self._fakelink.FakeClock()
        with clock.in_force():
            patches = [
                # Their defaults hold the real clock.
                mock.patch.object(self._connection, name, partial(kind, now_s=clock.monotonic))
                for name, kind in self._timed.items()
            ]
            patches.append(
                mock.patch.object(self._sender_clock, "clock_quality", return_value=self._kept)
            )
            for patch in patches:
                patch.start()
            try:
                _Session(self, clock, messages).run()
            finally:
                for patch in patches:
                    patch.stop()


class _Session:
    """One connection from its start to its end."""

    def __init__(self, target: Any, clock: Any, messages: list[bytes]) -> None:
        self._target, self._clock, self._messages = target, clock, messages
        self._begun_s = clock.monotonic()
        self._frames = self._handshakes = 0
        self._connected: list[Any] = []
        """Sockets of the control channel that have found their sender."""
        self._age = target._histogram()
        self._context = target._fakelink.FakeContext()
        first = target._take_apart(messages[0]) if messages else None
        head = first.head if first is not None and type(first.head) is dict else {}
        wanted = ("cam",) if head.get("wanted") is True else ()
        live = head.get("live") is not False
        self._streams = target._stream.SenderStreams(
            ENDPOINT,
            wanted,
            target._stream.StreamOptions(live=live, limits=target._limits),
            now_s=clock.monotonic,
        )
        self._connection = target._connection.Connection(
            self._context,
            self._streams,
            target._connection.ConnectionOptions(
                live=live, limits=target._limits, socket=target._options
            ),
        )
        self._queue = target._stream.PacketQueue(1, live=live)
        self._states = target._stream.CameraStates()
        self._decoder = target._stream.StreamDecoder(
            [self._streams], self._states, now_s=clock.monotonic
        )

    def run(self) -> None:
        """Take all messages, then do everything that is due."""
        for event in self._target._events[:3]:
            self._happens(event)
        for message in self._messages:
            self._turn(self._take(message))
        for wait_s in (TURN_S, 1.1, 1.1):  # the reports of two seconds
            self._turn(wait_s)
        streams = self._streams.streams
        for stream in streams.values():
            for ledger in (stream.ledger, stream.packet_ledger):
                assert ledger.balance().under_way == 0, ledger.balance()
        told = any(stream.status is not None for stream in streams.values())
        measured = self._streams.clocks.sender.known == "measured"
        self._target.reached += bool(streams) or self._answered
        self._target.accepted += bool(self._frames) or told or measured
        self._connection.close()
        assert all(socket.closed for socket in self._context.sockets)

    @property
    def _answered(self) -> bool:
        control = self._connection._control
        return control is not None and control.answered

    def _open(self, kind: str) -> Any:
        (socket,) = self._context.open(getattr(self._target._zmq, kind))
        return socket

    def _take(self, message: bytes) -> float:
        """Put a message into its socket; return the time that passes."""
        if not message.startswith(MAGIC):
            self._open("XSUB").waiting.append(message)
            return TURN_S
        parts = self._target._take_apart(message)
        if parts is None or type(parts.head) is not dict or "wait_ms" not in parts.head:
            for dealer in self._context.open(self._target._zmq.DEALER):
                dealer.waiting.append(self._addressed(dealer, parts, message))
            return TURN_S
        self._change(parts.head)
        wait_ms = parts.head["wait_ms"]
        return min(MOST_WAIT_S, abs(wait_ms) / 1000) if type(wait_ms) is int else TURN_S

    def _addressed(self, dealer: Any, parts: Any, message: bytes) -> bytes:
        """Return the reply with the id of a pending request."""
        head = parts.head if parts is not None and type(parts.head) is dict else {}
        number = head.get("id")
        if type(number) is not int or not 0 <= number < EXPECTED_IDS or not dealer.sent:
            return message
        request = self._target._parse_request(dealer.sent[-1 - number % len(dealer.sent)])
        head["id"] = request.id
        again: bytes = self._target._put_together(parts)
        return again

    def _change(self, head: dict[Any, Any]) -> None:
        event, value = head.get("event"), head.get("value")
        if type(event) is int:
            number = value if type(value) is int and abs(value) < 2**31 else 0
            self._happens(self._target._events[event % len(self._target._events)], number)
        for dealer in self._context.open(self._target._zmq.DEALER):
            dealer.deaf = head.get("deaf") is True

    def _happens(self, event: int, value: int = 0) -> None:
        # A new connection may ask at once.
        self._handshakes += event == self._target._zmq.EVENT_HANDSHAKE_SUCCEEDED
        self._open("XSUB").happens(event, value)

    def _connect_control(self) -> bool:
        """Let a new socket of the control channel find its sender; True if there is one."""
        dealers = self._context.open(self._target._zmq.DEALER)
        new = [dealer for dealer in dealers if dealer not in self._connected]
        for dealer in new:
            for event in self._target._events[:3]:
                dealer.happens(event)
        self._connected += new
        return bool(new)

    def _turn(self, wait_s: float) -> None:
        """What the threads of a receiver do in one turn, one after the other."""
        self._clock.advance(wait_s)
        connection = self._connection
        connection.tick()
        if self._connect_control():
            connection.tick()
        for received in connection.receive():
            self._queue.put(0, received)
        self._queue.note_links([connection.facts])
        while True:
            for decoded in self._decoder.decode(self._queue.take(0.0)):
                if decoded.frame is not None:
                    self._frames += 1
                    self._look_at(decoded.frame)
            if not len(self._queue):
                break
        open_sockets = [socket for socket in self._context.sockets if not socket.closed]
        assert {id(socket) for socket in open_sockets} == {
            id(socket) for socket in connection.sockets
        }, "a socket was left open"
        for state in self._streams.states(connection.facts):
            said = str(state)
            self._target.states.add(state.state.value)
            assert said.isascii(), said
            assert said.isprintable(), said
            assert len(said) <= MAX_WORDS, said
        passed_s = self._clock.monotonic() - self._begun_s
        for stream in self._streams.streams.values():
            assert stream.ledger.balance().under_way >= 0
            most = self._handshakes + KEYFRAMES_PER_S * passed_s
            assert stream.keyframe_requests <= most, f"{stream.keyframe_requests} key frames asked"

    def _look_at(self, frame: Any) -> None:
        """Compute the age of a frame for window and report."""
        now_s, now_ns = self._clock.monotonic(), self._clock.monotonic_ns()
        state = self._streams.states(self._connection.facts)[0]
        for line in self._target._tile.Tile(frame, now_s).text(now_s, now_ns, state).lines:
            assert line.isprintable(), line
        if frame.t_capture_here_ns is not None:
            self._age.add((now_ns - frame.t_capture_here_ns) / 1e6)
            assert self._age.percentile_ms(99) is not None


if __name__ == "__main__":
    main(ReceiverTarget)
