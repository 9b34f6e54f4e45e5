"""Listen: an address of HTTP, and whether it may be opened as it is."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rankcast.credentials import shown_address
from rankcast.errors import SettingsError

_FORM: Final = "HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a server listens, and what protects it.

    Attributes
    ----------
    host : str
        An IP address, or ``localhost``.
    port : int
        0 takes any free one.
    certificate, key : Path or None
        TLS, both in PEM; None is plain HTTP.
    """

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None

    @property
    def is_loopback(self) -> bool:
        """True if only this machine can reach it."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    def check_exposure(
        self,
        option: str,
        *,
        token: bool,
        insecure: bool,
        names: tuple[str, str, str] = ("--tls-cert, --tls-key", "--web-token", "--insecure"),
    ) -> None:
        """Check that an address that other machines can reach has TLS and a token.

        Parameters
        ----------
        option : str
            Names the address in the message, such as ``--web``.
        token : bool
            True if a token is asked for.
        insecure : bool
            True gives up what is missing.
        names : tuple of str
            What gives TLS, a token, and up, for the message.

        Raises
        ------
        SettingsError
            If something is missing.
        """
        missing = [
            name
            for name, there in (
                (f"a certificate ({names[0]})", self.certificate is not None),
                (f"a token ({names[1]})", token),
            )
            if not there
        ]
        if missing and not insecure and not self.is_loopback:
            raise SettingsError(
                f"{option} {join_address(self.host, self.port)} can be reached from other machines "
                f"and lacks {' and '.join(missing)}: give what is missing, or {names[2]}"
            )

    def tls_context(self) -> ssl.SSLContext | None:
        """Load certificate and key; None without TLS.

        Raises
        ------
        SettingsError
            If a file cannot be read, or key and certificate do not fit.
        """
        if self.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        for path in (self.certificate, self.key):
            if path is not None and not path.is_file():
                raise SettingsError(f"{path}: there is no such file; TLS needs it in PEM format")
        try:
            # Without a password, OpenSSL asks the terminal for the passphrase of a key.
            context.load_cert_chain(self.certificate, self.key, password="")
        except ssl.SSLError as exc:
            why = (
                "the key is of another certificate"
                if exc.reason == "KEY_VALUES_MISMATCH"
                else "both must be in PEM format and the key without a passphrase"
            )
            raise SettingsError(f"{self.certificate} and {self.key} do not fit: {why}") from exc
        except OSError as exc:
            reason = exc.strerror or exc
            raise SettingsError(f"{self.certificate} or {self.key}: {reason}") from exc
        return context


def parse_listen(text: str, certificate: str = "", key: str = "") -> Listen:
    """Parse ``HOST:PORT``.

    Parameters
    ----------
    text : str
    certificate, key : str
        Paths of PEM files; both or neither.

    Raises
    ------
    SettingsError
        If the address is malformed, or one of certificate and key is missing.
    """
    host, colon, port_text = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise SettingsError(
            f"got the address {shown_address(text)[:60]!r}, write an IPv6 address in brackets: "
            f"{_FORM}"
        )
    if not colon or not host or not port_text.isascii() or not port_text.isdigit():
        raise SettingsError(f"got the address {shown_address(text)[:60]!r}, want {_FORM}")
    if len(port_text) > 5 or int(port_text) > 65535:
        raise SettingsError(f"got the port {port_text[:20]}, the largest is 65535")
    if host in ("*", "0"):
        host = "0.0.0.0"
    if host != "localhost":
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise SettingsError(
                f"got the host {host[:60]!r}, want an IP address of this machine, localhost or *"
            ) from None
    if bool(certificate) != bool(key):
        raise SettingsError("--tls-cert and --tls-key belong together: give both or neither")
    return Listen(
        host,
        int(port_text),
        Path(certificate) if certificate else None,
        Path(key) if key else None,
    )


def join_address(host: str, port: int) -> str:
    """Return ``HOST:PORT``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
