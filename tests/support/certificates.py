"""Certificates of tests, made by the command `openssl`."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A self-signed certificate for localhost and 127.0.0.1, and its key."""

    certificate: Path
    key: Path


def make_certificate(folder: Path, name: str = "server", *, passphrase: str = "") -> KeyPair:
    pair = KeyPair(folder / f"{name}.crt", folder / f"{name}.key")
    protection = ["-passout", f"pass:{passphrase}"] if passphrase else ["-nodes"]
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-days", "1", "-keyout", str(pair.key), "-out", str(pair.certificate), *protection,
        ],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return pair
