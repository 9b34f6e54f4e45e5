"""Fake sockets and clocks of a receiver: no network, no threads, no waiting."""

from __future__ import annotations

import random
import struct
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest import mock

import zmq

_EVENT = struct.Struct("=hi")


class FakeClock:
    """A clock that only `advance` moves; its UTC time advances in step."""

    def __init__(self, mono_ns: int = 10**13, utc_ns: int = 1_795_179_415 * 10**9) -> None:
        self.mono_ns = mono_ns
        self._utc_minus_mono_ns = utc_ns - mono_ns

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.mono_ns += int(seconds * 1e9)

    def monotonic(self) -> float:
        """Return seconds, as `time.monotonic`."""
        return self.mono_ns / 1e9

    def monotonic_ns(self) -> int:
        """Return nanoseconds, as `time.monotonic_ns`."""
        return self.mono_ns

    def clock_gettime(self, _clock: int) -> float:
        """Return seconds, as `time.clock_gettime` of the clock that counts suspends."""
        return self.monotonic()

    def clock_gettime_ns(self, _clock: int) -> int:
        """Return nanoseconds, as `time.clock_gettime_ns`."""
        return self.mono_ns

    def time_ns(self) -> int:
        """Return nanoseconds since the epoch, as `time.time_ns`."""
        return self.mono_ns + self._utc_minus_mono_ns

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Replace the clocks of `time`, and every random choice by the mean."""
        with ExitStack() as stack:
            names = ("monotonic", "monotonic_ns", "time_ns", "clock_gettime", "clock_gettime_ns")
            for name in filter(partial(hasattr, time), names):
                stack.enter_context(mock.patch.object(time, name, getattr(self, name)))
            stack.enter_context(mock.patch.object(random, "uniform", lambda a, b: (a + b) / 2))
            yield


class FakeMessage:
    """A message that was received without copying, as pyzmq returns it."""

    def __init__(self, data: bytes) -> None:
        self.bytes = data
        self.buffer = memoryview(data)


class FakeSocket:
    """A socket with a list of waiting and of sent messages, which may be full."""

    def __init__(self, context: FakeContext, kind: int) -> None:
        self.kind = kind
        self.waiting: deque[bytes] = deque()
        self.sent: list[bytes] = []
        self.deaf = False
        """True: the queue is full and `send` raises zmq.Again."""
        self.peer = ""
        """Where the socket is connected to."""
        self.closed = False
        self.linger: int | None = None
        self.context = context
        self._monitored = ""
        context.sockets.append(self)

    def setsockopt(self, _option: int, _value: object) -> None:
        """Nothing to set."""

    def connect(self, address: str) -> None:
        """Nobody to find."""
        self.peer = address

    def monitor(self, address: str, _events: int) -> None:
        """Report events to the socket that connects to `address`."""
        self._monitored = address

    def disable_monitor(self) -> None:
        """Stop reporting events."""
        self._monitored = ""

    def happens(self, event: int, value: int = 0) -> None:
        """Report an event to the monitor."""
        for socket in self.context.open(zmq.PAIR):
            if socket.peer == self._monitored:
                socket.waiting.append(_EVENT.pack(event, value))

    def poll(self, _timeout_ms: int = 0, _event: int = zmq.POLLIN) -> int:
        """Return at once: waiting messages have arrived already."""
        return zmq.POLLIN if self.waiting else 0

    def recv(self, _flags: int = 0, copy: bool = True) -> bytes | FakeMessage:
        """Return the next message or raise zmq.Again."""
        assert not self.closed
        if not self.waiting:
            raise zmq.Again
        data = self.waiting.popleft()
        return data if copy else FakeMessage(data)

    def recv_multipart(self, flags: int = 0) -> list[object]:
        """Return event and address, of a monitor."""
        return [self.recv(flags), b"tcp://192.0.2.1:5555"]

    def send(self, data: bytes, _flags: int = 0) -> None:
        """Record `data` or raise zmq.Again."""
        assert not self.closed
        if self.deaf:
            raise zmq.Again
        self.sent.append(data)

    def close(self, linger: int | None = None) -> None:
        """Close; may be called twice."""
        self.closed, self.linger = True, linger


class FakeContext:
    """A context that records its sockets."""

    def __init__(self) -> None:
        self.sockets: list[FakeSocket] = []

    def socket(self, kind: int) -> FakeSocket:
        """Return a new socket."""
        return FakeSocket(self, kind)

    def open(self, kind: int) -> list[FakeSocket]:
        """Return the open sockets of a kind."""
        return [socket for socket in self.sockets if socket.kind == kind and not socket.closed]
