"""The addresses of HTTP of `rankcast receive`, opened from the settings: pages, and metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rankcast.errors import SettingsError
from rankcast.recorder import FreeSpace
from rankcast.runtime import Pulse
from rankcast_receiver.pipeline import ReceiverPipeline
from rankcast_receiver.settings import ReceiverSettings
from rankcast_receiver.sinks import SinkRunner

if TYPE_CHECKING:
    from starlette.routing import Route

    from rankcast.web import HttpServer
    from rankcast_receiver.web import WebOptions, WebServer

WEB: Final = "web"
"""Name of its sink of packets."""
PICTURES: Final = "pictures"
"""Name of its sink of decoded frames, which it does not always need."""
WEB_SINKS: Final = (WEB, PICTURES)


def open_web(
    settings: ReceiverSettings,
    pipeline: Callable[[], ReceiverPipeline],
    routes: Sequence[Route] = (),
) -> WebServer | None:
    """Take the web address; None without one. Its libraries are imported only for it.

    Parameters
    ----------
    settings : ReceiverSettings
    pipeline : callable
        Returns the pipeline, once there is one.
    routes : sequence of Route
        Further routes to answer.

    Raises
    ------
    SettingsError
        If the token, the certificate or the folder of recordings cannot be used.
    TransportError
        If the address is taken.
    """
    options = _web_options(settings)
    if options is None:
        return None
    from rankcast_receiver.web import ReceiverView, WebServer

    view = ReceiverView(
        states=lambda: pipeline().states(),
        streams=lambda: pipeline().streams(),
        want_keyframe=lambda camera, wanted: pipeline().want_keyframe(WEB, camera, wanted),
        control_address=lambda camera: pipeline().control_address(camera),
        ask=lambda camera, op, args: pipeline().ask(camera, op, args),
        limits=settings.limits.limits(),
    )
    return WebServer(options, view, routes)


def decodes_on_demand(runners: Sequence[SinkRunner]) -> bool:
    """Return whether only the web address takes decoded frames, and hence says when it does."""
    return {runner.name for runner in runners if runner.wants == "frames"} == {PICTURES}


def check_addresses(settings: ReceiverSettings) -> None:
    """Check all that pages and metrics need without taking their addresses.

    Raises
    ------
    SettingsError
        If a token, a certificate or the folder of recordings cannot be used, or metrics can be
        reached by more than they may.
    """
    options = _web_options(settings)
    if options is not None:
        options.listen.tls_context()
    if settings.metrics.listen:
        from rankcast.metrics import check_metrics

        check_metrics(settings.metrics)


def _web_options(settings: ReceiverSettings) -> WebOptions | None:
    web = settings.web
    if not web.listen:
        return None
    from rankcast.web import parse_listen, read_token
    from rankcast_receiver.web import WebOptions

    if web.recordings and not Path(web.recordings).is_dir():
        raise SettingsError(f"--web-recordings is not a directory: {web.recordings}")
    return WebOptions(
        listen=parse_listen(web.listen, web.tls_cert, web.tls_key),
        token=read_token(Path(web.token)) if web.token else "",
        hosts=web.hosts,
        control=web.control,
        recordings=Path(web.recordings) if web.recordings else None,
        models=Path(settings.stream.models) if settings.stream.models else None,
    )


@contextmanager
def ending(server: WebServer | HttpServer | None) -> Iterator[None]:
    """End an address beside the pipeline, and raise why it failed if it has."""
    if server is not None:
        server.end()
    try:
        yield
    finally:
        if server is not None:
            server.stop()


def metrics_routes(
    settings: ReceiverSettings,
    pipeline: Callable[[], ReceiverPipeline],
    runners: Sequence[SinkRunner],
    space: FreeSpace | None,
    pulse: Pulse,
    watchdog_s: float,
    web_dropped: Callable[[], int | None],
) -> Sequence[Route]:
    """Return the routes of metrics and health for all addresses; none if there is no address."""
    if not settings.metrics.listen and not settings.web.listen:
        return ()
    from rankcast_receiver.metrics import ReceiverMetrics, receiver_routes

    metrics = ReceiverMetrics(lambda: pipeline().subscriber, runners, space, web_dropped)
    return receiver_routes(metrics, lambda: [pulse, *pipeline().pulses], watchdog_s)


def open_metrics(settings: ReceiverSettings, routes: Sequence[Route]) -> HttpServer | None:
    """Take the address of metrics; None if none is wanted."""
    if not settings.metrics.listen:
        return None
    from rankcast.metrics import open_metrics_server

    return open_metrics_server(settings.metrics, routes)
