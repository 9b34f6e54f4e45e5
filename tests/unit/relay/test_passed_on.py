"""Requests that a relay passes on: the replies come back, and the camera is not flooded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rankcast.frame import Scalar
from rankcast.wire import Reply, Request
from rankcast_relay.passed_on import REQUESTS_AT_ONCE, PassedOn
from rankcast_sender.control import OPERATOR, Client

CLIENT = Client(b"b", OPERATOR)


class FakeSubscriber:
    """Answers every request at once."""

    streams: Mapping[str, object] = {"cam": None}

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def ask(
        self, camera: str, op: str, args: Mapping[str, Scalar], on_reply: Callable[[Reply], object]
    ) -> None:
        self.asked.append((camera, op))
        on_reply(Reply(0, True, result=args))


def passing(*, one_station: bool = True) -> tuple[Any, FakeSubscriber, list[Reply]]:
    subscriber, replies = FakeSubscriber(), list[Reply]()
    passed_on = PassedOn(
        lambda: subscriber,  # type: ignore[arg-type, return-value]
        lambda name: name.replace("berlin-", "berlin."),
        one_station=one_station,
    )

    def ask(camera: str, op: str = "get") -> str:
        return passed_on(camera, Request(7, op, camera, {"a": 1}), CLIENT, replies.append)

    return ask, subscriber, replies


def test_a_reply_comes_back_under_the_number_of_the_request() -> None:
    ask, subscriber, replies = passing()
    assert ask("cam", "set") == ""
    assert subscriber.asked == [("cam", "set")]
    assert replies == [Reply(7, True, result={"a": 1})]


def test_the_camera_is_asked_by_the_name_under_which_it_arrives() -> None:
    ask, subscriber, _ = passing()
    assert ask("berlin-line3") == ""
    assert subscriber.asked == [("berlin.line3", "get")]


def test_a_recording_of_all_cameras_goes_to_the_only_sender_and_to_none_of_several() -> None:
    ask, subscriber, _ = passing()
    assert ask("", "record") == ""
    assert subscriber.asked == [("cam", "record")]
    ask, subscriber, _ = passing(one_station=False)
    assert "several senders" in ask("", "record")
    assert subscriber.asked == []


def test_all_viewers_together_have_a_budget() -> None:
    ask, subscriber, _ = passing()
    answers = [ask("cam") for _ in range(2 * REQUESTS_AT_ONCE)]
    assert "at most 50 requests a second" in answers[-1]
    assert REQUESTS_AT_ONCE <= len(subscriber.asked) < 1.5 * REQUESTS_AT_ONCE


def test_nothing_is_passed_on_while_nothing_is_received() -> None:
    passed_on = PassedOn(lambda: None, str, one_station=True)
    request = Request(7, "get", "cam", {})
    assert "receives nothing" in passed_on("cam", request, CLIENT, lambda _: None)
