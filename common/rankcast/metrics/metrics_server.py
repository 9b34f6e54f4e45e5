"""The address of metrics alone, for an end without a web address and beside one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rankcast.metrics.exposition import Exposition
from rankcast.metrics.health import Health
from rankcast.metrics.routes import metrics_routes
from rankcast.runtime import Pulse
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


class EndMetrics(Protocol):
    """What an end counts and measures."""

    def states(self) -> Mapping[str, str]:
        """Return the state of each camera."""

    def write(self, exposition: Exposition) -> None:
        """Add all samples."""


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


def open_end_metrics(
    end: str,
    options: MetricsOptions,
    metrics: EndMetrics,
    pulses: Callable[[], Iterable[Pulse]],
    ready: Callable[[Mapping[str, str]], bool],
    watchdog_s: float,
) -> HttpServer:
    """Take the address for the metrics and the health of an end without a web address.

    Parameters
    ----------
    end : str
        ``sender`` or ``relay``.
    options : MetricsOptions
    metrics : EndMetrics
    pulses, ready, watchdog_s
        See `Health`.

    Raises
    ------
    SettingsError, TransportError
        As `open_metrics_server`.
    """
    health = Health(pulses, metrics.states, ready, watchdog_s)
    return open_metrics_server(options, metrics_routes(end, health, metrics.write))


async def _missing(_: Request, exc: Exception) -> Response:
    status = getattr(exc, "status_code", 404)
    return JSONResponse({"error": "ask GET /metrics, /healthz or /readyz"}, status)
