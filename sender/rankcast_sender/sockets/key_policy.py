"""KeyPolicy: whom a sender lets in, by what lies in a folder; knows ZAP messages, no sockets."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zmq.utils import z85

from rankcast.errors import RankcastError
from rankcast.net import ZAP_DOMAIN, AuthorizedKey, load_authorized
from rankcast.printable import printable

log = logging.getLogger(__name__)

COMPLAINT_INTERVAL_S: Final = 1.0
ALARM_INTERVAL_S: Final = 10.0
GREETING_INTERVAL_S: Final = 10.0
CURVE_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class KeyState:
    """What the status says of the keys."""

    authorized: int
    refused: int
    """Handshakes with a key that is not authorised, so far."""
    alarm: str
    """Why the folder could not be read and an older set is in force; empty when all is well."""


class KeyPolicy:
    """Judges keys by a folder of authorised ones.

    Parameters
    ----------
    folder : Path
        Public keys, ``NAME.pub``; all files count or none of them.

    Raises
    ------
    SettingsError
        If the folder cannot be read, or holds anything malformed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys = load_authorized(folder)
        self._refused = 0
        self._complained = float("-inf")
        self._greeted: dict[bytes, float] = {}
        self._alarm = ""
        self._alarmed = float("-inf")

    @property
    def state(self) -> KeyState:
        """What the status says of the keys."""
        return KeyState(len(self._keys), self._refused, self._alarm)

    def find(self, public: bytes) -> AuthorizedKey | None:
        """Whose key it is, if it is let in."""
        return self._keys.find(public)

    def judge(self, request: list[bytes]) -> list[bytes]:
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

    def reload(self) -> bool:
        """Read the folder again; true when somebody is let in no more.

        What cannot be read changes nothing, and is said.
        """
        try:
            keys = load_authorized(self._folder)
        except RankcastError as exc:
            self._alarm = str(exc)
            now = time.monotonic()
            if now - self._alarmed >= ALARM_INTERVAL_S:
                self._alarmed = now
                log.error("KEYS ARE NOT UP TO DATE, whoever was let in before still is: %s", exc)
            return False
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
        return bool(revoked)
