"""NatsOptions: site, credentials and TLS of a connection to a NATS server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rankcast.errors import SettingsError
from rankcast.nats.address import NatsAddress
from rankcast.nats.subjects import check_site
from rankcast.settings import NatsTable

if TYPE_CHECKING:
    import ssl

MAX_SECRET_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class NatsOptions:
    """How to reach a NATS server, and as whom. Files are read again at each connection."""

    site: str = ""
    """Site of a sender's cameras, or the only one that a receiver wants; empty: see both."""
    user: str = ""
    password_file: Path | None = None
    """Contains the password of `user`."""
    credentials: Path | None = None
    """A ``.creds`` file with a JWT and its NKEY seed."""
    nkey_seed: Path | None = None
    """Contains an NKEY seed."""
    tls_ca: Path | None = None
    """Certificates of the authorities to trust at the server; None: those of the system."""
    tls_cert: Path | None = None
    """Certificate of this end, with `tls_key`."""
    tls_key: Path | None = None
    insecure: bool = False
    """Allow a server of another machine without TLS or credentials."""

    @classmethod
    def of(cls, table: NatsTable, *, insecure: bool = False) -> NatsOptions:
        """Return the options of a settings table."""
        paths = {
            name: Path(value) if (value := getattr(table, name)) else None
            for name in (
                "password_file", "credentials", "nkey_seed", "tls_ca", "tls_cert", "tls_key",
            )
        }  # fmt: skip
        return cls(table.site, table.user, insecure=insecure or table.insecure, **paths)

    def check(self, address: NatsAddress) -> None:
        """Check all that a connection needs without opening it.

        Raises
        ------
        SettingsError
            If the client library is missing, a file cannot be used, the settings contradict each
            other, or nothing proves which server it is.
        """
        require_library()
        if self.site:
            check_site(self.site)
        ways = {
            "nats.user": self.user, "nats.credentials": self.credentials,
            "nats.nkey_seed": self.nkey_seed,
        }  # fmt: skip
        given = [name for name, value in ways.items() if value]
        if len(given) > 1:
            raise SettingsError(f"got {' and '.join(given)}, want one way to authenticate")
        if bool(self.user) != (self.password_file is not None):
            raise SettingsError(
                "nats.user and nats.password_file belong together: give both or neither"
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingsError(
                "nats.tls_cert and nats.tls_key belong together: give both or neither"
            )
        self.arguments()
        self.tls_context(address)
        self._check_exposure(address)

    def wants_tls(self, address: NatsAddress) -> bool:
        """Return True if nothing may be sent without TLS."""
        return address.tls or self.tls_ca is not None or self.tls_cert is not None

    def tls_context(self, address: NatsAddress) -> ssl.SSLContext | None:
        """Return the TLS context; None if TLS is up to the server.

        Raises
        ------
        SettingsError
            If a certificate or its key cannot be used.
        """
        if not self.wants_tls(address):
            return None
        import ssl

        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
            if self.tls_cert is not None:
                context.load_cert_chain(self.tls_cert, self.tls_key)
        except OSError as exc:  # ssl.SSLError is one
            given = ", ".join(str(path) for path in (self.tls_ca, self.tls_cert) if path)
            raise SettingsError(
                f"cannot use the certificates of NATS ({given}): {exc.strerror or exc}"
            ) from exc
        return context

    def arguments(self) -> Mapping[str, Any]:
        """Return the credentials as the client library takes them.

        Raises
        ------
        SettingsError
            If a file cannot be read or does not hold what it should.
        """
        if self.user:
            assert self.password_file is not None
            return {"user": self.user, "password": _read(self.password_file, _is_password)}
        if self.credentials is not None:
            _read(self.credentials, _is_credentials)
            _require_nkeys()
            return {"user_credentials": str(self.credentials)}
        if self.nkey_seed is not None:
            seed = _read(self.nkey_seed, _is_seed)
            _require_nkeys()
            return {"nkeys_seed_str": seed}
        return {}

    def _check_exposure(self, address: NatsAddress) -> None:
        if address.is_loopback or self.insecure or self.wants_tls(address):
            return
        if self.user:
            raise SettingsError(
                f"{address} is another machine, and without TLS the password would be sent in the "
                "clear: give tls:// or nats.tls_ca, an NKEY, or nats.insecure = true"
            )
        if self.credentials is None and self.nkey_seed is None:
            raise SettingsError(
                f"{address} is another machine: give tls:// or nats.tls_ca, or nats.credentials or "
                "nats.nkey_seed, or nats.insecure = true to let anybody in between watch and "
                "control"
            )


def require_library() -> None:
    """Check that the client library is installed.

    Raises
    ------
    SettingsError
    """
    if find_spec("nats") is None:
        raise SettingsError("nats:// needs the NATS client: pip install 'rankcast[nats]'")


def _require_nkeys() -> None:
    if find_spec("nkeys") is None:
        raise SettingsError("NKEYs need the package nkeys: pip install 'rankcast[nats]'")


def _read(path: Path, is_right: Callable[[str], str]) -> str:
    """Return the text of a file with a secret; `is_right` says what is wrong with it, or nothing.

    The secret itself is in no message.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_SECRET_BYTES).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
        raise SettingsError(f"cannot read {path}: {reason}") from exc
    if wrong := is_right(text):
        raise SettingsError(f"{path} {wrong}")
    return text


def _is_password(text: str) -> str:
    return "" if text and "\n" not in text else "must contain the password and nothing else"


def _is_credentials(text: str) -> str:
    parts = ("BEGIN NATS USER JWT", "BEGIN USER NKEY SEED")
    return (
        "" if all(part in text for part in parts) else "is not a .creds file with a JWT and a seed"
    )


def _is_seed(text: str) -> str:
    good = text.startswith("SU") and text.isalnum() and len(text) == 58
    return "" if good else "is not an NKEY seed of a user, want 58 characters that begin with SU"
