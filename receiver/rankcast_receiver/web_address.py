"""The web address of `rankcast receive`: opened from the settings, ended beside the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rankcast.errors import SettingsError
from rankcast_receiver.pipeline import ReceiverPipeline
from rankcast_receiver.settings import ReceiverSettings

if TYPE_CHECKING:
    from rankcast_receiver.web import WebServer

WEB: Final = "web"
"""Name of its sink of packets."""
WEB_SINKS: Final = (WEB, "pictures")


def open_web(
    settings: ReceiverSettings, pipeline: Callable[[], ReceiverPipeline]
) -> WebServer | None:
    """Take the web address; None without one. Its libraries are imported only for it.

    Parameters
    ----------
    settings : ReceiverSettings
    pipeline : callable
        Returns the pipeline, once there is one.

    Raises
    ------
    SettingsError
        If the token, the certificate or the folder of recordings cannot be used.
    TransportError
        If the address is taken.
    """
    web = settings.web
    if not web.listen:
        return None
    from rankcast.web import parse_listen, read_token
    from rankcast_receiver.web import ReceiverView, WebOptions, WebServer

    if web.recordings and not Path(web.recordings).is_dir():
        raise SettingsError(f"--web-recordings is not a directory: {web.recordings}")
    options = WebOptions(
        listen=parse_listen(web.listen, web.tls_cert, web.tls_key),
        token=read_token(Path(web.token)) if web.token else "",
        hosts=web.hosts,
        control=web.control,
        recordings=Path(web.recordings) if web.recordings else None,
    )
    view = ReceiverView(
        states=lambda: pipeline().states(),
        streams=lambda: pipeline().streams(),
        want_keyframe=lambda camera, wanted: pipeline().want_keyframe(WEB, camera, wanted),
        control_address=lambda camera: pipeline().control_address(camera),
        ask=lambda camera, op, args: pipeline().ask(camera, op, args),
        limits=settings.limits.limits(),
    )
    return WebServer(options, view)


@contextmanager
def ending(web: WebServer | None) -> Iterator[None]:
    """End the web address beside the pipeline, and raise why it failed if it has."""
    if web is not None:
        web.end()
    try:
        yield
    finally:
        if web is not None:
            web.stop()
