"""ConnectionGuard: ends connections that hand libzmq more than its owner has taken out of it.

The receive pipes are unbounded (docs/adr/0014), and an XPUB socket stores every subscription, about
50 bytes for each byte of a topic, inside a call that lasts as long as more of them arrive. So a
thread of its own compares the bytes that the kernel has received with those that were read, for
each connection and for all of them, and shuts down TCP connections that exceed it. No other
connection notices.
"""

from __future__ import annotations

import itertools
import logging
import select
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import zmq

from rankcast.net import HAS_TCP_INFO, SocketThread, next_event
from rankcast.runtime import LogLimiter, Pulse
from rankcast_sender.peers.guarded_connection import GuardedConnection
from rankcast_sender.peers.rate_limit import RateLimit
from rankcast_sender.peers.search_cost import SearchCost
from rankcast_sender.peers.tcp_connection import CAN_CUT, Scissors, TcpConnection, connection_of
from rankcast_sender.peers.wasted_bytes import WastedBytes
from rankcast_sender.peers.watch import MAX_CONNECTIONS, Ban, Ending, Watch

log = logging.getLogger(__name__)

MAX_UNREAD_BYTES: Final = 1 << 20
"""Most bytes of all connections together that may wait to be read. libzmq needs some 50 times as
much for subscriptions, and 32 times as much for messages of empty parts."""
SMALL_UNREAD_BYTES: Final = 4096
"""A viewer of twelve named cameras sends less when it joins."""
REMAINS_S: Final = 1.0
"""How long libzmq may need for what a connection had sent before it was shut down."""
BUSY_S: Final = 0.005
"""Time between two looks at the counters while any connection sends much."""
MOST_SHARE: Final = 0.2
"""Most of a processor that the looks take while many connections send much."""
IDLE_S: Final = 0.1
"""The time otherwise. Arrivals end it early, unless libzmq takes them before this thread looks."""
IDLE_MAX_S: Final = 1.0
BUSY_BYTES: Final = 2048
"""More than this between two looks is much: a viewer sends a few hundred bytes a second."""
ATTACH_TIMEOUT_S: Final = 5.0
MUTE_BYTES: Final = 16_384
"""What libzmq needs for a connection at least."""
MUTE_UNREAD_BYTES: Final = 32_768
"""Most bytes of one of these that may wait to be read: few of them are not soon too much."""
MAX_MUTE_BYTES: Final = 4 * 1024 * 1024
"""What it may hold for good of connections that it never let us read, some 250: those that claim
the routing id of another one (docs/adr/0014)."""
CONTROL_S: Final = 4
CONTROL_AT_ONCE: Final = 128
"""Connections of one key or address to the control channel. A client that claims the routing id of
a later one aborts the process; at this pace guessing one takes 190 days (docs/adr/0014)."""
_NUMBERS: Final = itertools.count()


@dataclass(eq=False)
class _Monitored:
    """A bound socket and its monitor, which both threads may end, but only one at a time."""

    watch: Watch
    bound: zmq.Socket[Any]
    endpoint: str
    attached: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_on: bool = False

    def begin(self) -> None:
        events = zmq.EVENT_ACCEPTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_MONITOR_STOPPED
        self.bound.monitor(self.endpoint, events)
        self.is_on = True

    def end(self) -> None:
        """End the monitor: without a reader it would block the I/O thread of libzmq."""
        with self.lock:
            if self.is_on:
                self.is_on = False
                # The one call of a socket for which libzmq itself holds a lock.
                self.bound.disable_monitor()


class ConnectionGuard:
    """Guards the connections of bound sockets, in a thread of its own.

    Parameters
    ----------
    max_connections : int
        Most connections of one key or, without keys, one address to each socket.
    """

    def __init__(self, max_connections: int = MAX_CONNECTIONS) -> None:
        self.cut = 0
        """Connections shut down so far; the log says it."""
        self._max_connections = max_connections
        self._scissors: Scissors | None = None
        self._wasted = WastedBytes()
        self._cost = SearchCost()
        self._control = RateLimit[str](CONTROL_S, CONTROL_AT_ONCE)
        self._new: deque[_Monitored] = deque()
        self._monitors: dict[zmq.Socket[Any], _Monitored] = {}
        self._connections: dict[int, GuardedConnection] = {}
        self._context: zmq.Context[Any] | None = None
        self._unread: dict[Watch, int] = {}
        """What is unread of all connections to a socket; valid during one look."""
        self._remains: deque[tuple[float, int]] = deque()
        """When connections were shut down, and what was unread of each."""
        self._pause_s = IDLE_S
        self._is_busy = False
        self._looked_s = 0.0
        self._log = LogLimiter()
        self._thread = SocketThread("connections", self._run)

    def start(self, context: zmq.Context[Any]) -> None:
        """Start the thread; without counters of the kernel, there is nothing for it to do."""
        if CAN_CUT:
            self._scissors = Scissors()
        if HAS_TCP_INFO:
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

    def admits(self, owner: str, *, control: bool) -> bool:
        """Return False if a key or, without keys, an address is not to connect now.

        The authenticator calls it, once for each connection: to the control channel or for frames.
        """
        if control:
            return self._control.take(owner)
        return self._wasted.admits(owner) and self._cost.came(owner)

    def readmit(self) -> None:
        """Let all clients of the control channel connect again, whose connections are closed."""
        self._control = RateLimit[str](CONTROL_S, CONTROL_AT_ONCE)

    def close(self) -> None:
        """Stop the thread; may be called twice."""
        self._thread.stop()
        try:
            self._thread.join()
        finally:
            if self._scissors is not None:
                self._scissors.close()

    @contextmanager
    def guarding(
        self,
        bound: zmq.Socket[Any],
        port: int,
        allowance_bytes: int,
        what: str,
        ban: Ban | None = None,
        keep_alive_bytes_s: int = 0,
        *,
        tcp: bool = True,
    ) -> Iterator[Watch]:
        """Guard the connections of `bound`, which is about to be bound, while the block runs.

        Without `tcp` nothing tells what waits in a connection; only this user can connect.
        """
        scissors = self._scissors if tcp else None
        watch = Watch(port, allowance_bytes, what, ban, keep_alive_bytes_s,
                      self._max_connections, scissors, self._wasted, self._cost)  # fmt: skip
        if not (tcp and self._thread.running):
            yield watch
            return
        endpoint = f"inproc://rankcast-connections-{next(_NUMBERS)}"
        monitored = _Monitored(watch, bound, endpoint)
        monitored.begin()
        try:
            self._new.append(monitored)
            self._thread.wake()
            # Events before the other end is connected would block the I/O thread of libzmq.
            monitored.attached.wait(ATTACH_TIMEOUT_S)
            if self._thread.error is not None:
                monitored.end()
            yield watch
        finally:
            # Those that end with their socket are searched for in another thread of libzmq.
            watch.topics_bytes = None
            watch.on_mute = None  # what it still counts is freed with the socket
            monitored.end()

    # The methods below run in the thread.

    def _run(self) -> None:
        assert self._context is not None
        with select.epoll() as arrivals:
            self._thread.opened()
            try:
                while not self._thread.stopping and self._is_needed():
                    self._look(arrivals)
            finally:
                for monitored in (*self._monitors.values(), *self._new):
                    monitored.end()
                    monitored.attached.set()
                for monitor in self._monitors:
                    monitor.close(0)

    def _is_needed(self) -> bool:
        # A program that forgets to close its sender still ends, once the sockets are closed.
        return threading.main_thread().is_alive() or bool(self._monitors)

    def _look(self, arrivals: select.epoll) -> None:
        poller = self._thread.poller(*self._monitors)
        if not self._is_busy:
            poller.register(arrivals.fileno(), zmq.POLLIN)
        ready = self._thread.poll(poller, self._pause_s if self._connections else IDLE_MAX_S)
        self._unread.clear()
        while self._new:
            self._attach(self._new.popleft())
        for monitor in ready & self._monitors.keys():
            self._read_events(monitor, arrivals)
        began_s = time.monotonic()
        if began_s >= self._looked_s + self._pause_s:
            arrivals.poll(0)
            self._looked_s = began_s
            self._look_at(list(self._connections.values()), all_of_them=True)
            took_s = time.monotonic() - began_s
            self._pause_s = max(BUSY_S, took_s / MOST_SHARE) if self._is_busy else IDLE_S
        elif arrivals.fileno() in ready:
            self._look_at(self._arrived(arrivals), all_of_them=False)
            self._pause_s = BUSY_S if self._is_busy else IDLE_S

    def _arrived(self, arrivals: select.epoll) -> list[GuardedConnection]:
        """Return the connections that something has arrived for, each of them once."""
        # An older connection stays in the set under its number while the scissors hold a duplicate.
        descriptors = dict.fromkeys(descriptor for descriptor, _ in arrivals.poll(0))
        found = (self._connections.get(descriptor) for descriptor in descriptors)
        return [one for one in found if one is not None]

    def _look_at(self, connections: list[GuardedConnection], *, all_of_them: bool) -> None:
        most = max((self._check(one) for one in connections), default=0)
        self._is_busy = most > BUSY_BYTES
        if self._is_busy or all_of_them:
            self._limit_all()
            self._limit_each_owner()

    def _attach(self, monitored: _Monitored) -> None:
        assert self._context is not None
        monitor = self._context.socket(zmq.PAIR)
        self._monitors[monitor] = monitored
        monitor.setsockopt(zmq.LINGER, 0)
        # A full pipe would block the I/O thread of libzmq.
        monitor.setsockopt(zmq.RCVHWM, 0)
        monitor.connect(monitored.endpoint)
        monitored.attached.set()

    def _read_events(self, monitor: zmq.Socket[Any], arrivals: select.epoll) -> None:
        watch = self._monitors[monitor].watch
        while True:
            try:
                event = next_event(monitor)
            except zmq.Again:
                return
            if event.event == zmq.EVENT_MONITOR_STOPPED:
                del self._monitors[monitor]
                monitor.close(0)
                return
            if event.event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                watch.attached += 1
                continue
            descriptor, now_s = event.value, time.monotonic()
            if descriptor in self._connections:
                self._forget(descriptor)
            watch.endings.pop(descriptor, None)
            watch.users.pop(descriptor, None)
            watch.accepted_s[descriptor] = now_s
            tcp: TcpConnection | None = None
            with suppress(OSError):
                tcp = connection_of(descriptor, watch.port)
            connection = GuardedConnection(watch, descriptor, tcp, now_s)
            self._connections[descriptor] = connection
            watch.connections += 1
            if watch.ban is None and self._wasted.is_too_much(connection.address):
                self._end(connection, "others of its address sent too much a moment ago", 0)
                continue
            # libzmq may have closed it already. A closed descriptor leaves the set by itself.
            with suppress(OSError):
                arrivals.unregister(descriptor)
            with suppress(OSError):
                arrivals.register(descriptor, select.EPOLLIN | select.EPOLLET)

    def _check(self, connection: GuardedConnection) -> int:
        """End the connection if too much is unread; return what it sent since the last look."""
        watch, descriptor, now_s = connection.watch, connection.descriptor, time.monotonic()
        taken = watch.taken[descriptor]
        try:
            tcp = connection_of(descriptor, watch.port)
        except OSError:  # it may still be there: look again
            return 0
        if tcp is None or connection.peer not in (None, tcp.peer):
            self._forget(descriptor)
            return 0
        sent = connection.update(taken, tcp, now_s)
        most_bytes = watch.allowance_bytes
        if watch.on_mute is not None and connection.is_mute:
            most_bytes = min(most_bytes, MUTE_UNREAD_BYTES)
        if connection.unread > most_bytes:
            self._end(
                connection,
                f"{connection.unread} bytes of {watch.what} wait to be read, want at most "
                f"{most_bytes}",
            )
        return sent

    def _forget(self, descriptor: int) -> None:
        """Forget a connection that has ended, and count what libzmq has to search at its end."""
        connection = self._connections.pop(descriptor)
        watch = connection.watch
        is_mute = connection.is_mute
        connection.leave()
        watch.connections -= 1
        # Nobody tells which of them has completed its handshake; those that have not cost nothing.
        if watch.attached <= watch.connections:
            return
        watch.attached -= 1
        if is_mute:
            watch.mute_bytes += MUTE_BYTES + max(0, connection.unread)
            on_mute = watch.on_mute  # the owner of the socket may take it away meanwhile
            if watch.mute_bytes > MAX_MUTE_BYTES and on_mute is not None:
                on_mute(watch.mute_bytes)
        topics_bytes = watch.topics_bytes
        if topics_bytes is None:
            return
        if watch not in self._unread:
            # The owner of the socket may have no time to read what came last: it may be searching.
            self._unread[watch] = sum(one.unread for one in self._connections.values()
                                      if one.watch is watch and one.unread > 0)  # fmt: skip
        if self._cost.ended(topics_bytes() + self._unread[watch]):
            log.warning("connections to port %d come and go so often that searching all topics "
                        "takes too long: who connects often has to wait", watch.port)  # fmt: skip

    def _limit_all(self) -> None:
        """End connections while all of them together hold too much, the greatest owner's first."""
        now_s = time.monotonic()
        while self._remains and now_s > self._remains[0][0] + REMAINS_S:
            self._remains.popleft()
        live = [one for one in self._connections.values() if not one.ended and one.unread > 0]
        total = sum(one.unread for one in live)
        remains = sum(unread for _, unread in self._remains)
        if total + remains <= MAX_UNREAD_BYTES:
            return
        held: Counter[str] = Counter()
        for one in live:
            held[one.owner(now_s) or one.address] += one.unread
        live.sort(key=lambda one: (held[one.owner(now_s) or one.address], one.unread))
        while live and total + remains > MAX_UNREAD_BYTES:
            one = live.pop()
            # What is left of others is no reason to end one that holds little.
            if one.unread <= SMALL_UNREAD_BYTES and total <= MAX_UNREAD_BYTES:
                continue
            total -= one.unread
            remains += one.unread
            self._end(
                one,
                f"{one.unread} bytes of {one.watch.what} wait to be read, most of all, and want at "
                f"most {MAX_UNREAD_BYTES} of all connections",
            )

    def _limit_each_owner(self) -> None:
        """End the newest connections of a key or address that has too many."""
        now_s = time.monotonic()
        counts: dict[tuple[Watch, str], int] = {}
        # In the order in which they were accepted.
        for one in list(self._connections.values()):
            owner = one.owner(now_s)
            if one.ended or not owner:
                continue
            key = one.watch, owner
            counts[key] = counts.get(key, 0) + 1
            if counts[key] > one.watch.max_connections:
                whose = "key" if one.user else "address"
                self._end(
                    one,
                    f"{one.watch.max_connections} connections of its {whose} are open already "
                    f"(limits.max_connections)",
                    0,
                )

    def _end(self, connection: GuardedConnection, reason: str, wasted: int | None = None) -> None:
        """Shut a connection down.

        Parameters
        ----------
        connection : GuardedConnection
        reason : str
            For the log.
        wasted : int, optional
            Bytes that count against its address, and 0 refuses no key either; default: what is
            unread.
        """
        if connection.peer is None:  # it is not known yet whose descriptor that is
            return
        watch, descriptor = connection.watch, connection.descriptor
        size = max(0, connection.unread) if wasted is None else wasted
        why = ""
        if size and connection.is_sudden:
            why = f"it sent port {watch.port} more {watch.what} than can be read"
        if not connection.ended:
            # Before the owner of the socket can see that it has ended.
            watch.endings[descriptor] = Ending(time.monotonic(), connection.peer, why)
        if not watch.cut(descriptor, 0 if connection.ended else size, connection.peer):
            return  # gone, which the next look notices
        if connection.ended:
            return  # libzmq has not noticed it yet
        connection.ended = True
        self.cut += 1
        self._remains.append((time.monotonic(), size))
        # Where no message of it was read yet, the one who reads them has the key refused.
        if why and watch.ban is not None and connection.user:
            watch.ban(connection.user, why)
        if self._log.may_log():
            log.warning("closed the connection of %s to port %d: %s; %d closed so far",
                        connection.address, watch.port, reason, self.cut)  # fmt: skip
