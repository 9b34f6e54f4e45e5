"""Both ends of a CURVE handshake (https://rfc.zeromq.org/spec/26/), for peers that then misbehave.

libzmq offers no way to send a malformed command on an encrypted connection; these classes do.
"""

from __future__ import annotations

import os
import struct

from nacl.public import Box, PrivateKey, PublicKey
from nacl.secret import SecretBox
from zmq.utils import z85

from fuzz.zmtp.frames import COMMAND, MORE, command, frame

MESSAGE = b"\x07MESSAGE"


class _Session:
    """Encryption of the traffic after the handshake."""

    def __init__(self, box: Box, letter: bytes) -> None:
        self._box = box
        self._prefix = b"CurveZMQMESSAGE" + letter
        self._nonce = 2

    def seal(self, body: bytes, flags: int = 0) -> bytes:
        """Return the frame that carries `body`; flags are MORE and COMMAND as on the outside."""
        self._nonce += 1
        short = struct.pack(">Q", self._nonce)
        inner = bytes([(flags & MORE) | (2 if flags & COMMAND else 0)]) + body
        sealed = self._box.encrypt(inner, self._prefix + short).ciphertext
        return frame(MESSAGE + short + sealed)


class CurveClient:
    """The end that connects."""

    def __init__(self, secret: bytes, server_public: bytes) -> None:
        self._long = PrivateKey(z85.decode(secret))
        self._server = PublicKey(z85.decode(server_public))
        self._short = PrivateKey.generate()

    def hello(self) -> bytes:
        """Return the first frame."""
        nonce = struct.pack(">Q", 1)
        box = Box(self._short, self._server)
        signature = box.encrypt(bytes(64), b"CurveZMQHELLO---" + nonce).ciphertext
        body = b"\1\0" + bytes(72) + bytes(self._short.public_key) + nonce + signature
        return frame(command(b"HELLO", body), COMMAND)

    def initiate(self, welcome: bytes, properties: bytes) -> tuple[bytes, _Session]:
        """Return the answer to WELCOME, given without its name, and the encryption that follows."""
        nonce, sealed = welcome[:16], welcome[16:]
        plain = Box(self._short, self._server).decrypt(sealed, b"WELCOME-" + nonce)
        server_short, cookie = PublicKey(plain[:32]), plain[32:]
        vouch_nonce = os.urandom(16)
        vouch = Box(self._long, server_short).encrypt(
            bytes(self._short.public_key) + bytes(self._server), b"VOUCH---" + vouch_nonce
        )
        inner = bytes(self._long.public_key) + vouch_nonce + vouch.ciphertext + properties
        box, short = Box(self._short, server_short), struct.pack(">Q", 2)
        sealed = box.encrypt(inner, b"CurveZMQINITIATE" + short).ciphertext
        return frame(command(b"INITIATE", cookie + short + sealed), COMMAND), _Session(box, b"C")


class CurveServer:
    """The end that binds."""

    def __init__(self, secret: bytes) -> None:
        self._long = PrivateKey(z85.decode(secret))
        self._short = PrivateKey.generate()
        self._cookie_key = os.urandom(32)

    def welcome(self, hello: bytes) -> bytes:
        """Return the answer to the client's HELLO, given without its name."""
        client_short = PublicKey(hello[74:106])
        cookie_nonce, nonce = os.urandom(16), os.urandom(16)
        cookie = SecretBox(self._cookie_key).encrypt(
            bytes(client_short) + bytes(self._short), b"COOKIE--" + cookie_nonce
        )
        plain = bytes(self._short.public_key) + cookie_nonce + cookie.ciphertext
        sealed = Box(self._long, client_short).encrypt(plain, b"WELCOME-" + nonce).ciphertext
        self._box = Box(self._short, client_short)
        return frame(command(b"WELCOME", nonce + sealed), COMMAND)

    def ready(self, properties: bytes) -> tuple[bytes, _Session]:
        """Return the answer to INITIATE, unread, and the encryption of what follows."""
        short = struct.pack(">Q", 1)
        sealed = self._box.encrypt(properties, b"CurveZMQREADY---" + short).ciphertext
        return frame(command(b"READY", short + sealed), COMMAND), _Session(self._box, b"S")
