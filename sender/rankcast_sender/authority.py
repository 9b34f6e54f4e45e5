"""Authority: asked by libzmq for every key that knocks; knows whom the sender lets in.

It answers ZAP (https://rfc.zeromq.org/spec/27/) on the context of the sender's sockets. Why it is
not the authenticator of pyzmq: docs/adr/0011-keys.md.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import zmq
from zmq.utils import z85

from rankcast.errors import RankcastError, SettingsError, TransportError, WorkerError
from rankcast.keys import AuthorizedKey, load_authorized
from rankcast.printable import printable
from rankcast.transport import ZAP_DOMAIN
from rankcast.worker import Worker
from rankcast_sender.wakeup import Wakeup

log = logging.getLogger(__name__)

ZAP_ENDPOINT: Final = "inproc://zeromq.zap.01"
RELOAD_S: Final = 1.0
"""With the close and the new bind that follow, a revoked key is out within 3 s."""
COMPLAINT_INTERVAL_S: Final = 1.0
ALARM_INTERVAL_S: Final = 10.0
GREETING_INTERVAL_S: Final = 10.0
START_TIMEOUT_S: Final = 5.0
CURVE_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class KeyState:
    """What the status says of the keys."""

    authorized: int
    refused: int
    """Handshakes with a key that is not authorised, so far."""
    alarm: str
    """Why the folder could not be read and an older set is in force; empty when all is well."""


class Authority:
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
        self._folder = folder
        self._keys = load_authorized(folder)
        self._on_revoked: list[Callable[[], None]] = []
        self._refused = 0
        self._complained = float("-inf")
        self._greeted: dict[bytes, float] = {}
        self._alarm = ""
        self._alarmed = float("-inf")
        self._closing = False
        self._told = False
        self._bound = threading.Event()
        self._wakeup = Wakeup()
        self._worker = Worker("rankcast-authority", self._run, self._bound.set)
        self._worker.start()
        self._bound.wait(START_TIMEOUT_S)
        if self._worker.error is not None or not self._bound.is_set():
            try:
                self._worker.join(START_TIMEOUT_S)
            finally:
                self._wakeup.close()
        level = logging.INFO if len(self._keys) else logging.WARNING
        log.log(level, "%s: %d keys are authorised", printable(folder), len(self._keys))

    def on_revoked(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, in this thread, when somebody is no longer let in.

        It must see to it that the sockets are closed and bound again: libzmq asks only once for
        a connection, and has no other way to end one.
        """
        self._on_revoked.append(callback)

    def find(self, user_id: str) -> AuthorizedKey | None:
        """Key of the sender of a message, by its ``User-Id``; None when it is let in no more."""
        return self._keys.find(user_id.encode("ascii", "replace"))

    @property
    def state(self) -> KeyState:
        """What the status says of the keys."""
        return KeyState(len(self._keys), self._refused, self._alarm)

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
                pause_s = max(0.0, next_reload - time.monotonic())
                ready = dict(poller.poll(round(pause_s * 1000)))
                if zap in ready:
                    zap.send_multipart(self._judge(zap.recv_multipart()))
                if time.monotonic() >= next_reload:
                    self._reload()
                    next_reload = time.monotonic() + RELOAD_S

    def _judge(self, request: list[bytes]) -> list[bytes]:
        """Answer one request of libzmq: 200 with the public key as user id, or 400."""
        if len(request) != 7 or request[0] != b"1.0":
            # Other mechanisms have other counts of credentials.
            return self._refusal(request, "no CURVE")
        domain, address, mechanism, credential = request[2], request[3], request[5], request[6]
        if domain != ZAP_DOMAIN or mechanism != b"CURVE" or len(credential) != CURVE_KEY_BYTES:
            return self._refusal(request, "no CURVE")
        public = z85.encode(credential)
        key = self._keys.find(public)
        if key is None:
            return self._refusal(request, f"unknown key {public.decode()}")
        self._greet(key, address)
        return [b"1.0", request[1], b"200", b"OK", public, b""]

    def _greet(self, key: AuthorizedKey, address: bytes) -> None:
        """One line for all connections of a viewer, and for those that it makes anew."""
        now = time.monotonic()
        if now - self._greeted.get(key.public, float("-inf")) < GREETING_INTERVAL_S:
            return
        self._greeted[key.public] = now
        who = printable(address.decode("ascii", "replace"))
        log.info("%s (%s) connected from %s", key.name, key.role, who)

    def _refusal(self, request: list[bytes], reason: str) -> list[bytes]:
        self._refused += 1
        now = time.monotonic()
        if now - self._complained >= COMPLAINT_INTERVAL_S:
            self._complained = now
            address = request[3].decode("ascii", "replace") if len(request) > 3 else "?"
            log.warning("refused %s from %s; %d so far", reason, printable(address), self._refused)
        number = request[1] if len(request) > 1 else b""
        return [b"1.0", number, b"400", b"not authorised", b"", b""]

    def _reload(self) -> None:
        try:
            keys = load_authorized(self._folder)
        except (SettingsError, RankcastError) as exc:
            self._alarm = str(exc)
            now = time.monotonic()
            if now - self._alarmed >= ALARM_INTERVAL_S:
                self._alarmed = now
                log.error("KEYS ARE NOT UP TO DATE, whoever was let in before still is: %s", exc)
            return
        if self._alarm:
            log.warning("%s can be read again", printable(self._folder))
        self._alarm, self._alarmed = "", float("-inf")
        before, self._keys = self._keys, keys
        for public in keys.by_public.keys() - before.by_public.keys():
            log.info(
                "%s is authorised as %s", keys.by_public[public].name, keys.by_public[public].role
            )
        self._greeted = {k: at for k, at in self._greeted.items() if k in keys.by_public}
        revoked = before.by_public.keys() - keys.by_public.keys()
        for public in revoked:
            log.warning("%s is authorised no more", before.by_public[public].name)
        if revoked:
            for callback in self._on_revoked:
                callback()
