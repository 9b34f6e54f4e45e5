"""ConnectionGuard: ends connections that hand libzmq more than its owner has taken out of it.

The receive pipes are unbounded (docs/adr/0014), and an XPUB socket stores every subscription, about
50 bytes for each byte of a topic, inside a call that lasts as long as more of them arrive. So a
thread of its own counts the bytes that the kernel has received for each connection, and shuts down
the TCP connection that exceeds its allowance. No other connection notices.
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import select
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import zmq
from zmq.utils.monitor import parse_monitor_message

from rankcast.net import SocketThread
from rankcast.runtime import LogLimiter, Pulse

log = logging.getLogger(__name__)

KEEP_ALIVE_BYTES_S: Final = 64
"""Allowance for the heartbeats of foreign viewers, encrypted ones every second."""
MESSAGE_BYTES: Final = 64
"""Most bytes that framing and encryption add to a message."""
BUSY_S: Final = 0.005
"""Time between two looks at the counters while any connection sends much."""
IDLE_S: Final = 0.1
"""The same otherwise. Arrivals end it early, unless libzmq takes them before this thread looks."""
IDLE_MAX_S: Final = 1.0
BUSY_BYTES: Final = 2048
"""More than this between two looks is much: a viewer sends a few hundred bytes a second."""
ENDED_S: Final = 1.0
"""What a connection sent before it was shut down is read soon, or was lost with it."""
ATTACH_TIMEOUT_S: Final = 5.0

_TCP_INFO: Final = getattr(socket, "TCP_INFO", None)
"""Missing outside Linux: then nothing is guarded."""
CAN_CUT: Final = os.name == "posix"
"""Elsewhere a socket is no file descriptor."""
_BYTES_RECEIVED: Final = slice(128, 136)
"""tcpi_bytes_received of struct tcp_info, Linux 4.1."""
Ban = Callable[[str, str], None]
"""Refuses a key; called with its user id and the reason, in any thread."""
_NUMBERS: Final = itertools.count()


@dataclass(eq=False)
class Watch:
    """One bound socket whose connections are guarded."""

    port: int
    allowance_bytes: int
    """Bytes that a connection may send beyond those that `took` has accounted for."""
    what: str
    """What the connections should send, for the log."""
    monitor: str
    """Endpoint of the monitor."""
    ban: Ban | None = None
    """Refuses the key of a connection that was shut down; None without keys."""
    users: dict[int, str] = field(default_factory=dict)
    """User id of the latest message of each descriptor, with keys."""
    attached: threading.Event = field(default_factory=threading.Event)
    taken: Counter[int] = field(default_factory=Counter)
    """Bytes taken out of the socket, by descriptor."""
    accepted_s: dict[int, float] = field(default_factory=dict)
    """When the newest connection with a descriptor was accepted."""
    ended_s: dict[int, float] = field(default_factory=dict)
    """When the guard shut down a connection, by descriptor; without those used again since."""

    @property
    def excess(self) -> str:
        """The reason for refusing the key of a connection that was shut down."""
        return f"it sent port {self.port} more {self.what} than allowed"

    def is_ended(self, descriptor: int) -> bool:
        """Return True for a message that a connection sent before the guard shut it down."""
        if time.monotonic() > self.ended_s.get(descriptor, -math.inf) + ENDED_S:
            return False
        # A new connection may have the descriptor already: its key must not be refused for that.
        received, peer = received_bytes(descriptor, self.port)
        return not peer or received > self.allowance_bytes

    def took(self, descriptor: int, size: int) -> None:
        """Account for a message of `size` bytes that was taken out of the socket."""
        self.taken[descriptor] += size + MESSAGE_BYTES


@dataclass(slots=True)
class _Connection:
    watch: Watch
    since_s: float
    taken_before: int
    received: int = 0


class ConnectionGuard:
    """Guards the connections of bound sockets, in a thread of its own."""

    def __init__(self) -> None:
        self.cut = 0
        """Connections shut down so far."""
        self._new: deque[Watch] = deque()
        self._monitors: dict[zmq.Socket[Any], Watch] = {}
        self._connections: dict[int, _Connection] = {}
        self._context: zmq.Context[Any] | None = None
        self._pause_s = IDLE_S
        self._looked_s = 0.0
        self._log = LogLimiter()
        self._thread = SocketThread("guard", self._run)

    def start(self, context: zmq.Context[Any]) -> None:
        """Start the thread; without counters of the kernel, do nothing."""
        if _TCP_INFO is not None:
            self._context = context
            self._thread.start()

    @property
    def pulse(self) -> Pulse:
        """Pulse of the thread."""
        return self._thread.pulse

    @property
    def error(self) -> BaseException | None:
        """The exception that ended the thread; None unless it failed."""
        return self._thread.error

    def close(self) -> None:
        """Stop the thread; may be called twice."""
        self._thread.stop()
        self._thread.join()

    @contextmanager
    def guarding(
        self,
        bound: zmq.Socket[Any],
        port: int,
        allowance_bytes: int,
        what: str,
        ban: Ban | None = None,
    ) -> Iterator[Watch]:
        """Guard the connections of `bound`, which is about to be bound, while the block runs."""
        monitor = f"inproc://rankcast-guard-{next(_NUMBERS)}"
        watch = Watch(port, allowance_bytes, what, monitor, ban)
        if not self._thread.running:
            yield watch
            return
        bound.monitor(watch.monitor, zmq.EVENT_ACCEPTED | zmq.EVENT_MONITOR_STOPPED)
        self._new.append(watch)
        self._thread.wake()
        # Events before the other end is connected would block the I/O thread of libzmq.
        watch.attached.wait(ATTACH_TIMEOUT_S)
        try:
            yield watch
        finally:
            bound.disable_monitor()

    # The methods below run in the thread.

    def _run(self) -> None:
        assert self._context is not None
        with select.epoll() as arrivals:
            self._thread.opened()
            try:
                while not self._thread.stopping and self._is_needed():
                    self._look(arrivals)
            finally:
                for monitor in self._monitors:
                    monitor.close(0)

    def _is_needed(self) -> bool:
        # A program that forgets to close its sender still ends, once the sockets are closed.
        return threading.main_thread().is_alive() or bool(self._monitors)

    def _look(self, arrivals: select.epoll) -> None:
        poller = self._thread.poller(*self._monitors)
        busy = self._pause_s == BUSY_S
        if not busy:
            poller.register(arrivals.fileno(), zmq.POLLIN)
        ready = self._thread.poll(poller, self._pause_s if self._connections else IDLE_MAX_S)
        while self._new:
            self._attach(self._new.popleft())
        for monitor in ready & self._monitors.keys():
            self._read_events(monitor, arrivals)
        now_s = time.monotonic()
        if arrivals.fileno() in ready or now_s >= self._looked_s + self._pause_s:
            arrivals.poll(0)
            self._looked_s = now_s
            sent = [self._check(descriptor) for descriptor in list(self._connections)]
            self._pause_s = BUSY_S if max(sent, default=0) > BUSY_BYTES else IDLE_S

    def _attach(self, watch: Watch) -> None:
        assert self._context is not None
        monitor = self._context.socket(zmq.PAIR)
        monitor.setsockopt(zmq.LINGER, 0)
        # A full pipe would block the I/O thread of libzmq.
        monitor.setsockopt(zmq.RCVHWM, 0)
        monitor.connect(watch.monitor)
        self._monitors[monitor] = watch
        watch.attached.set()

    def _read_events(self, monitor: zmq.Socket[Any], arrivals: select.epoll) -> None:
        watch = self._monitors[monitor]
        while True:
            try:
                event = parse_monitor_message(monitor.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return
            if event["event"] == zmq.EVENT_MONITOR_STOPPED:
                del self._monitors[monitor]
                monitor.close(0)
                return
            descriptor = int(event["value"])
            watch.ended_s.pop(descriptor, None)
            watch.users.pop(descriptor, None)
            watch.accepted_s[descriptor] = time.monotonic()
            self._connections[descriptor] = _Connection(
                watch, time.monotonic(), watch.taken[descriptor]
            )
            # libzmq may have closed it already. A closed descriptor leaves the set by itself.
            with suppress(OSError):
                arrivals.unregister(descriptor)
            with suppress(OSError):
                arrivals.register(descriptor, select.EPOLLIN | select.EPOLLET)

    def _check(self, descriptor: int) -> int:
        """End the connection if it has sent too much; return what it sent since the last look."""
        connection = self._connections[descriptor]
        watch = connection.watch
        allowed = (
            watch.allowance_bytes
            + watch.taken[descriptor] - connection.taken_before
            + (time.monotonic() - connection.since_s) * KEEP_ALIVE_BYTES_S
        )  # fmt: skip
        received, peer = received_bytes(descriptor, watch.port)
        if not peer:
            del self._connections[descriptor]
            return 0
        if received > allowed:
            del self._connections[descriptor]
            # Before the owner of the socket can see that it has ended.
            watch.ended_s[descriptor] = time.monotonic()
            cut(descriptor, watch.port)
            self.cut += 1
            # Where no message of it was read yet, the one who reads them has the key refused.
            if watch.ban is not None and (user := watch.users.get(descriptor)):
                watch.ban(user, watch.excess)
            if self._log.may_log():
                log.warning(
                    "closed the connection of %s to port %d: it sent %d bytes of %s, want at most "
                    "%d", peer, watch.port, received, watch.what, allowed,
                )  # fmt: skip
        sent, connection.received = received - connection.received, received
        return sent


@contextmanager
def _connection(descriptor: int, port: int) -> Iterator[socket.socket | None]:
    """Duplicate `descriptor` if it is a TCP connection accepted at `port`; else yield None.

    libzmq may have closed it, and the system may have reused its number. The duplicate stays what
    it was when it was checked.
    """
    number = os.dup(descriptor)
    try:
        duplicate = socket.socket(fileno=number)
    except OSError:  # no socket any more
        os.close(number)
        raise
    with duplicate:
        is_tcp = duplicate.family in (socket.AF_INET, socket.AF_INET6)
        yield duplicate if is_tcp and duplicate.getsockname()[1] == port else None


def received_bytes(descriptor: int, port: int) -> tuple[int, str]:
    """Return the bytes that a connection has received, and its peer; 0 if it is gone."""
    assert _TCP_INFO is not None
    with suppress(OSError), _connection(descriptor, port) as connection:
        if connection is not None:
            info = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_RECEIVED.stop)
            return struct.unpack("=Q", info[_BYTES_RECEIVED])[0], connection.getpeername()[0]
    return 0, ""


def cut(descriptor: int, port: int) -> bool:
    """Shut down the connection accepted at `port` with this descriptor; False if there is none."""
    with suppress(OSError), _connection(descriptor, port) as connection:
        if connection is not None:
            connection.shutdown(socket.SHUT_RDWR)
            return True
    return False
