"""WebServer: the web address of a receiver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.routing import BaseRoute

from rankcast.web import Access, HttpServer, Listen
from rankcast_receiver.sinks import PacketSink as AnyPacketSink
from rankcast_receiver.sinks import Sink
from rankcast_receiver.web.application import Application
from rankcast_receiver.web.live import Inbox, PacketSink
from rankcast_receiver.web.pictures import NewestPictures, PictureSink
from rankcast_receiver.web.receiver_view import ReceiverView


@dataclass(frozen=True, slots=True)
class WebOptions:
    """Options of the web address."""

    listen: Listen
    token: str = ""
    """Empty: everybody may ask."""
    hosts: Sequence[str] = ()
    """Names of this server besides those that it knows."""
    control: bool = False
    """Pages may change the senders."""
    recordings: Path | None = None
    """Folder of recordings to show."""
    models: Path | None = None
    """Folder of the model files that packets of recordings name."""


class WebServer:
    """Shows what a receiver receives, on one address.

    Parameters
    ----------
    options : WebOptions
    view : ReceiverView
    routes : sequence of BaseRoute
        Further routes, behind the same guard.

    Raises
    ------
    SettingsError
        If the certificate or its key cannot be used.
    TransportError
        If the address cannot be taken.
    """

    def __init__(
        self, options: WebOptions, view: ReceiverView, routes: Sequence[BaseRoute] = ()
    ) -> None:
        self._inbox = Inbox()
        self._newest = NewestPictures(self._inbox.put_picture, view.is_newest)
        self._application = Application(
            view,
            self._inbox,
            self._newest,
            Access(options.token, options.hosts),
            control=options.control,
            recordings=options.recordings,
            models=options.models,
            routes=routes,
            stopping=lambda: self._server.stopping,
        )
        self._server = HttpServer(
            self._application.guarded,
            options.listen,
            thread="http",
            background=self._application.run,
        )

    @property
    def url(self) -> str:
        """Address of the page."""
        return self._server.url

    @property
    def packets_dropped(self) -> int:
        """Packets that came faster than they could be handed to pages."""
        return self._inbox.dropped

    @property
    def ended(self) -> bool:
        """True if the server has failed, or was stopped: `stop` raises why."""
        return self._server.ended

    @property
    def sinks(self) -> Sequence[tuple[str, Callable[[], Sink | AnyPacketSink]]]:
        """Names and functions that open the sinks of this server; the first gets every picture."""
        return (
            (PacketSink.name, lambda: PacketSink(self._inbox)),
            (PictureSink.name, lambda: PictureSink(self._newest)),
        )

    def start(self) -> None:
        """Begin to answer."""
        self._server.start()

    def end(self) -> None:
        """Ask the server to end, without waiting."""
        self._server.end()

    def stop(self) -> None:
        """End the server, close all connections, and raise what ended it if it failed."""
        self._server.stop()
