"""What a relay answers itself, and what it has the sender of a camera do."""

from __future__ import annotations

from typing import Any

import pytest

from rankcast.wire import STREAM_ID_BYTES, TOKEN_BYTES, Request, Status
from rankcast_sender.control import OPERATOR, Client, Relaying, RequestHandler


class Watched:
    """A camera of another sender."""

    name, stream_id, state, key_sequence = "far", b"s" * STREAM_ID_BYTES, "live", 3

    def __init__(self, *, helps: bool = True) -> None:
        self.helps = helps
        self.asked: list[object] = []
        self.viewers: set[bytes] = set()

    def status(self) -> Status:
        return Status()

    def request_keyframe(self, *asked: object) -> bool:
        self.asked.append(asked)
        return True

    def topic_of(self, token: bytes) -> bytes:
        return b"/viewer/far/" + token.hex().encode() + b"\0" if token in self.viewers else b""

    def catch_up(self, token: bytes) -> bool:
        self.asked.append(token)
        return self.helps

    def credit(self, *asked: object) -> None:
        self.asked.append(asked)

    def report(self, *asked: object) -> bool:
        self.asked.append(asked)
        return True


def relay_of(camera: Watched, why: str = "") -> tuple[RequestHandler, list[tuple[str, str]]]:
    passed: list[tuple[str, str]] = []

    def pass_on(name: str, request: Request, _client: Client, _finish: object) -> str:
        passed.append((name, request.op))
        return why

    handler = RequestHandler(10**6, Relaying("me", pass_on, lambda _, here_ns: here_ns + 10**15))
    handler.add_relayed(camera)
    return handler, passed


def told(handler: RequestHandler, op: str, client: Client, camera: str = "far", **args: Any) -> Any:
    return handler.answer(Request(1, op, camera, args), client, 5, lambda _: None)


BOSS, ANNA = Client(b"b", OPERATOR), Client(b"a", "viewer")


def test_a_relay_passes_on_what_only_the_sender_can_do_after_it_has_looked_at_the_role() -> None:
    handler, passed = relay_of(Watched())
    for op in ("set", "get", "original", "record"):
        assert told(handler, op, BOSS) is None
    assert told(handler, "record", BOSS, camera="") is None
    assert passed == [("far", op) for op in ("set", "get", "original", "record")] + [("", "record")]
    for op in ("set", "original", "record"):
        assert "needs an operator key" in told(handler, op, ANNA).error
    limited = Client(b"l", OPERATOR, cameras=frozenset({"near"}))
    assert "no camera" in told(handler, "set", limited).error
    assert "some only" in told(handler, "record", limited, camera="").error
    assert len(passed) == 5


def test_why_a_request_is_not_passed_on_is_the_answer() -> None:
    handler, _ = relay_of(Watched(), "too many")
    assert told(handler, "get", ANNA).error == "too many"


def test_a_relay_answers_a_ping_with_the_clock_of_the_camera_and_a_status_with_its_id() -> None:
    handler, _ = relay_of(Watched())
    found = told(handler, "ping", ANNA, t0=1).result
    assert found["t1"] == 5 + 10**15
    assert found["t2"] >= found["t1"]
    assert told(handler, "status", ANNA).result["relay_id"] == "me"


@pytest.mark.parametrize("helps", [True, False])
def test_a_token_gets_a_catch_up_where_that_helps_and_else_a_key_frame(helps: bool) -> None:
    camera, token = Watched(helps=helps), b"t" * TOKEN_BYTES
    handler, _ = relay_of(camera)
    assert told(handler, "keyframe", ANNA, token=token, catch_up=True, sequence=7).result == {
        "coming": True, "sequence": 3,
    }  # fmt: skip
    assert camera.asked == ([token] if helps else [token, (b"", 7, b"client/a")])
    assert "want 16 bytes" in told(handler, "keyframe", ANNA, token=b"short").error
    assert "want true or false" in told(handler, "keyframe", ANNA, catch_up=1).error
    camera.asked.clear()
    assert told(handler, "keyframe", ANNA, token=token).ok
    assert camera.asked == [(b"", None, b"client/a")], "only a key frame helps who says no more"


def test_who_requests_key_frames_without_having_joined_is_one_viewer_with_its_key_or_address() -> (
    None
):
    camera, token, other = Watched(helps=False), b"t" * TOKEN_BYTES, b"o" * TOKEN_BYTES
    camera.viewers.add(token)
    handler, _ = relay_of(camera)
    for number, asked_token in enumerate((token, other, b"")):
        client = Client(b"%d" % number, "viewer", peer="10.0.0.7")
        args = {"token": asked_token} if asked_token else {}
        assert told(handler, "keyframe", client, **args).ok
    viewers = [asked[2] for asked in camera.asked if isinstance(asked, tuple)]
    assert viewers == [camera.topic_of(token), b"peer/10.0.0.7", b"peer/10.0.0.7"]


def test_a_relay_without_cameras_says_so() -> None:
    handler = RequestHandler(10**6, Relaying("me", lambda *_: "", lambda _, here_ns: here_ns))
    assert "no camera yet" in told(handler, "get", BOSS).error
