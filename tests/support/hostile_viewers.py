"""Admitted viewers in bad faith: what one of them may do to the others is bounded."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import zmq

from rankcast.frame import Scalar
from rankcast.net import control_endpoint
from rankcast.wire import Request, frames_topic, pack_request, parse_reply, viewer_topic

PAUSE_S: Final = 0.02
"""Between two messages of one kind: the sender is to be tried, not the machine's processors."""


class HostileViewer:
    """Sends what a viewer may send, as often as `PAUSE_S` allows, from the calling thread.

    Parameters
    ----------
    address : str
        Address of the frames.
    camera : str
    """

    def __init__(self, address: str, camera: str = "cam") -> None:
        self._address = address
        self._camera = camera
        self.sent = 0
        """Messages so far."""
        self._claims: Mapping[str, Scalar] = {}
        """What a request says of the newest key frame."""

    def ask_keyframes(self, stopped: threading.Event) -> None:
        """Request key frames, and say of each that it has arrived, which opens the way for more."""
        self._request("keyframe", lambda: self._claims, stopped)

    def ping(self, stopped: threading.Event) -> None:
        """Send pings."""
        self._request("ping", lambda: {"t0": 1}, stopped)

    def rejoin(self, stopped: threading.Event) -> None:
        """Subscribe and unsubscribe, each time as another viewer."""
        with self._socket(zmq.SUB, self._address) as socket:
            while not stopped.wait(PAUSE_S):
                for topic in (frames_topic(self._camera),
                              viewer_topic(os.urandom(16), self._camera)):  # fmt: skip
                    socket.setsockopt(zmq.SUBSCRIBE, topic)
                    socket.setsockopt(zmq.UNSUBSCRIBE, topic)
                    self.sent += 2
                _drain(socket)

    def _request(
        self, op: str, args: Callable[[], Mapping[str, Scalar]], stopped: threading.Event
    ) -> None:
        with self._socket(zmq.DEALER, control_endpoint(self._address)) as socket:
            while not stopped.wait(PAUSE_S):
                self.sent += 1
                request = Request(self.sent, op, self._camera if op == "keyframe" else "", args())
                try:
                    socket.send(pack_request(request), zmq.NOBLOCK)
                except zmq.Again:
                    self.sent -= 1
                for reply in _drain(socket):
                    sequence = parse_reply(reply).result.get("sequence")
                    if isinstance(sequence, int):
                        self._claims = {"sequence": sequence}

    @contextmanager
    def _socket(self, kind: int, address: str) -> Iterator[zmq.Socket[bytes]]:
        with zmq.Context() as context, context.socket(kind) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(address)
            yield socket


ATTACKS: Final[Mapping[str, tuple[str, ...]]] = {
    "requests": ("ask_keyframes",),
    "rejoins": ("rejoin",),
    "everything": ("ask_keyframes", "rejoin", "ping"),
}
"""Names of attacks, and the methods of `HostileViewer` that run at the same time."""


@contextmanager
def attack(address: str, name: str) -> Iterator[list[HostileViewer]]:
    """Run an attack of `ATTACKS` for the length of the block."""
    stopped = threading.Event()
    viewers = [HostileViewer(address) for _ in ATTACKS[name]]
    threads = [
        threading.Thread(target=getattr(viewer, method), args=(stopped,), name=f"hostile {method}")
        for viewer, method in zip(viewers, ATTACKS[name], strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        yield viewers
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


class WireCounter:
    """A plain subscriber that counts the bytes which one viewer of a camera gets."""

    def __init__(self, address: str, camera: str = "cam") -> None:
        self._address = address
        self._topic = f"{camera}/".encode("ascii")
        self._stopped = threading.Event()
        self.sizes: list[int] = []
        """Size of each message with frames."""
        self.status_bytes = 0
        self._thread = threading.Thread(target=self._run, name="wire counter")

    def __enter__(self) -> WireCounter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.RCVHWM, 0)
            socket.setsockopt(zmq.SUBSCRIBE, self._topic)
            socket.connect(self._address)
            while not self._stopped.is_set():
                if not socket.poll(50):
                    continue
                message = socket.recv()
                if message.startswith(self._topic + b"frames"):
                    self.sizes.append(len(message))
                else:
                    self.status_bytes += len(message)


def _drain(socket: zmq.Socket[Any]) -> list[bytes]:
    drained: list[bytes] = []
    while True:
        try:
            drained.append(socket.recv(zmq.NOBLOCK))
        except zmq.Again:
            return drained
