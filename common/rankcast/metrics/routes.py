"""Routes of /metrics, /healthz and /readyz, for any Starlette application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rankcast.metrics.exposition import Exposition
from rankcast.metrics.health import Health
from rankcast.metrics.process_metrics import END, ProcessMetrics

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def metrics_routes(end: str, health: Health, write: Callable[[Exposition], None]) -> list[Route]:
    """Return the routes.

    Parameters
    ----------
    end : str
        ``sender`` or ``receiver``.
    health : Health
    write : callable
        Adds the metrics of this end; called in the thread of the server, once a scrape.
    """
    process = ProcessMetrics(end, health)

    async def metrics(request: Request) -> Response:
        openmetrics = "application/openmetrics-text" in request.headers.get("accept", "")
        exposition = Exposition(openmetrics=openmetrics)
        process.write(exposition)
        write(exposition)
        text = exposition.text() + process.kernel_text(openmetrics=openmetrics)
        if openmetrics:
            return Response(text + END, media_type=OPENMETRICS)
        return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    async def healthz(_: Request) -> Response:
        stuck_s = health.stuck_s()
        if not stuck_s:
            return JSONResponse({"status": "ok"})
        threads = {name: round(seconds, 1) for name, seconds in stuck_s.items()}
        return JSONResponse({"status": "stuck", "threads": threads}, 503)

    async def readyz(_: Request) -> Response:
        cameras = health.cameras()
        ready = health.is_ready(cameras)
        return JSONResponse(
            {"status": "ready" if ready else "not ready", "cameras": dict(cameras)},
            200 if ready else 503,
        )

    return [
        Route("/metrics", metrics),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
    ]
