"""SenderSockets: the ZeroMQ context and sockets that the cameras of one sender share."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from rankcast.errors import SettingsError
from rankcast.frame import Scalar
from rankcast.nats import KeepOptions, NatsOptions
from rankcast.net import (
    DEFAULT_ENDPOINT,
    LOSSLESS_UNACKNOWLEDGED_MS,
    UNACKNOWLEDGED_MS,
    ZAP_DOMAIN,
    SocketOptions,
    check_endpoint,
    check_exposure,
    end_context,
    is_loopback,
    new_context,
    server_keys,
    split_endpoint,
)
from rankcast.recorder import Triggers
from rankcast.runtime import Pulse
from rankcast.wire import Limits
from rankcast_sender.control import (
    OPERATOR,
    Client,
    ControlThread,
    Relaying,
    RequestHandler,
)
from rankcast_sender.joins import REFERENCES_STOP_S, CameraJoins, ReferenceThread
from rankcast_sender.peers import MAX_CONNECTIONS, Ban, ConnectionGuard
from rankcast_sender.published import OwnCamera, RelayedCamera
from rankcast_sender.sockets import (
    Authenticator,
    Channel,
    Context,
    Outgoing,
    XpubThread,
    control_address,
)

log = logging.getLogger(__name__)

DEFAULT_SOCKET: Final = SocketOptions(
    queue_messages=4, buffer_bytes=262_144, max_message_bytes=1024
)
"""Small, because frames that queue for a slow viewer are old when it gets them."""
REALTIME_LINGER_S: Final = 1.0
LOSSLESS_LINGER_S: Final = 30.0
"""Long enough for a viewer that writes the last frames to a slow disk."""
CLOSE_S: Final = 5.0
"""Time that all threads together have to end, once viewers have had theirs."""
STOP_S: Final = 1.0
"""Longest wait for a thread whose work nothing waits for."""
LEAST_S: Final = 0.1
"""Wait for each thread where others have used up the time."""
MAX_REQUESTS_S: Final = 2000
"""Most messages a second of one peer; a viewer of 64 cameras that keeps every frame sends 260."""


@dataclass(frozen=True, slots=True)
class SenderOptions:
    """Options of the sockets of one sender."""

    bind: str = DEFAULT_ENDPOINT
    """Address of the frames."""
    control: str = ""
    """Address of the control channel; empty selects the port of `bind` + 10, ``off`` none."""
    socket: SocketOptions = DEFAULT_SOCKET
    """Queue, buffer and timeout of each connection; `unacknowledged_ms` 0 selects 5 s in real
    time and 60 s otherwise."""
    realtime: bool = True
    """Real-time mode, the same for all cameras because they share the socket."""
    linger_s: float = 0.0
    """How long `close` waits for viewers to take the last messages; 0 selects 1 s in real time
    and 30 s otherwise."""
    max_packet_bytes: int = Limits().max_packet_bytes
    """Largest packet in a reply to an `original` request."""
    max_requests_s: int = MAX_REQUESTS_S
    """Most messages a second of one peer, a key or else a connection; its connection is closed
    beyond it, and its key refused for a while."""
    max_connections: int = MAX_CONNECTIONS
    """Most connections of one key or, without keys, one address to each of the two ports; further
    ones are closed."""
    key: Path | str | None = None
    """Secret key of this sender."""
    authorized: Path | str | None = None
    """Directory of the public keys that may connect."""
    insecure: bool = False
    """Listen without keys on an address that other machines can reach."""
    nats: NatsOptions = field(default_factory=NatsOptions)
    """Site, credentials and TLS if `bind` is the address of a NATS server."""
    keep: KeepOptions = field(default_factory=KeepOptions)
    """What that server keeps of each camera."""

    def connection(self) -> SocketOptions:
        """Options of each connection, with its timeout and its keys.

        Raises
        ------
        SettingsError
            If the key file cannot be used.
        """
        default_ms = UNACKNOWLEDGED_MS if self.realtime else LOSSLESS_UNACKNOWLEDGED_MS
        unacknowledged_ms = self.socket.unacknowledged_ms or default_ms
        curve = self.socket.curve if self.key is None else server_keys(Path(self.key))
        return replace(self.socket, unacknowledged_ms=unacknowledged_ms, curve=curve)

    def check(self) -> SocketOptions:
        """Check all that the sockets need without opening them; return `connection`.

        Raises
        ------
        SettingsError
            If an address or a key is wrong, an address without keys can be reached by others, or a
            sender that is not in real time has no control channel.
        """
        check_endpoint(self.bind, bind=True)
        control = control_address(self.bind, self.control)
        if (self.key is None) != (self.authorized is None):
            raise SettingsError("key and authorized belong together: give both or neither")
        if not self.realtime and not control:
            raise SettingsError(
                "got realtime = false with control = off: viewers that keep every frame need the "
                "control channel; give --control an address, or --realtime"
            )
        for address in filter(None, (self.bind, control)):
            check_exposure(address, keys=self.key is not None, insecure=self.insecure)
        return self.connection()


class SenderSockets:
    """One address for frames and one for control requests, for any number of cameras.

    Parameters
    ----------
    options : SenderOptions
    relaying : Relaying, optional
        What a relay does otherwise.

    Raises
    ------
    SettingsError
        As `SenderOptions.check`.

    Notes
    -----
    Add the cameras that are known first, then call `start`, which binds both addresses.
    """

    def __init__(self, options: SenderOptions, relaying: Relaying | None = None) -> None:
        connection = options.check()
        self.control = control_address(options.bind, options.control)
        """Address of the control channel; empty without one."""
        for address in filter(None, (options.bind, self.control)):
            if options.key is None and not is_loopback(address):
                log.warning(
                    "%s can be reached from other machines and uses NO KEYS: "
                    "anybody who connects can watch and control", address,
                )  # fmt: skip
        self._authorized = None if options.authorized is None else Path(options.authorized)
        self._authenticator: Authenticator | None = None
        self._handler = RequestHandler(options.max_packet_bytes, relaying)
        self._control: ControlThread | None = None
        self._closed = False
        self._has_substreams = self._started = False
        default_linger_s = REALTIME_LINGER_S if options.realtime else LOSSLESS_LINGER_S
        self._guard = ConnectionGuard(options.max_connections)
        self._limits = Limits(max_packet_bytes=options.max_packet_bytes)
        self._realtime = options.realtime
        self._references = ReferenceThread()
        connection = replace(connection, zap_domain=ZAP_DOMAIN)
        ban: Ban | None = None if self._authorized is None else self._ban
        # Created last: the only resource that the constructor opens.
        self.context: Context = new_context()
        self.xpub = XpubThread(
            self.context,
            options.bind,
            connection,
            lossless=not options.realtime,
            linger_s=options.linger_s or default_linger_s,
            guard=self._guard,
            max_messages_s=options.max_requests_s,
            ban=ban,
        )
        if self.control:
            self._control = ControlThread(
                self.context,
                self.control,
                connection,
                self._handler,
                self._identify,
                guard=self._guard,
                max_messages_s=options.max_requests_s,
                ban=ban,
            )

    def record_on(self, triggers: Triggers | None) -> None:
        """Let clients with the role of an operator pull these triggers; None: no longer."""
        self._handler.triggers = triggers

    @property
    def records_events(self) -> bool:
        """True if a `record` request starts the recording of an event."""
        return self._handler.triggers is not None

    @property
    def control_port(self) -> int:
        """Port of the control channel; 0 without one."""
        return split_endpoint(self.control)[1] if self.control else 0

    @property
    def key_state(self) -> Mapping[str, Scalar]:
        """State of the authorised keys for the status message; empty without keys."""
        if self._authenticator is None or self._authorized is None:
            return {}
        state = self._authenticator.state
        return {
            "authorized": state.authorized, "refused": state.refused,
            "flooding": state.flooding, "alarm": bool(state.alarm),
        }  # fmt: skip

    @property
    def connections_closed(self) -> int:
        """Connections closed so far because of what their peers sent."""
        return self._guard.cut

    @property
    def frames_unsent(self) -> int:
        """0: a frame for a viewer that takes none is the viewer's loss."""
        return 0

    @property
    def requests_dropped(self) -> int:
        """Control messages so far that went beyond the budgets of their connections."""
        return 0 if self._control is None else self._control.dropped.count

    def add(self, camera: OwnCamera) -> None:
        """Add a camera to publish, from any thread, also while others are published.

        For the first substream then, the socket is bound again, and all viewers reconnect.

        Raises
        ------
        SettingsError
            If another camera has its name.
        """
        camera.sender = self
        self._handler.add(camera)
        if self._realtime:  # otherwise every frame waits for all viewers in any case
            camera.join_midway(self.make_joins)
        self._add(camera.channel)

    def add_relayed(self, camera: RelayedCamera) -> None:
        """Add a camera of another sender, or a substream of one; see `add`."""
        camera.sender = self
        self._handler.add_relayed(camera)
        self._add(camera.channel)

    def make_joins(
        self,
        channel: Channel,
        ask_keyframe: Callable[[bytes], object],
        makes_keyframe: Callable[[], bool] = lambda: False,
    ) -> CameraJoins:
        """Return what lets viewers of `channel` join in the middle of a group."""
        return CameraJoins(
            channel.name,
            self._limits,
            self._references.want,
            lambda token: self.xpub.catch_up(channel, token),
            ask_keyframe,
            makes_keyframe,
        )

    def start(self) -> None:
        """Bind both addresses.

        Raises
        ------
        SettingsError
            If the directory of authorised keys cannot be used.
        TransportError
            If an address cannot be bound.
        """
        # Before any socket is bound: libzmq asks the authenticator about every connection.
        authenticator = Authenticator(self.context, self._authorized, self._guard.admits)
        authenticator.on_revoked(self.rebind)
        authenticator.start()
        self._authenticator = authenticator
        self._started = True
        if self._authorized is not None or self._has_substreams:
            self._withhold()
        self._guard.start(self.context)
        self.xpub.start()
        if self._control is not None:
            self._control.start()
        self._references.start()

    def send(self, channel: Channel, packet: Outgoing) -> bool:
        """Queue one packet; see `XpubThread.send`."""
        return self.xpub.send(channel, packet)

    def wait_viewers(
        self, channel: Channel, count: int, stopped: Callable[[], bool], timeout_s: float | None
    ) -> bool:
        """Wait until `count` viewers subscribed; False when stopped or out of time."""
        return self.xpub.wait_viewers(channel, count, stopped, timeout_s)

    def end(self, channel: Channel) -> None:
        """Send the last packet of `channel`, then its end; the other channels continue."""
        self.xpub.end(channel)

    def rebind(self) -> None:
        """Drop every connection to both addresses; peers with valid keys reconnect."""
        self._guard.readmit()
        self.xpub.rebind()
        if self._control is not None:
            self._control.rebind()

    def check(self) -> None:
        """Raise the exception that ended one of the socket threads, if any."""
        for thread in (self.xpub, self._control, self._guard):
            if thread is not None and thread.error is not None:
                raise thread.error
        if self._references.worker.error is not None:
            raise self._references.worker.error
        self._handler.check()
        if self._authenticator is not None:
            self._authenticator.check()

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """Pulses of the running socket threads; `check` reports those that have ended."""
        threads = (self.xpub, self._control, self._authenticator, self._guard)
        running = (thread.pulse for thread in threads if thread is not None)
        return (*running, self._references.pulse)

    def hurry(self) -> None:
        """Stop waiting for viewers: `close` then gives them 0.4 s at most."""
        self.xpub.hurry()

    def close(self, impatient: Callable[[], bool] = lambda: False) -> None:
        """Send the end messages and release both addresses; may be called twice.

        Parameters
        ----------
        impatient : callable
            Called ten times a second while viewers take the last messages; true ends the wait.

        Raises
        ------
        WorkerError
            If a thread is stuck; the message names it. Viewers have `linger_s` and half a second,
            then all threads together have 5 s; one that overruns that costs the others at most
            0.1 s each, and the thread that watches connections 5 s.
        """
        if self._closed:
            return
        self._closed = True
        self._references.stop()
        failure = self._end(lambda: self.xpub.close(impatient))
        until_s = self.xpub.overdue_s + CLOSE_S

        def left_s(most_s: float) -> float:
            return min(most_s, max(LEAST_S, until_s - time.monotonic()))

        control, authenticator = self._control, self._authenticator
        if control is not None:
            failure = self._end(lambda: control.close(left_s(STOP_S)), failure)
        if authenticator is not None:
            failure = self._end(lambda: authenticator.close(left_s(STOP_S)), failure)
        failure = self._end(lambda: self._references.close(left_s(REFERENCES_STOP_S)), failure)
        failure = self._end(self._guard.close, failure)
        failure = self._end(lambda: end_context(self.context, left_s(CLOSE_S)), failure)
        if failure is not None:
            raise failure

    @staticmethod
    def _end(
        close: Callable[[], None], failure: BaseException | None = None
    ) -> BaseException | None:
        """Close one part; return the first failure, and log later ones."""
        try:
            close()
        except BaseException as exc:
            if failure is None:
                return exc
            log.error("%s", exc)
        return failure

    def _add(self, channel: Channel) -> None:
        if channel.is_substream:
            self._has_substreams = True
            if self._started:
                self._withhold()
        self.xpub.add(channel)

    def _withhold(self) -> None:
        """Have the frames socket ask whose the subscriptions are."""
        self.xpub.rights = self._authenticator

    def _ban(self, user: str, reason: str) -> None:
        if self._authenticator is not None:
            self._authenticator.ban(user, reason)

    def _identify(self, client: bytes, user: str) -> Client:
        """Return the client behind a request; without keys every client is an operator."""
        if self._authorized is None:
            return Client(client, OPERATOR)
        key = None if self._authenticator is None else self._authenticator.find(user)
        if key is None:
            return Client(client, None)
        return Client(client, key.role, key.name, key.cameras)
