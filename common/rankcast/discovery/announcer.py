"""Announcer: announces the cameras of one sender by mDNS, beside the stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from rankcast.discovery.camera_facts import CameraFacts
from rankcast.discovery.reach import Adapter, adapters
from rankcast.runtime import Worker

if TYPE_CHECKING:
    from rankcast.discovery.responder import Responder

ANNOUNCER_STOP_S: Final = 1.5
"""Longest time that saying goodbye and closing the sockets takes."""
PICTURE_S: Final = 1.0
"""How long to wait for the first pictures: what is said first is then complete, and loading
zeroconf does not delay them."""


class Announcer:
    """Announces cameras until `stop`, through the interfaces that the sender is bound to.

    Parameters
    ----------
    host : str
        Host of the address that viewers connect to; decides how far the cameras are announced.
    port : int
    cameras : callable
        Returns what is to be announced; called once a second, in the thread of the announcer.
    key : bytes
        Public key of the sender, 40 characters of Z85; empty without keys.
    known : callable
        Returns the network interfaces of this machine.

    Notes
    -----
    Where multicast is impossible, one line says so, and it is tried again. Nothing here can hold up
    a stream: the thread shares no lock with it.
    """

    def __init__(
        self,
        host: str,
        port: int,
        cameras: Callable[[], Sequence[CameraFacts]],
        key: bytes = b"",
        *,
        known: Callable[[], Sequence[Adapter]] = adapters,
    ) -> None:
        self._host = host
        self._port = port
        self._cameras = cameras
        self._key = key
        self._known = known
        self._stopping = threading.Event()
        self._responder: Responder | None = None
        self._worker = Worker("rankcast-announce", self._run, task="announcing by mDNS")

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def stop(self) -> None:
        """Ask the thread to say goodbye and end, without waiting for it."""
        self._stopping.set()
        responder = self._responder
        if responder is not None:
            responder.stop()

    def close(self, timeout_s: float = ANNOUNCER_STOP_S) -> None:
        """Wait until the thread has ended; may be called twice.

        Raises
        ------
        BaseException
            The exception that ended the thread; a network without multicast is none.
        """
        self.stop()
        self._worker.join(timeout_s)

    def _run(self) -> None:
        until_s = time.monotonic() + PICTURE_S
        while any(camera.size is None for camera in self._cameras()):
            if time.monotonic() > until_s:
                break
            if self._stopping.wait(PICTURE_S / 10):
                return
        from rankcast.discovery.responder import Responder

        responder = Responder(self._host, self._port, self._cameras, self._key, self._known)
        self._responder = responder
        if not self._stopping.is_set():
            responder.run()
