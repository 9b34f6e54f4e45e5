"""The address of metrics alone, for an end without a web address and beside one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rankcast.web import Access, Guard, HttpServer, Listen, parse_listen, read_token

NAMES: Final = ("metrics.tls_cert, metrics.tls_key", "metrics.token", "metrics.insecure = true")


class MetricsOptions(Protocol):
    """The table ``[metrics]`` of settings."""

    @property
    def listen(self) -> str:
        """``HOST:PORT``."""

    @property
    def token(self) -> str:
        """File of the token; empty asks for none."""

    @property
    def tls_cert(self) -> str:
        """Certificate in PEM; empty is plain HTTP."""

    @property
    def tls_key(self) -> str:
        """Its key."""

    @property
    def hosts(self) -> Sequence[str]:
        """Names in ``Host`` besides those that `Access` knows."""

    @property
    def insecure(self) -> bool:
        """True gives up what is missing of TLS and token."""


def check_metrics(options: MetricsOptions) -> tuple[Listen, str]:
    """Check all that the address needs without taking it; return it and the token, if any.

    Raises
    ------
    SettingsError
        If the address, the token or the certificate is wrong, or other machines can reach the
        address and it has no TLS or no token.
    """
    listen = parse_listen(options.listen, options.tls_cert, options.tls_key)
    listen.check_exposure(
        "--metrics", token=bool(options.token), insecure=options.insecure, names=NAMES
    )
    listen.tls_context()
    return listen, read_token(Path(options.token)) if options.token else ""


def open_metrics_server(options: MetricsOptions, routes: Sequence[Route]) -> HttpServer:
    """Take the address; the caller starts and stops the server.

    Raises
    ------
    SettingsError
        As `check_metrics`.
    TransportError
        If the address cannot be taken.
    """
    listen, token = check_metrics(options)
    app = Starlette(routes=list(routes), exception_handlers={404: _missing, 405: _missing})
    return HttpServer(Guard(app, Access(token, options.hosts)), listen, "metrics")


async def _missing(_: Request, exc: Exception) -> Response:
    status = getattr(exc, "status_code", 404)
    return JSONResponse({"error": "ask GET /metrics, /healthz or /readyz"}, status)
