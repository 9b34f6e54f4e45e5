"""Access: who may ask a server, by token, session, host and origin."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
import stat
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rankcast.atomic_file import read_whole
from rankcast.boot_clock import boot_s
from rankcast.errors import RankcastError, SettingsError, one_line

LEAST_TOKEN_CHARS: Final = 16
MOST_TOKEN_CHARS: Final = 256
MOST_FILE_BYTES: Final = 4096
MOST_SESSIONS: Final = 256
SESSION_S: Final = 12 * 3600.0
"""A session that asked nothing for this long has ended."""
MOST_WRONG: Final = 10
"""Wrong tokens of one address a minute."""
WRONG_S: Final = 60.0
MOST_ADDRESSES: Final = 1024


def read_token(path: Path) -> str:
    """Read a token: the only line of a file that only its owner can read.

    Raises
    ------
    SettingsError
        If the file cannot be read, others can read it too, or it holds no token of 16 to 256
        visible ASCII characters.
    """
    try:
        text = read_whole(path, MOST_FILE_BYTES).decode("ascii").strip()
        mode = stat.S_IMODE(path.stat().st_mode)
    except (OSError, RankcastError) as exc:
        raise SettingsError(f"the token cannot be read: {one_line(exc)}") from exc
    except UnicodeDecodeError:
        text, mode = "", 0
    if mode & 0o077 and os.name != "nt":
        raise SettingsError(f"{path}: has mode {mode:04o}, others may read it: chmod 600")
    if (
        not LEAST_TOKEN_CHARS <= len(text) <= MOST_TOKEN_CHARS
        or not text.isprintable()
        or " " in text
    ):
        raise SettingsError(
            f"{path}: want one token of {LEAST_TOKEN_CHARS} to {MOST_TOKEN_CHARS} visible ASCII "
            "characters; make one with `openssl rand -hex 16`"
        )
    return text


class Access:
    """Knows the token, the sessions that began with it, and the names of this server.

    Used in the thread of the server alone.

    Parameters
    ----------
    token : str
        Empty asks for none.
    hosts : sequence of str
        Names in ``Host`` besides IP addresses, ``localhost`` and the name of the machine.
    now_s : callable
        Monotonic clock.
    """

    def __init__(
        self,
        token: str = "",
        hosts: Sequence[str] = (),
        *,
        now_s: Callable[[], float] = boot_s,
    ) -> None:
        self._token = hashlib.sha256(token.encode()).digest() if token else b""
        name = socket.gethostname().lower()
        self._named = frozenset(host.lower() for host in hosts)
        self._hosts = {"localhost", name, f"{name}.local", *self._named}
        self._now_s = now_s
        self._sessions: OrderedDict[str, float] = OrderedDict()
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    @property
    def asks_for_token(self) -> bool:
        """False if everybody is let in."""
        return bool(self._token)

    def knows_host(self, host_header: str) -> bool:
        """Return whether ``Host`` names this server, so that no foreign name leads here."""
        host = _host_of(host_header)
        if host is None:
            return False
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return host in self._hosts
        return True

    def is_same_origin(self, origin: str, host_header: str, scheme: str) -> bool:
        """Return whether a request with an ``Origin`` comes from a page of this server.

        A reverse proxy with TLS passes requests on as HTTP: a name that was given to this server
        may have either scheme.
        """
        try:
            parts = urlsplit(origin)
            host = parts.hostname
        except ValueError:
            return False
        if parts.netloc.lower() != host_header.lower():
            return False
        return parts.scheme == scheme or (host in self._named and parts.scheme in ("http", "https"))

    def may_try(self, address: str) -> bool:
        """Return False while an address has given too many wrong tokens."""
        since_s = self._now_s() - WRONG_S
        recent = [when for when in self._wrong.get(address, ()) if when > since_s]
        return len(recent) < MOST_WRONG

    def admits(self, authorization: str, session: str, address: str) -> bool:
        """Return whether a request with these credentials may be answered."""
        if not self._token:
            return True
        if session and self._is_session(session):
            return True
        given = _token_in(authorization)
        return bool(given) and self.is_token(given, address)

    def is_token(self, given: str, address: str) -> bool:
        """Compare a token in constant time; count wrong ones of an address."""
        if not self.may_try(address):
            return False
        if hmac.compare_digest(hashlib.sha256(given.encode()).digest(), self._token):
            return True
        self._wrong.setdefault(address, []).append(self._now_s())
        self._wrong[address] = self._wrong[address][-MOST_WRONG:]
        self._wrong.move_to_end(address)
        if len(self._wrong) > MOST_ADDRESSES:
            self._wrong.popitem(last=False)
        return False

    def begin_session(self) -> str:
        """Return the name of a new session; the oldest one ends if there are too many."""
        session = secrets.token_urlsafe(24)
        self._sessions[session] = self._now_s()
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def end_session(self, session: str) -> None:
        """Forget a session."""
        self._sessions.pop(session, None)

    def _is_session(self, session: str) -> bool:
        asked_s = self._sessions.get(session)
        if asked_s is None:
            return False
        if self._now_s() - asked_s > SESSION_S:
            del self._sessions[session]
            return False
        self._sessions[session] = self._now_s()
        self._sessions.move_to_end(session)
        return True


def _host_of(host_header: str) -> str | None:
    try:
        return urlsplit(f"//{host_header}").hostname
    except ValueError:
        return None


def _token_in(authorization: str) -> str:
    """Return the token of a ``Bearer`` or ``Basic`` header; empty if there is none."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        _, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return password
