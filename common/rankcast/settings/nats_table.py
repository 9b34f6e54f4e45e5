"""NatsTable: the table ``[nats]`` of a settings file, the same at both ends."""

from __future__ import annotations

from pydantic import Field

from rankcast.settings.paths import OptionalPath
from rankcast.settings.schema import Table


class NatsTable(Table):
    """``[nats]``: site, credentials and TLS of ``nats://`` addresses."""

    site: str = Field(default="", pattern=r"^([a-z0-9_-]{1,32})?$")
    """Site: at a sender that of its cameras, empty is ``default``; at a receiver the only one that
    it wants, empty is every site."""
    user: str = ""
    """User name, with a password file; empty: none."""
    password_file: OptionalPath = ""
    """File with the password of the user."""
    credentials: OptionalPath = ""
    """File of a user, ``NAME.creds``, with a JWT and its NKEY seed."""
    nkey_seed: OptionalPath = ""
    """File with an NKEY seed."""
    tls_ca: OptionalPath = ""
    """Certificates in PEM format of the authorities to trust at the server; empty: the system's."""
    tls_cert: OptionalPath = ""
    """Certificate of this end, in PEM format; empty: none."""
    tls_key: OptionalPath = ""
    """Its key, in PEM format, without a passphrase."""
    insecure: bool = False
    """Use a server of another machine without TLS or credentials."""
