"""Fuzz target `key-policy`: ZAP requests of libzmq while key files appear and disappear.

A message is a frame of the control channel around a list, the parts of a ZAP request, or around
a map with `file` and `text`: a file to write to the folder of authorised keys, or to remove if
there is no `text`, before the folder is read again. Anything else is a request of one part.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from harness import main

MAX_TEXT_BYTES = 8192


class KeyPolicyTarget:
    """Reached: a key was looked up, or a file changed the keys. Accepted: one was authorised."""

    name = "key-policy"

    def __init__(self) -> None:
        from mutator import take_apart

        from rankcast_sender.sockets import key_policy

        self.reached = self.accepted = 0
        self._take_apart, self._key_policy = take_apart, key_policy
        self._folder = Path(tempfile.mkdtemp(prefix="rankcast-fuzz-"))

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder)

    def run(self, messages: list[bytes]) -> None:
        """Serve one life of an authenticator."""
        for path in self._folder.iterdir():
            path.unlink()
        policy = self._key_policy.KeyPolicy(self._folder)
        texts: list[bytes] = []
        reached = accepted = False
        for message in messages:
            parts = self._take_apart(message)
            head = None if parts is None else parts.head
            if type(head) is dict:
                before = policy.state.authorized
                self._change(head)
                revoked = policy.reload()
                reached |= revoked or policy.state.authorized != before
                if not policy.state.alarm:
                    texts = [path.read_bytes() for path in self._folder.iterdir()]
                continue
            request = [_part(value) for value in head] if type(head) is list else [message]
            reply = policy.judge(request)
            assert [type(part) for part in reply] == [bytes] * 6
            assert reply[0] == b"1.0"
            reached |= len(request) == 7 and request[5] == b"CURVE" and len(request[6]) == 32
            if reply[2] == b"200":
                accepted = True
                self._check_admitted(policy, request, reply[4], texts)
            else:
                assert reply[2:] == [b"400", b"not authorised", b"", b""]
        self.reached += reached
        self.accepted += accepted

    @staticmethod
    def _check_admitted(policy: Any, request: list[bytes], user: bytes, texts: list[bytes]) -> None:
        from zmq.utils import z85

        assert request[2] == b"rankcast"
        assert request[5] == b"CURVE"
        assert z85.decode(user) == request[6]
        # Not by the lookup that authorised it: the key must be in a file.
        assert any(user in text for text in texts)
        assert policy.find(user).role in ("viewer", "operator")

    def _change(self, head: dict[Any, Any]) -> None:
        name, text = head.get("file"), head.get("text")
        if type(name) is not str or not name.isascii() or len(name) > 60:
            return
        path = self._folder / "".join(c for c in name if c.isalnum() or c in "_-. \n")
        if path.name in ("", ".", "..") or path.parent != self._folder:
            return
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(_part(text)[:MAX_TEXT_BYTES])


def _part(value: Any) -> bytes:
    return value if type(value) is bytes else str(value).encode("utf-8", "surrogatepass")


if __name__ == "__main__":
    main(KeyPolicyTarget)
