"""Fuzz target `requests`: control requests of several clients, without sockets and threads.

They pass through the dispatch of the control thread and the request handler to cameras that are
made of real parts. A message is `CLIENT NUL REQUEST`; the first letter of the client is its role.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness import main

ROLES = {b"o": "operator", b"v": "viewer"}
SLOW_TURNS = 3
"""Messages after which the cameras make the changes that were requested."""


SOURCE = 2
"""zmq.SRCFD, the descriptor of a connection."""
UNLIMITED = 10**9
"""Messages a second: the limits on floods are not what is tested."""


class FakePart:
    """One part of a message as pyzmq returns it, a zmq.Frame."""

    def __init__(self, data: bytes, user: str = "") -> None:
        self.bytes = data
        self.buffer = memoryview(data)
        self._user = user

    def get(self, name: str | int) -> str | int:
        if name == SOURCE:
            return -1
        assert name in ("User-Id", "Peer-Address")
        return self._user

    def __len__(self) -> int:
        return len(self.bytes)


class FakeRouter:
    """A ROUTER socket that has messages waiting and records what is sent."""

    def __init__(self) -> None:
        self.waiting: list[list[FakePart]] = []
        self.sent: list[list[bytes]] = []

    def recv_multipart(self, _flags: int, *, copy: bool) -> list[FakePart]:
        from zmq import Again

        assert not copy
        if not self.waiting:
            raise Again
        return self.waiting.pop(0)

    def send_multipart(self, parts: list[bytes], _flags: int) -> None:
        self.sent.append(parts)


class RequestsTarget:
    """Reached: a request reached the handler. Accepted: one of them succeeded."""

    name = "requests"

    def __init__(self) -> None:
        from rankcast import encoder, errors
        from rankcast.net import transport
        from rankcast.wire import control_messages as control
        from rankcast_sender import peers
        from rankcast_sender.control import control_thread as control_thread
        from rankcast_sender.control import request_handler
        from support.fakecamera import FakeCamera
        from support.intake import check_line

        self.reached = self.accepted = 0
        self._camera, self._check_line, self._check_options = (
            FakeCamera, check_line, encoder.check_options
        )  # fmt: skip
        self._control, self._errors, self._handler = control, errors, request_handler
        self._thread = control_thread.ControlThread
        self._guard, self._watch_type, self._limit = (
            peers.ConnectionGuard, peers.Watch, peers.RateLimit
        )  # fmt: skip
        self._options = transport.SocketOptions(4, 65536, 1024)

    def run(self, messages: list[bytes]) -> None:
        """Serve a whole session."""
        cameras = [self._camera("left", adjustable=True), self._camera("right", "raw")]
        handler = self._handler.RequestHandler(1 << 20)
        for camera in cameras:
            handler.add(camera)
        guard = self._guard()
        thread = self._thread(
            None, "tcp://127.0.0.1:1", self._options, handler, self._identify, guard=guard,
            max_messages_s=UNLIMITED, ban=None,
        )  # fmt: skip
        self._watch = self._watch_type(1, UNLIMITED, "", "")
        thread._all = thread._others = self._limit(UNLIMITED, UNLIMITED)
        thread._budgets = {}
        self._serve(thread, handler, cameras, messages)

    def _identify(self, client: bytes, user: str) -> Any:
        role = ROLES.get(user.encode()[:1])
        return self._handler.Client(client, role, user if role else "")

    def _serve(self, thread: Any, handler: Any, cameras: list[Any], messages: list[bytes]) -> None:
        router, wanted = FakeRouter(), []
        may_change = reached = False
        before = [dict(camera.settings) for camera in cameras]
        for number, message in enumerate(messages):
            client, _, data = message.partition(b"\0")
            user = client[:1].decode("ascii", "replace") + "user"
            junk = [FakePart(part, user) for part in data.split(b"\0\0\0\0", 1)]
            request = self._parsed(data)
            # A malformed request may have any number of parts.
            parts = junk if request is None else [FakePart(data, user)]
            router.waiting.append([FakePart(client), *parts])
            refused = thread.refused
            assert thread._read(router, self._watch)
            if request is None:
                assert thread.refused == refused + 1
            else:
                reached = True
                wanted.append((client, request.id))
                may_change |= ROLES.get(client[:1]) == "operator"
            if number % SLOW_TURNS == SLOW_TURNS - 1:
                self._turn(thread, router, handler, cameras)
        for _ in range(2):
            self._turn(thread, router, handler, cameras)
        assert not thread._pending, "some requests have no reply"
        accepted = self._check_replies(router.sent, wanted)
        after = [dict(camera.settings) for camera in cameras]
        assert may_change or before == after, "only operators change anything"
        for camera, settings in zip(cameras, after, strict=True):
            self._check_options(camera.codec, _settable(settings))
        self.reached += reached
        self.accepted += accepted

    def _parsed(self, data: bytes) -> Any:
        try:
            return self._control.parse_request(data)
        except self._errors.WireError as exc:
            self._check_line(exc)
            return None

    @staticmethod
    def _turn(thread: Any, router: FakeRouter, handler: Any, cameras: list[Any]) -> None:
        # The threads of settings and originals do this in a sender.
        settings = handler._settings
        while settings.serve_one():
            pass
        for camera in cameras:
            camera.turn()
        while settings.serve_one():
            pass
        originals = handler._originals
        while (one := originals._box.get(0)) is not None:
            one.finish(originals._code(one))
        thread._send_finished(router)

    def _check_replies(self, sent: list[list[bytes]], wanted: list[tuple[bytes, int]]) -> bool:
        answered, done = [], False
        for client, data in sent:
            reply = self._control.parse_reply(data)
            assert reply.ok != bool(reply.error), reply
            assert reply.error.isprintable()
            answered.append((client, reply.id))
            done |= reply.ok
        assert sorted(answered) == sorted(wanted), "one reply each"
        return done


def _settable(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


if __name__ == "__main__":
    main(RequestsTarget)
