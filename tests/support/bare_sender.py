"""A bare XPUB socket that sends what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import zmq

import rankcast
from rankcast.wire import Kind, Status, frames_topic, pack_status, status_topic
from support.fakes import picture

WAIT_S = 10.0


class Sender:
    """An XPUB socket with a few cameras."""

    def __init__(self, socket: zmq.Socket[bytes], names: tuple[str, ...], codec: str) -> None:
        self.socket = socket
        self.encoders = {name: rankcast.Encoder(codec) for name in names}

    def wait_viewers(self, count: int = 1) -> None:
        """Wait until a viewer came `count` times; its own topic is the last that it takes."""
        while count:
            assert self.socket.poll(int(WAIT_S * 1000)), "nobody subscribed"
            count -= self.socket.recv().startswith((b"\1/viewer/", b"\1/keeper/"))

    def packet(self, name: str, value: int = 0) -> bytes:
        return self.encoders[name].encode(picture(value))

    def frame(self, name: str, value: int = 0) -> None:
        self.socket.send(frames_topic(name) + self.packet(name, value))

    def say(self, name: str, state: str = "live", kind: Kind = Kind.STATUS) -> None:
        encoder = self.encoders[name]
        status = Status(published=encoder.sequence, state=state)
        self.socket.send(status_topic(name) + pack_status(kind, encoder.stream_id, status, 1, 2))

    def end(self) -> None:
        for name in self.encoders:
            self.say(name, "ended", Kind.END)


@contextmanager
def sender(
    address: str, *names: str, codec: str = "raw", options: dict[int, Any] | None = None
) -> Iterator[Sender]:
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.setsockopt(zmq.LINGER, 1000)
        for option, value in (options or {}).items():
            socket.setsockopt(option, value)
        socket.bind(address)
        yield Sender(socket, names or ("cam",), codec)


@contextmanager
def in_thread(work: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join(WAIT_S)
