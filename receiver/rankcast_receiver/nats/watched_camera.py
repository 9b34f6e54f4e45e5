"""WatchedCamera: one camera at a NATS server, from its status to the key frames that it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.frame import Scalar
from rankcast.nats import FRAMES, STATUS, split_name, subject_of
from rankcast.wire import MAIN, stream_name
from rankcast_receiver.choice import StreamChoice
from rankcast_receiver.clock import SenderClock
from rankcast_receiver.nats.camera_client import CameraClient
from rankcast_receiver.net import SenderRequests
from rankcast_receiver.stream import CameraStream

WATCH_S: Final = 1.0
"""How often a viewer says that it watches; a sender forgets it after 4 s."""

End = Callable[[], Awaitable[None]]


class WatchedCamera:
    """What one camera gets from this receiver: subscriptions, presence, pings, reports, requests.

    Parameters
    ----------
    name : str
        ``SITE.CAMERA``.
    client : CameraClient
    clock : SenderClock
    token : bytes
        Identifies this receiver to the sender.
    subscribe : callable
        Subscribes to a subject, for this session; returns what ends that.
    reports : bool
        Measure the clock, report losses and ask for key frames.
    """

    def __init__(
        self,
        name: str,
        client: CameraClient,
        clock: SenderClock,
        token: bytes,
        subscribe: Callable[[str], Awaitable[End]],
        *,
        reports: bool,
    ) -> None:
        self.name = name
        self.client = client
        self.clock = clock
        self.requests = SenderRequests(client, name, lambda: {"": clock}, now_s=boot_s)
        self.missed = False
        """True once nobody takes requests for it."""
        self._token = token
        self._subscribe = subscribe
        self._reports = reports
        self._followed: dict[str, list[End]] = {}
        """What ends the subscriptions to each stream."""
        self._watched: tuple[str, ...] = (MAIN,)
        self._next_watch_s = 0.0

    def follows(self, stream: str = MAIN) -> bool:
        """Return True while the frames of a stream are subscribed to."""
        return stream in self._followed

    async def follow(self, stream: str = MAIN) -> None:
        """Subscribe to the frames of a stream, for this session."""
        if stream in self._followed:
            return
        ends = self._followed[stream] = []
        site, camera = split_name(self.name)
        # The status of the main stream is subscribed to in any case. Frames first: a status that
        # arrives then proves that frames would have, too.
        for channel in (FRAMES,) if stream == MAIN else (FRAMES, STATUS):
            ends.append(await self._subscribe(subject_of(site, camera, channel, stream)))

    async def unfollow(self, stream: str = MAIN) -> None:
        """End the subscriptions to a stream."""
        for end in self._followed.pop(stream, ()):
            await end()

    async def follow_only(self, streams: Sequence[str]) -> None:
        """Subscribe to the frames of these streams, and to no others."""
        for stream in streams:
            await self.follow(stream)
        for stream in set(self._followed).difference(streams):
            await self.unfollow(stream)

    def begin_session(self, sessions: int) -> None:
        """Forget clock, requests and subscriptions: connection and sender may be other ones."""
        self.client.sessions = sessions
        self._followed.clear()
        self._next_watch_s = 0.0
        self.clock.restart()
        self.requests.restart()

    def tick(
        self,
        stream: CameraStream | None,
        choice: StreamChoice | None,
        now_s: float,
        late_s: float | None,
    ) -> None:
        """Read the replies and send what is due; call it ten times a second.

        Parameters
        ----------
        stream : CameraStream or None
            None before any packet.
        choice : StreamChoice or None
            Which stream is received; None: the main one.
        now_s, late_s
            See `SenderRequests.report`.
        """
        requests = self.requests
        requests.read()
        self._say_presence((MAIN,) if choice is None else choice.subscribed, now_s)
        if not self._reports:
            return
        requests.tick()
        if choice is not None and (following := choice.keyframe_due(now_s)):
            requests.ask_first_keyframe(stream_name(self.name, following))
        if stream is None or stream.ended:
            return
        shown = self.name if choice is None else stream_name(self.name, choice.shown)
        if stream.needs_keyframe:
            requests.ask_keyframe(shown, stream)
        if stream.stream_ids and requests.report_due():
            requests.report(shown, stream, late_s)

    def leave(self) -> None:
        """Say that this receiver no longer watches."""
        for stream in self._watched:
            self._watch(stream, leave=True)

    def _say_presence(self, streams: tuple[str, ...], now_s: float) -> None:
        """Say once a second, and at each change, what is watched: only that is encoded."""
        if streams == self._watched and now_s < self._next_watch_s:
            return
        self._next_watch_s = now_s + WATCH_S
        for stream in streams:
            self._watch(stream)
        for stream in set(self._watched).difference(streams):
            self._watch(stream, leave=True)
        self._watched = streams

    def _watch(self, stream: str, *, leave: bool = False) -> None:
        args: dict[str, Scalar] = {"token": self._token}
        if leave:
            args["leave"] = True
        self.client.send("watch", stream_name(self.name, stream), args)
