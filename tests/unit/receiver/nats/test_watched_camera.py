"""What a receiver subscribes to and says it watches, of each stream of a camera."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from rankcast.wire import Limits, parse_request
from rankcast_receiver.choice import StreamChoice
from rankcast_receiver.clock import SenderClock
from rankcast_receiver.nats.camera_client import CameraClient
from rankcast_receiver.nats.watched_camera import WATCH_S, WatchedCamera

TOKEN = b"t" * 16


class Server:
    """Notes subscriptions, and who says that it watches what."""

    def __init__(self) -> None:
        self.subjects: list[str] = []
        self.said: list[tuple[str, bool]] = []
        client = CameraClient("site", "cam", self._send, Limits())
        self.camera = WatchedCamera(
            "site.cam", client, SenderClock(), TOKEN, self._subscribe, reports=False
        )

    def _send(self, _subject: str, data: bytes) -> bool:
        request = parse_request(data)
        assert request.args["token"] == TOKEN
        self.said.append((request.camera, bool(request.args.get("leave", False))))
        return True

    async def _subscribe(self, subject: str) -> Callable[[], Awaitable[None]]:
        self.subjects.append(subject)

        async def end() -> None:
            self.subjects.remove(subject)

        return end


def test_only_the_wanted_streams_are_subscribed_to() -> None:
    async def follow() -> None:
        camera = server.camera
        await camera.follow_only(("main",))
        assert server.subjects == ["rankcast.site.cam.frames"]
        await camera.follow_only(("main", "sub"))
        await camera.follow_only(("sub",))
        assert server.subjects == ["rankcast.site.cam.frames.sub", "rankcast.site.cam.status.sub"]
        assert (camera.follows(), camera.follows("sub")) == (False, True)
        camera.begin_session(2)
        assert not camera.follows("sub")

    server = Server()
    asyncio.run(follow())


def test_what_is_watched_is_said_once_a_second_and_at_each_change() -> None:
    server, choice = Server(), StreamChoice("sub", "site.cam", 0.0)
    for now_s in (1.0, 1.1, 1.0 + WATCH_S):
        server.camera.tick(None, choice, now_s, None)
    assert server.said == [("cam.sub", False), ("cam", True), ("cam.sub", False)]
    choice.subscribed = ("main", "sub")
    server.camera.tick(None, choice, 1.2 + WATCH_S, None)
    assert server.said[3:] == [("cam", False), ("cam.sub", False)]
    server.said.clear()
    server.camera.leave()
    assert server.said == [("cam", True), ("cam.sub", True)]


def test_without_a_choice_the_camera_itself_is_watched() -> None:
    server = Server()
    server.camera.tick(None, None, 1.0, None)
    assert server.said == [("cam", False)]
