"""SenderSockets: the ZeroMQ context and sockets that the cameras of one sender share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rankcast.errors import SettingsError
from rankcast.frame import Scalar
from rankcast.net import (
    DEFAULT_ENDPOINT,
    LOSSLESS_UNACKNOWLEDGED_MS,
    UNACKNOWLEDGED_MS,
    SocketOptions,
    check_endpoint,
    check_exposure,
    is_loopback,
    new_context,
    server_keys,
)
from rankcast.runtime import Pulse
from rankcast.wire import Limits
from rankcast_sender.control import OPERATOR, Client, ControlThread, RequestHandler
from rankcast_sender.sockets import Authenticator, Channel, Context, XpubThread, control_address

if TYPE_CHECKING:
    from rankcast_sender.publisher import Publisher

log = logging.getLogger(__name__)

DEFAULT_SOCKET: Final = SocketOptions(
    queue_messages=4, buffer_bytes=262_144, max_message_bytes=1024
)
REALTIME_LINGER_S: Final = 1.0
LOSSLESS_LINGER_S: Final = 30.0


class SenderSockets:
    """One address for frames, one for control, any number of cameras.

    Parameters
    ----------
    bind : str
        Address of the frames.
    socket : SocketOptions
        Queue, buffer and patience of one connection; `unacknowledged_ms` 0 is 5 s in real time and
        60 s otherwise.
    realtime : bool
        One for all cameras, since they share the socket.
    linger_s : float
        How long `close` lets viewers take the last messages; 0 is one second in real time and
        thirty otherwise.
    control : str
        Address of the control channel; empty is the port of `bind` and 10, ``off`` is none.
    max_packet_bytes : int
        Of the packets of `original`.
    key, authorized : path, optional
        Secret key of the station, and the folder of the public keys that are let in.
    insecure : bool
        Listen without keys where others can reach it.

    Raises
    ------
    SettingsError
        If an address or key is wrong, or others could reach an address and there is no key.

    Notes
    -----
    Made, given its publishers, then started: that binds both addresses, once somebody is there
    to check keys.
    """

    def __init__(
        self,
        bind: str = DEFAULT_ENDPOINT,
        *,
        socket: SocketOptions = DEFAULT_SOCKET,
        realtime: bool = True,
        linger_s: float = 0.0,
        control: str = "",
        max_packet_bytes: int = Limits().max_packet_bytes,
        key: Path | str | None = None,
        authorized: Path | str | None = None,
        insecure: bool = False,
    ) -> None:
        check_endpoint(bind, bind=True)
        self.endpoint = bind
        self.control = control_address(bind, control)
        """Address of the control channel; empty where there is none."""
        if (key is None) != (authorized is None):
            raise SettingsError("key and authorized come together")
        for address in filter(None, (bind, self.control)):
            check_exposure(address, keys=key is not None, insecure=insecure)
            if key is None and not is_loopback(address):
                log.warning(
                    "%s can be reached by others and there are NO KEYS: whoever connects there "
                    "is let in", address,
                )  # fmt: skip
        if key is not None:
            socket = replace(socket, curve=server_keys(Path(key)))
        self._authorized = None if authorized is None else Path(authorized)
        self.authority: Authenticator | None = None
        """Who checks keys; None without keys, and before `start`."""
        self.context: Context = new_context()
        self._closed = False
        unacknowledged_ms = UNACKNOWLEDGED_MS if realtime else LOSSLESS_UNACKNOWLEDGED_MS
        self.xpub = XpubThread(
            self.context,
            bind,
            replace(socket, unacknowledged_ms=socket.unacknowledged_ms or unacknowledged_ms),
            lossless=not realtime,
            linger_s=linger_s or (REALTIME_LINGER_S if realtime else LOSSLESS_LINGER_S),
        )
        self._desk = RequestHandler(max_packet_bytes)
        self._control: ControlThread | None = None
        if self.control:
            self._control = ControlThread(
                self.context,
                self.control,
                socket,
                self._desk,
                self._identify,
            )

    @property
    def control_port(self) -> int:
        """Port of the control channel; 0 where there is none."""
        return int(self.control.rpartition(":")[2]) if self.control else 0

    @property
    def key_state(self) -> Mapping[str, Scalar]:
        """What the status says of the keys; empty without any."""
        if self.authority is None:
            return {}
        state = self.authority.state
        return {
            "authorized": state.authorized, "refused": state.refused, "alarm": bool(state.alarm)
        }  # fmt: skip

    def add(self, publisher: Publisher, channel: Channel) -> None:
        """Take one camera on; only before `start`.

        Raises
        ------
        SettingsError
            If there is one of that name.
        """
        self._desk.add(publisher)
        self.xpub.add(channel)

    def start(self) -> None:
        """Bind both addresses.

        Raises
        ------
        SettingsError
            If the folder of authorised keys is not as it should be.
        TransportError
            If one of them cannot be bound.
        """
        if self._authorized is not None:
            # First: libzmq asks it about every connection.
            self.authority = Authenticator(self.context, self._authorized)
            self.authority.on_revoked(self.rebind)
            self.authority.start()
        self.xpub.start()
        if self._control is not None:
            self._control.start()

    def rebind(self) -> None:
        """Drop every connection to both addresses; who may, comes back by itself."""
        self.xpub.rebind()
        if self._control is not None:
            self._control.rebind()

    def check(self) -> None:
        """Raise what one of the socket threads died of."""
        failures = [self.xpub.error, None if self._control is None else self._control.error]
        for failure in failures:
            if failure is not None:
                raise failure
        if self.authority is not None:
            self.authority.check()

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """Of the threads of the sockets; `check` tells of those that have ended."""
        threads = (self.xpub, self._control, self.authority)
        return tuple(thread.pulse for thread in threads if thread is not None)

    def hurry(self) -> None:
        """Wait for no viewer any more; `close` then takes 0.4 s at most."""
        self.xpub.hurry()

    def close(self, impatient: Callable[[], bool] = lambda: False) -> None:
        """Say the end to all viewers, and release both addresses; may be called twice."""
        if self._closed:
            return
        self._closed = True
        try:
            self.xpub.close(impatient)
        finally:
            try:
                if self._control is not None:
                    self._control.close()
            finally:
                try:
                    if self.authority is not None:
                        self.authority.close()
                finally:
                    self.context.term()

    def _identify(self, client: bytes, user: str) -> Client:
        """Who asks on the control channel; without keys everybody may do everything."""
        if self._authorized is None:
            return Client(client, OPERATOR)
        key = None if self.authority is None else self.authority.find(user)
        return Client(client, None) if key is None else Client(client, key.role, key.name)
