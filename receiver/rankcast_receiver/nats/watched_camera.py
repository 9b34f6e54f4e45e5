"""WatchedCamera: one camera at a NATS server, from its status to the key frames that it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast_receiver.clock import SenderClock
from rankcast_receiver.nats.camera_client import CameraClient
from rankcast_receiver.net import SenderRequests
from rankcast_receiver.stream import CameraStream

WATCH_S: Final = 1.0
"""How often a viewer says that it watches; a sender forgets it after 4 s."""


class WatchedCamera:
    """What one camera gets from this receiver: presence, pings, reports, requests.

    Parameters
    ----------
    name : str
        ``SITE.CAMERA``.
    client : CameraClient
    clock : SenderClock
    token : bytes
        Identifies this receiver to the sender.
    reports : bool
        Measure the clock, report losses and ask for key frames.
    """

    def __init__(
        self, name: str, client: CameraClient, clock: SenderClock, token: bytes, *, reports: bool
    ) -> None:
        self.name = name
        self.client = client
        self.clock = clock
        self.requests = SenderRequests(client, name, lambda: {"": clock}, now_s=boot_s)
        self.unsubscribe: Callable[[], Awaitable[None]] | None = None
        """Ends the subscription to its frames; None while there is none."""
        self.missed = False
        """True once nobody takes requests for it."""
        self._token = token
        self._reports = reports
        self._next_watch_s = 0.0

    def begin_session(self, sessions: int) -> None:
        """Forget clock, requests and subscription: connection and sender may be other ones."""
        self.client.sessions = sessions
        self.unsubscribe = None
        self._next_watch_s = 0.0
        self.clock.restart()
        self.requests.restart()

    def tick(self, stream: CameraStream | None, now_s: float, late_s: float | None) -> None:
        """Read the replies and send what is due; call it ten times a second."""
        requests = self.requests
        requests.read()
        if now_s >= self._next_watch_s:
            self._next_watch_s = now_s + WATCH_S
            self.client.send("watch", args={"token": self._token})
        if not self._reports:
            return
        requests.tick()
        if stream is None or stream.ended:
            return
        if stream.needs_keyframe:
            requests.ask_keyframe(self.name, stream)
        if stream.stream_ids and requests.report_due():
            requests.report(self.name, stream, late_s)

    def leave(self) -> None:
        """Say that this receiver no longer watches."""
        self.client.send("watch", args={"token": self._token, "leave": True})
