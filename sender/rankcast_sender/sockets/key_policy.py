"""KeyPolicy: decides which keys may connect, from the files of a folder; owns no sockets."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from zmq.utils import z85

from rankcast.errors import RankcastError, SettingsError
from rankcast.net import CONTROL_ZAP_DOMAIN, ZAP_DOMAINS, Authorized, AuthorizedKey, load_authorized
from rankcast.runtime import LogLimiter
from rankcast_sender.peers import CAN_TELL, Handshakes, user_id

log = logging.getLogger(__name__)

ALARM_INTERVAL_S: Final = 10.0
CONNECTED_INTERVAL_S: Final = 10.0
CURVE_KEY_BYTES: Final = 32
FIRST_BAN_S: Final = 60.0
MAX_BAN_S: Final = 3600.0
"""A key that floods is refused for a minute, then for twice as long each time, up to an hour."""


class Admits(Protocol):
    """Limits how often one key or, without keys, one address connects."""

    def __call__(self, owner: str, *, control: bool) -> bool:
        """Return False if it has to come again later; `control`: to the control channel."""


def anybody(owner: str, *, control: bool) -> bool:  # noqa: ARG001
    """Return True."""
    return True


@dataclass(frozen=True, slots=True)
class KeyState:
    """Key figures for the status message."""

    authorized: int
    refused: int
    """Handshakes so far with a key that is not authorised."""
    flooding: int
    """Keys that are refused at present because they flooded the sender."""
    alarm: str
    """Why the folder cannot be read, while the previous keys stay in force; empty otherwise."""


@dataclass(frozen=True, slots=True)
class _Ban:
    """A key that is, or was, refused because of a flood."""

    until_s: float
    length_s: float


class KeyPolicy:
    """Accepts the keys of a folder.

    Parameters
    ----------
    folder : Path
        Public keys, ``NAME.pub``; one malformed file invalidates the whole set.

    Raises
    ------
    SettingsError
        If the folder cannot be read, or one of its files is malformed.
    """

    def __init__(
        self,
        folder: Path,
        admits: Admits = anybody,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._admits = admits
        self._now_s = now_s
        self._bans: dict[bytes, _Ban] = {}
        """Only authorised keys, so that their number is bounded."""
        self._lock = threading.Lock()
        self.handshakes = Handshakes()
        self.enforces_cameras = False
        """Whether the frames socket withholds cameras: keys with cameras are refused before."""
        self.has_substreams = False
        """Whether the frames socket withholds substreams from who did not ask for them, whatever
        the keys may see."""
        self._keys = self._load()
        self._refused = 0
        self._refusals_log = LogLimiter()
        self._connected_log: dict[bytes, LogLimiter] = {}
        self._alarm = ""
        self._alarm_log = LogLimiter(ALARM_INTERVAL_S)

    @property
    def state(self) -> KeyState:
        """Key figures for the status message."""
        now_s = self._now_s()
        with self._lock:
            flooding = sum(now_s < ban.until_s for ban in self._bans.values())
        return KeyState(len(self._keys), self._refused, flooding, self._alarm)

    @property
    def limits_cameras(self) -> bool:
        """Whether one of the keys may see some cameras only, or there are substreams."""
        return self.has_substreams or self._keys.limits_cameras

    def find(self, public: bytes) -> AuthorizedKey | None:
        """Return the authorised key with this public half, if there is one."""
        return self._keys.find(public)

    def ban(self, public: bytes, reason: str) -> None:
        """Refuse new connections of a key for a while, longer each time; from any thread.

        Nothing happens while it is refused already.
        """
        key, now_s = self._keys.find(public), self._now_s()
        if key is None:
            return
        with self._lock:
            length_s, before = FIRST_BAN_S, self._bans.get(public)
            if before is not None:
                if now_s < before.until_s:
                    return
                # A key that kept quiet for as long as it was refused gets the first pause again.
                if now_s < before.until_s + before.length_s:
                    length_s = min(MAX_BAN_S, 2 * before.length_s)
            self._bans[public] = _Ban(now_s + length_s, length_s)
        log.warning("the key of %s is refused for %.0f s: %s", key.name, length_s, reason)

    def judge(self, request: list[bytes]) -> list[bytes]:
        """Answer one request of libzmq: 200 with a user id, 300 to come again, or 400."""
        if len(request) != 7 or request[0] != b"1.0":
            # Other mechanisms send a different number of credentials.
            return self._refusal(request, "a connection without CURVE")
        domain, address, mechanism, credential = request[2], request[3], request[5], request[6]
        if domain not in ZAP_DOMAINS or mechanism != b"CURVE" or len(credential) != CURVE_KEY_BYTES:
            return self._refusal(request, "a connection without CURVE")
        public = z85.encode(credential)
        key = self._keys.find(public)
        if key is None:
            return self._refusal(request, f"unknown key {public.decode()}")
        if self._is_banned(public):
            return self._refusal(request, "")
        if key.cameras is not None and not self.enforces_cameras:
            return self._refusal(request, f"{key.name}, whose cameras are not in force yet,")
        if not self._admits(public.decode(), control=domain == CONTROL_ZAP_DOMAIN):
            return [b"1.0", request[1], b"300", b"come again later", b"", b""]
        # A viewer's connections and reconnections share one log line.
        limiter = self._connected_log.setdefault(public, LogLimiter(CONNECTED_INTERVAL_S))
        if limiter.may_log():
            log.info("%s (%s) connected from %s", key.name, key.rights, _text(address))
        user = user_id(public, self.handshakes.begin() if self.limits_cameras else 0)
        return [b"1.0", request[1], b"200", b"OK", user, b""]

    def _is_banned(self, public: bytes) -> bool:
        with self._lock:
            ban = self._bans.get(public)
        return ban is not None and self._now_s() < ban.until_s

    def _refusal(self, request: list[bytes], subject: str) -> list[bytes]:
        self._refused += 1
        # A ban has been logged already.
        if subject and self._refusals_log.may_log():
            address = _text(request[3]) if len(request) > 3 else "an unknown address"
            log.warning("refused %s from %s; %d refused so far", subject, address, self._refused)
        number = request[1] if len(request) > 1 else b""
        return [b"1.0", number, b"400", b"not authorised", b"", b""]

    def reload(self) -> bool:
        """Read the folder again; return True when a key was revoked or has other cameras.

        A folder that cannot be read changes nothing and is logged as an error.
        """
        try:
            keys = self._load()
        except RankcastError as exc:
            self._alarm = str(exc)
            if self._alarm_log.may_log():
                log.error("authorised keys not reloaded, the previous set stays in force: %s", exc)
            return False
        if self._alarm:
            log.warning("%s is readable again: its keys are in force", self._folder)
            self._alarm, self._alarm_log = "", LogLimiter(ALARM_INTERVAL_S)
        before, self._keys = self._keys.by_public, keys
        for public in keys.by_public.keys() - before.keys():
            key = keys.by_public[public]
            log.info("%s has been authorised as %s", key.name, key.rights)
        revoked = before.keys() - keys.by_public.keys()
        for public in revoked:
            with self._lock:
                self._bans.pop(public, None)
            self._connected_log.pop(public, None)
            log.warning("the key of %s has been revoked", before[public].name)
        moved = False
        for public in before.keys() & keys.by_public.keys():
            old, new = before[public], keys.by_public[public]
            if old.rights != new.rights:
                log.info("%s is now %s", new.name, new.rights)
            moved |= old.cameras != new.cameras
        # A socket withholds cameras from its start, or never.
        return bool(revoked) or moved or self.limits_cameras != self.enforces_cameras

    def _load(self) -> Authorized:
        """Read the folder.

        Raises
        ------
        SettingsError
            If it cannot be used.
        """
        keys = load_authorized(self._folder)
        if keys.limits_cameras and not CAN_TELL:
            name = next(k.name for k in keys.by_public.values() if k.cameras is not None)
            raise SettingsError(
                f"{self._folder}: {name} may see some cameras only, which a sender needs Linux "
                "for: authorise it without --cameras"
            )
        return keys


def _text(address: bytes) -> str:
    return address.decode("ascii", "replace")
