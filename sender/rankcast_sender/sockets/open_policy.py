"""OpenPolicy: admits everybody, and numbers the connections of a sender without keys."""

from __future__ import annotations

from typing import Final

from rankcast.net import Z85_CHARS, ZAP_DOMAIN, AuthorizedKey
from rankcast_sender.peers import Handshakes, user_id
from rankcast_sender.sockets.key_policy import KeyState

_NOBODY: Final = b"0" * Z85_CHARS
"""Stands for the key in the user id of a connection without one."""


class OpenPolicy:
    """Answers for an address without keys, whose socket is in manual mode.

    The socket needs to know whose subscription it reads, so that libzmq asks about each connection
    here too, and all it learns is a number.
    """

    def __init__(self) -> None:
        self.handshakes = Handshakes()
        self.enforces_cameras = False
        self.has_substreams = True
        self.limits_cameras: Final = True
        self.state: Final = KeyState(0, 0, 0, "")

    def judge(self, request: list[bytes]) -> list[bytes]:
        """Answer one request of libzmq: 200 with a user id."""
        number = request[1] if len(request) > 1 else b""
        if len(request) < 6 or request[2] != ZAP_DOMAIN or request[5] != b"NULL":
            return [b"1.0", number, b"400", b"this sender has no keys", b"", b""]
        user = user_id(_NOBODY, self.handshakes.begin())
        return [b"1.0", number, b"200", b"OK", user, b""]

    def find(self, public: bytes) -> AuthorizedKey | None:
        """Return None: there are no keys."""

    def ban(self, public: bytes, reason: str) -> None:
        """Do nothing: there are no keys."""

    def reload(self) -> bool:
        """Return False: nothing changes."""
        return False
