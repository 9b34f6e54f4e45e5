"""Routes of /metrics, /healthz and /readyz, for any Starlette application."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
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
        Adds the metrics of this end; called once a scrape, in a thread beside the event loop, in
        which pages may wait for their pictures.
    """
    process = ProcessMetrics(end, health)

    one_at_a_time = threading.Lock()

    def text_of(*, openmetrics: bool) -> str:
        exposition = Exposition(openmetrics=openmetrics)
        with one_at_a_time:
            process.write(exposition)
            write(exposition)
            return exposition.text() + process.kernel_text(openmetrics=openmetrics)

    async def metrics(request: Request) -> Response:
        openmetrics = "application/openmetrics-text" in request.headers.get("accept", "")
        # The executor of the loop, because its end waits for these threads.
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(None, partial(text_of, openmetrics=openmetrics))
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
