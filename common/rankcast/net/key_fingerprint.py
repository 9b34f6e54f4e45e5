"""Fingerprint of a public key: short enough for people to compare."""

from __future__ import annotations

import base64
import hashlib

from zmq.utils import z85


def fingerprint(public: bytes) -> str:
    """Return ``SHA256:`` and 43 characters of base64, in the manner of ssh.

    Parameters
    ----------
    public : bytes
        Public key, 40 characters of Z85.
    """
    digest = hashlib.sha256(z85.decode(public)).digest()
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")
