"""Authenticator: tells libzmq which keys may connect.

It speaks ZAP (https://rfc.zeromq.org/spec/27/) on the context of the sender's sockets; KeyPolicy
decides. docs/adr/0011-keys.md explains why pyzmq's authenticator is not used.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import zmq

from rankcast.errors import TransportError
from rankcast.net import AuthorizedKey, SocketThread
from rankcast.runtime import Pulse
from rankcast_sender.sockets.key_policy import Admits, KeyPolicy, KeyState, anybody
from rankcast_sender.sockets.open_policy import OpenPolicy

log = logging.getLogger(__name__)

ZAP_ENDPOINT: Final = "inproc://zeromq.zap.01"
RELOAD_S: Final = 1.0
"""A revoked key is disconnected within 3 s: this interval plus the time to rebind."""
STOP_TIMEOUT_S: Final = 1.0


class Authenticator:
    """Accepts connections whose public key is in a folder and rejects all others.

    Start it before any socket binds: libzmq asks it about each connection, and rejects all of
    them while it does not answer. When it ends, the sender must end too: see `check`.

    Parameters
    ----------
    context : zmq.Context
        Context of the sockets to protect.
    folder : Path, optional
        Public keys, ``NAME.pub``; read again once a second, all files or none of them. None admits
        everybody, without keys.
    admits : callable
        Whether a key or, without keys, an address may connect now.

    Raises
    ------
    SettingsError
        If the folder cannot be read, or one of its files is malformed.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        folder: Path | None,
        admits: Admits = anybody,
    ) -> None:
        self._context = context
        self._folder = folder
        self._policy = OpenPolicy(admits) if folder is None else KeyPolicy(folder, admits)
        self._on_revoked: list[Callable[[], None]] = []
        self._thread = SocketThread("authenticator", self._run)

    def start(self) -> None:
        """Start the thread.

        Raises
        ------
        TransportError
            If the context has an authenticator already.
        """
        self._thread.start()
        if self._folder is None:
            return
        count = self._policy.state.authorized
        level = logging.INFO if count else logging.WARNING
        log.log(level, "%s: %d authorised keys", self._folder, count)

    def on_revoked(self, callback: Callable[[], None]) -> None:
        """Call `callback` in this thread whenever a key was revoked, or has other cameras.

        The callback must rebind the sockets: libzmq authenticates each connection only once and
        offers no other way to close one.
        """
        self._on_revoked.append(callback)

    def find(self, user: str) -> AuthorizedKey | None:
        """Return the authorised key with this public half; None once it has been revoked."""
        return self._policy.find(user.encode("ascii", "replace"))

    def ban(self, user: str, reason: str) -> None:
        """Refuse new connections of the key with this public half for a while; from any thread."""
        self._policy.ban(user.encode("ascii", "replace"), reason)

    def withhold_substreams(self) -> None:
        """State that the frames socket has substreams; call it before it is bound."""
        self._policy.has_substreams = True

    @property
    def limits_cameras(self) -> bool:
        """Whether the frames socket has to withhold streams from some of its viewers."""
        return self._policy.limits_cameras

    def enforce_cameras(self, enforced: bool) -> None:
        """State whether the frames socket withholds cameras; call it before the socket is bound.

        Until it does, keys that may see some cameras only are refused.
        """
        self._policy.enforces_cameras = enforced

    def cameras_of(self, user: str) -> frozenset[str] | None:
        """Return the cameras that a key may see; None is every camera."""
        if self._folder is None:
            return None
        key = self.find(user)
        return frozenset() if key is None else key.cameras

    def is_connected(self, handshake: int, descriptor: int) -> bool:
        """Return True if the connection of this handshake has the descriptor, and is open."""
        return self._policy.handshakes.is_connected(handshake, descriptor)

    @property
    def state(self) -> KeyState:
        """Key figures for the status message."""
        return self._policy.state

    @property
    def pulse(self) -> Pulse:
        """Pulse of the thread."""
        return self._thread.pulse

    @property
    def running(self) -> bool:
        """False once the thread has ended, for whatever reason."""
        return self._thread.running

    def check(self) -> None:
        """Raise if the thread has ended: without it nobody can connect.

        Raises
        ------
        WorkerError
            With the exception that ended the thread as its cause.
        """
        self._thread.check()

    def close(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """End the thread; all later connections are rejected. May be called twice.

        Raises the exception that ended the thread, unless `start` or `check` did.
        """
        self._thread.stop()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            zap = self._context.socket(zmq.REP)
        except zmq.ZMQError as exc:
            raise TransportError(f"cannot start the authenticator: {exc.strerror}") from exc
        with zap:
            zap.setsockopt(zmq.LINGER, 0)
            try:
                zap.bind(ZAP_ENDPOINT)
            except zmq.ZMQError as exc:
                raise TransportError(f"cannot start the authenticator: {exc.strerror}") from exc
            self._thread.opened()
            poller = self._thread.poller(zap)
            next_reload_s = time.monotonic() + RELOAD_S
            # A program that forgets to close its sender still ends.
            while not self._thread.stopping and threading.main_thread().is_alive():
                pause_s = max(0.0, next_reload_s - time.monotonic())
                if zap in self._thread.poll(poller, pause_s):
                    zap.send_multipart(self._policy.judge(zap.recv_multipart()))
                if time.monotonic() >= next_reload_s:
                    if self._policy.reload():
                        for callback in self._on_revoked:
                            callback()
                    next_reload_s = time.monotonic() + RELOAD_S
