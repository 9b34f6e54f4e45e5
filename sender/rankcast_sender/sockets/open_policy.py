"""OpenPolicy: admits the connections of a sender without keys, but for those of floods."""

from __future__ import annotations

from typing import Final

from rankcast.net import CONTROL_ZAP_DOMAIN, Z85_CHARS, ZAP_DOMAINS, AuthorizedKey
from rankcast_sender.peers import Handshakes, user_id
from rankcast_sender.sockets.key_policy import Admits, KeyState, anybody

_NOBODY: Final = b"0" * Z85_CHARS
"""Stands for the key in the user id of a connection without one."""


class OpenPolicy:
    """Answers for addresses without keys.

    Parameters
    ----------
    admits : callable
        Whether an address may connect now, to the control channel or for frames.

    Notes
    -----
    libzmq holds nothing of a connection that is refused here. One that is shut down when it was
    accepted may have completed its handshake already. A socket in manual mode needs to know whose
    subscription it reads: it learns a number.
    """

    def __init__(self, admits: Admits = anybody) -> None:
        self._admits = admits
        self.handshakes = Handshakes()
        self.enforces_cameras = False
        self.has_substreams = True
        self.limits_cameras: Final = True
        self.state: Final = KeyState(0, 0, 0, "")

    def judge(self, request: list[bytes]) -> list[bytes]:
        """Answer one request of libzmq: 200 with a user id, or 300: the peer may try again."""
        number = request[1] if len(request) > 1 else b""
        if len(request) < 6 or request[2] not in ZAP_DOMAINS or request[5] != b"NULL":
            return [b"1.0", number, b"400", b"this sender has no keys", b"", b""]
        # Without the interface of a link-local address, which the system does not tell elsewhere.
        address = request[3].decode("ascii", "replace").partition("%")[0]
        if not self._admits(address, control=request[2] == CONTROL_ZAP_DOMAIN):
            return [b"1.0", number, b"300", b"come again later", b"", b""]
        user = user_id(_NOBODY, self.handshakes.begin() if self.enforces_cameras else 0)
        return [b"1.0", number, b"200", b"OK", user, b""]

    def find(self, public: bytes) -> AuthorizedKey | None:
        """Return None: there are no keys."""

    def ban(self, public: bytes, reason: str) -> None:
        """Do nothing: there are no keys."""

    def reload(self) -> bool:
        """Return False: nothing changes."""
        return False
