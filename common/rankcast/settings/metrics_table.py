"""MetricsTable: the table ``[metrics]`` of a settings file, the same at both ends."""

from __future__ import annotations

from pydantic import Field, model_validator

from rankcast.errors import SettingsError
from rankcast.settings.paths import OptionalPath
from rankcast.settings.schema import Table


class MetricsTable(Table):
    """``[metrics]``: metrics and health on an address of their own."""

    listen: str = ""
    """``HOST:PORT``; empty: none."""
    token: OptionalPath = ""
    """File with the token that requests of other machines need; empty: none."""
    tls_cert: OptionalPath = ""
    """Certificate in PEM format; empty: plain HTTP."""
    tls_key: OptionalPath = ""
    """Its key, in PEM format, without a passphrase."""
    hosts: list[str] = Field(default_factory=list)
    """Names by which scrapers call this machine, besides its own and its IP addresses."""
    insecure: bool = False
    """Listen without TLS or token on an address that other machines can reach."""

    @model_validator(mode="after")
    def _listen_is_an_address(self) -> MetricsTable:
        if not self.listen:
            given = [name for name in type(self).model_fields if getattr(self, name)]
            if given:
                named = ", ".join(f"metrics.{name}" for name in given)
                raise ValueError(f"{named} without an address: give --metrics HOST:PORT too")
            return self
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError(
                "metrics.tls_cert and metrics.tls_key belong together: give both or neither"
            )
        # Loads the HTTP server, which only this feature needs.
        from rankcast.web import parse_listen

        try:
            parse_listen(self.listen)
        except SettingsError as exc:
            raise ValueError(str(exc)) from exc
        return self
