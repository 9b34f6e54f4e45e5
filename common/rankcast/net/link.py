"""Link: one connection to an address, and the sockets that replace it after a failure."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import zmq

from rankcast.errors import SettingsError, TransportError
from rankcast.net.flood_guard import FloodGuard, return_memory
from rankcast.net.host_name import Answer, HostName, LookUp, look_up
from rankcast.net.link_monitor import LinkMonitor, LinkState
from rankcast.net.reconnect_policy import ReconnectPolicy
from rankcast.net.transport import join_endpoint, split_endpoint

log = logging.getLogger(__name__)

ASK_INTERVAL_S: Final = 1.0
"""Shortest time between two look-ups of one name."""
REFUSE_FIRST_S: Final = 1.0
REFUSE_MAX_S: Final = 60.0
"""Pauses after a flood double up to this; as long without a flood makes the next one short."""

MakeSocket: TypeAlias = Callable[[str, int], "zmq.Socket[Any]"]
"""Opens an unconnected socket for a numeric address; the other argument counts the sockets."""

_FAILED: Final = (
    LinkState.KEY_REFUSED,
    LinkState.PROTOCOL_REFUSED,
    LinkState.REFUSED,
    LinkState.CLOSED,
    LinkState.UNREACHABLE,
)
"""States of a failed attempt, the most telling first."""


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How a link notices failures, and how it finds its peer."""

    silence_s: float
    """A connection without any message for this long is replaced."""
    silence_max_s: float
    """Longest such time, where new connections stay silent as well."""
    max_messages_s: int
    """A peer that sends more messages a second is disconnected."""
    max_message_bytes: int
    """Largest message that the socket accepts."""
    keys: int = 0
    """Number of server keys to try in turn; 0: no encryption."""
    look_up: LookUp = field(default=look_up)
    """Returns the numeric addresses of a name."""
    wake: Callable[[], object] = lambda: None
    """Called in another thread when `tick` has something to do."""


class Link:
    """Keeps a connection to one address alive.

    libzmq reconnects after most failures, but never after a protocol error, and it resolves names
    in the thread that serves all connections. A link watches the connection and replaces its
    socket where libzmq has given up or nothing arrives. It resolves the name itself, again after
    each failure, and tries its addresses in turn.

    Parameters
    ----------
    endpoint : str
        ``tcp://HOST:PORT``.
    make : callable
        Opens an unconnected socket for a numeric address.
    options : LinkOptions

    Raises
    ------
    SettingsError
        If libzmq refuses the address.
    TransportError
        If the system has no room for another socket.

    Notes
    -----
    Use it only in the thread that created it, and call `tick` several times a second.
    """

    def __init__(
        self,
        endpoint: str,
        make: MakeSocket,
        options: LinkOptions,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint = endpoint
        self.socket: zmq.Socket[Any] | None = None
        """The current socket; None until the name is resolved, and while the link pauses after
        a flood or after `drop`."""
        self.replaced = 0
        """Number of sockets that replaced another one."""
        self._make = make
        self._options = options
        self._now_s = now_s
        self._monitor = LinkMonitor(keys=options.keys > 0, now_s=now_s)
        self._policy = ReconnectPolicy(options.silence_s, options.silence_max_s, now_s())
        self._flood = FloodGuard(
            options.max_messages_s,
            options.max_message_bytes,
            keys=options.keys > 0,
            now_s=now_s,
        )
        host, self._port = split_endpoint(endpoint)
        self._name = HostName(host, options.look_up, options.wake, now_s=now_s)
        self._host = host
        """The numeric address in use."""
        self._untried: list[str] = []
        self._lost = ""
        """Why the name did not resolve when it was last looked up; empty if it did."""
        self._told: dict[str, tuple[LinkState, str]] = {}
        """How each address of a name failed since the last connection."""
        self._next_ask_s = now_s()
        self._made = self._failures = self._ended = self._sessions = 0
        self._refused_until_s: float | None = None
        self._dropped = False
        self._refuse_s = REFUSE_FIRST_S
        self._last_refused_s = float("-inf")
        if self._name.numeric:
            self._open()
        else:
            self._ask()

    @property
    def sockets(self) -> list[zmq.Socket[Any]]:
        """All sockets for a poller; they change when `tick` returns True."""
        return [socket for socket in (self.socket, self._monitor.pair) if socket is not None]

    @property
    def host(self) -> str | None:
        """The numeric address of the peer; None before its name is resolved."""
        return None if self.socket is None and not self._made else self._host

    @property
    def port(self) -> int:
        """The port in use: that of the endpoint until the peer moves to another one."""
        return self._port

    @property
    def state(self) -> LinkState:
        """State of the connection; where several addresses failed, the most telling failure."""
        return self._shown[0]

    @property
    def detail(self) -> str:
        """Why the link is not up, in ASCII, one line."""
        return self._shown[1]

    @property
    def age_s(self) -> float:
        """Seconds since the state last changed."""
        return self._monitor.age_s

    @property
    def sessions(self) -> int:
        """Number of times that the connection was established."""
        return self._monitor.sessions

    @property
    def answered(self) -> bool:
        """True if a message has arrived through the current socket."""
        return self._policy.answered

    @property
    def pause_s(self) -> float:
        """Pause before the next socket once libzmq has given up."""
        return self._policy.pause_s

    @property
    def waits(self) -> bool:
        """True while much waits unread in libzmq: call `tick` a hundred times a second."""
        return self._flood.waits

    def heard(self, size: int, now_s: float) -> None:
        """Record a message of `size` bytes that was read from the socket."""
        self._policy.heard(now_s)
        self._flood.took(size)

    def worked(self) -> None:
        """Record that the connection has proved useful: the next failure gets a short pause."""
        self._policy.worked()

    def look(self) -> None:
        """Bring `state` and `sessions` up to date; never changes `sockets`."""
        if self._monitor.read():
            log.debug("%s: %s %s", self.endpoint, self._monitor.state.name, self._monitor.detail)
            self._policy.moved(self._now_s())

    def tick(self, *, quiet: bool = False) -> bool:
        """Do what is due; return True when `sockets` has changed.

        Parameters
        ----------
        quiet : bool
            Silence is expected, and no reason to replace the socket.
        """
        now_s = self._now_s()
        self.look()
        if self._refused_until_s is not None:
            if now_s < self._refused_until_s:
                return False
            self._refused_until_s = None
            return_memory()
            self._replace()
            return True
        if self._dropped:
            if not self._policy.given_up(now_s):
                return False
            self.replace()
            return True
        if self._monitor.failures != self._ended:
            self._ended = self._monitor.failures
            self._flood.restart()
        if self._monitor.sessions != self._sessions:
            self._sessions = self._monitor.sessions
            self._untried.clear()
            self._told.clear()
            self._lost = ""
            self._flood.watch(self._monitor.descriptor)
        if self._follow_name():
            return True
        if self.socket is None:
            return False
        if excess := self._flood.excess():
            self._refuse(f"the sender sent {excess}", now_s)
            return True
        if not self._is_due(now_s, quiet):
            return False
        self.replace()
        return True

    def replace(self) -> None:
        """Replace the socket now, by one for the next address if the name has several."""
        if self._untried:
            self._host = self._untried.pop(0)
        elif not self._name.numeric:
            self._ask()
        self._replace()

    def drop(self) -> None:
        """Close the socket, whose session has ended, with what is queued in it.

        libzmq itself would reconnect and send that to whoever listens then. `tick` opens another
        socket after a pause.
        """
        if self.socket is None:
            return
        self.close()
        self._dropped = True
        if self._monitor.state is LinkState.UP:  # another session has begun meanwhile
            self._monitor.fail(LinkState.CLOSED, "the connection ended")

    def close(self) -> None:
        """Close all sockets; may be called twice."""
        self._monitor.detach()
        if self.socket is not None:
            with suppress(zmq.ZMQError):
                self.socket.close(linger=0)
            self.socket = None

    @property
    def _shown(self) -> tuple[LinkState, str]:
        shown = self._monitor.state, self._monitor.detail
        if shown[0] not in _FAILED:
            return shown
        failures = (shown, *self._told.values())
        state, detail = min(failures, key=lambda failure: _FAILED.index(failure[0]))
        return state, f"{detail}; {self._lost}" if self._lost else detail

    def _is_due(self, now_s: float, quiet: bool) -> bool:
        wrong_key = self._monitor.state is LinkState.KEY_REFUSED and self._options.keys > 1
        if self._monitor.given_up or wrong_key:
            return self._policy.given_up(now_s)
        # If nobody listens, libzmq itself retries once a second.
        trying = self._monitor.state in (LinkState.REFUSED, LinkState.UNREACHABLE)
        return self._policy.silent(now_s) and not trying and not quiet

    def _refuse(self, reason: str, now_s: float) -> None:
        """Close the connection for a while, because the peer sends too much."""
        if now_s - self._last_refused_s > REFUSE_MAX_S + self._refuse_s:
            self._refuse_s = REFUSE_FIRST_S
        pause_s, self._refuse_s = self._refuse_s, min(REFUSE_MAX_S, 2 * self._refuse_s)
        self._last_refused_s = now_s
        self._refused_until_s = now_s + pause_s
        self.close()
        self._monitor.fail(LinkState.FLOODED, f"{reason}; reconnecting after {pause_s:g} s")
        log.warning("%s: %s", self.endpoint, self._monitor.detail)

    def _follow_name(self) -> bool:
        """Use an answer that has come, and try another address after a failure."""
        if self._name.numeric:
            return False
        answer = self._name.take()
        if answer is not None:
            return self._take(answer)
        if self.socket is None:
            if self._name.overdue:
                self._unresolved("no name server has answered")
            elif not self._name.asking:
                self._ask()
            return False
        if self._monitor.failures == self._failures:
            return False
        self._failures = self._monitor.failures
        if self._monitor.state in _FAILED:
            self._told[self._host] = self._monitor.state, self._monitor.detail
        if self._untried:
            self._host = self._untried.pop(0)
            self._replace()
            return True
        self._ask()
        return False

    def _ask(self) -> None:
        now_s = self._now_s()
        if now_s >= self._next_ask_s:
            self._next_ask_s = now_s + ASK_INTERVAL_S
            self._name.ask()

    def _take(self, answer: Answer) -> bool:
        """Use the addresses of the name; return True if the socket was replaced."""
        found = list(answer.addresses)
        if not self._made:
            if not found:
                self._unresolved(answer.reason)
                return False
            self._host, *self._untried = found
            self._port = answer.port or self._port
            self._open()
            return True
        others = [address for address in found if address != self._host]
        recovered = self._monitor.state is LinkState.UP and not self._monitor.given_up
        if recovered:
            return False
        self._lost = "" if found else self._no_answer(answer.reason)
        moved = bool(found) and answer.port not in (None, self._port)
        if not others and not moved:
            return False
        self._told = {at: told for at, told in self._told.items() if at in found and not moved}
        if moved:
            assert answer.port is not None
            log.info("%s: now at port %d", self.endpoint, answer.port)
            self._port = answer.port
            self._host, *self._untried = found
        else:
            self._host, *self._untried = others + [self._host] * (self._host in found)
        self._replace()
        return True

    def _unresolved(self, reason: str) -> None:
        self._monitor.fail(LinkState.UNREACHABLE, self._no_answer(reason))

    def _no_answer(self, reason: str) -> str:
        host = self._name.host.encode("ascii", "backslashreplace").decode("ascii")
        return f"the name {host:.80} does not resolve: {reason}"

    def _replace(self) -> None:
        self.close()
        self._dropped = False
        self._flood.restart()
        self.replaced += 1
        self._open()
        self._policy.made(self._now_s())
        log.debug("%s: a new connection to %s", self.endpoint, self._host)

    def _open(self) -> None:
        address = join_endpoint(self._host, self._port)
        socket: zmq.Socket[Any] | None = None
        try:
            socket = self._make(address, self._made)
            self._monitor.attach(socket)
            socket.connect(address)
        except BaseException as exc:
            self._monitor.detach()
            if socket is not None:
                socket.close(linger=0)
            if not isinstance(exc, zmq.ZMQError):
                raise
            reason = f"cannot connect to {address}: {exc.strerror}"
            exhausted = exc.errno in (errno.EMFILE, errno.ENFILE)
            raise (TransportError if exhausted else SettingsError)(reason) from exc
        self._made += 1
        self.socket = socket
