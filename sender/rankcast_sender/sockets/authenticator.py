"""Authenticator: asked by libzmq for every key that knocks; a doorkeeper says whom it lets in.

It answers ZAP (https://rfc.zeromq.org/spec/27/) on the context of the sender's sockets. Why it is
not the authenticator of pyzmq: docs/adr/0011-keys.md.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import zmq

from rankcast.errors import TransportError, WorkerError
from rankcast.net import AuthorizedKey
from rankcast.printable import printable
from rankcast.runtime import Pulse, Worker
from rankcast_sender.sockets.key_policy import KeyPolicy, KeyState
from rankcast_sender.sockets.wakeup import Wakeup

log = logging.getLogger(__name__)

ZAP_ENDPOINT: Final = "inproc://zeromq.zap.01"
RELOAD_S: Final = 1.0
"""With the close and the new bind that follow, a revoked key is out within 3 s."""
START_TIMEOUT_S: Final = 5.0


class Authenticator:
    """Lets in whoever's key is in a folder, and nobody else.

    Make it before any socket binds: libzmq asks it for every connection, and refuses all while it
    does not answer. When it ends, the sender must: see `check`.

    Parameters
    ----------
    context : zmq.Context
        The context of the sockets that it guards.
    folder : Path
        Public keys, ``NAME.pub``; read again once a second, all files or none of them.

    Raises
    ------
    SettingsError
        If the folder cannot be read, or holds anything malformed.
    TransportError
        If the context has an authenticator already.
    """

    def __init__(self, context: zmq.Context[Any], folder: Path) -> None:
        self._context = context
        self._door = KeyPolicy(folder)
        self._on_revoked: list[Callable[[], None]] = []
        self._closing = False
        self._told = False
        self._bound = threading.Event()
        self._wakeup = Wakeup()
        self.pulse = Pulse("authority")
        self._worker = Worker("rankcast-authority", self._run, self._bound.set)
        self._worker.start()
        self._bound.wait(START_TIMEOUT_S)
        if self._worker.error is not None or not self._bound.is_set():
            try:
                self._worker.join(START_TIMEOUT_S)
            finally:
                self._wakeup.close()
        count = self._door.state.authorized
        level = logging.INFO if count else logging.WARNING
        log.log(level, "%s: authorised keys: %d", printable(folder), count)

    def on_revoked(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, in this thread, when somebody is no longer let in.

        It must see to it that the sockets are closed and bound again: libzmq asks only once for
        a connection, and has no other way to end one.
        """
        self._on_revoked.append(callback)

    def find(self, user_id: str) -> AuthorizedKey | None:
        """Key of the sender of a message, by its ``User-Id``; None when it is let in no more."""
        return self._door.find(user_id.encode("ascii", "replace"))

    @property
    def state(self) -> KeyState:
        """What the status says of the keys."""
        return self._door.state

    @property
    def running(self) -> bool:
        """False once it ended, for whatever reason."""
        return self._worker.running

    def check(self) -> None:
        """Raise if the thread has ended: the sender must not go on without.

        Raises
        ------
        WorkerError
            With what it died of as its cause.
        """
        if not self._worker.running and not self._closing:
            self._told = True
            why = self._worker.error
            raise WorkerError(
                f"the authenticator has ended, and nobody can be let in: {printable(why)}"
            ) from why

    def close(self) -> None:
        """End the thread; from then on nobody is let in.

        Raises what the thread died of, unless `check` did.
        """
        if self._closing:
            return
        self._closing = True
        self._wakeup.ring()
        with self._wakeup:
            if not self._told:
                self._worker.join(START_TIMEOUT_S)

    def _run(self) -> None:
        with self._context.socket(zmq.REP) as zap:
            zap.setsockopt(zmq.LINGER, 0)
            try:
                zap.bind(ZAP_ENDPOINT)
            except zmq.ZMQError as exc:
                raise TransportError(f"cannot start the authenticator: {exc.strerror}") from exc
            self._bound.set()
            poller = zmq.Poller()
            poller.register(zap, zmq.POLLIN)
            poller.register(self._wakeup.fileno(), zmq.POLLIN)
            next_reload = time.monotonic() + RELOAD_S
            while not self._closing:
                self.pulse.beat()
                pause_s = max(0.0, next_reload - time.monotonic())
                ready = dict(poller.poll(round(pause_s * 1000)))
                if zap in ready:
                    zap.send_multipart(self._door.judge(zap.recv_multipart()))
                if time.monotonic() >= next_reload:
                    if self._door.reload():
                        for callback in self._on_revoked:
                            callback()
                    next_reload = time.monotonic() + RELOAD_S
