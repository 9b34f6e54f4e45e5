"""Who watches which camera, from subscriptions alone; and what a flood of them can do."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.wire import frames_topic, keeper_topic, status_topic, viewer_topic
from rankcast_sender.sockets import audience
from rankcast_sender.sockets.audience import Audience
from rankcast_sender.sockets.foreign_topics import TOPIC_BYTES

BOTH = frozenset({"left", "right"})


def token(number: int) -> bytes:
    return number.to_bytes(16, "big")


def join(seen: Audience, topic: bytes, who: str = "anna") -> frozenset[str]:
    return seen.take(b"\1" + topic, lambda: who)


def leave(seen: Audience, topic: bytes) -> None:
    assert seen.take(b"\0" + topic, lambda: "nobody knows who left") == frozenset()


@pytest.mark.parametrize(
    ("topic", "reached", "viewers"),
    [
        (b"", BOTH, (1, 1)),
        (b"left/", {"left"}, (1, 0)),
        (frames_topic("right"), {"right"}, (0, 1)),
        (status_topic("left"), {"left"}, (0, 0)),
        (viewer_topic(token(1), "left"), {"left"}, (0, 0)),
        (viewer_topic(token(1), None), BOTH, (0, 0)),
        (viewer_topic(token(1), "middle"), set(), (0, 0)),
        (b"/viewer/left/short\0", set(), (0, 0)),
        (b"/viewer/left/", set(), (0, 0)),
        (frames_topic("left") + b"x", set(), (0, 0)),
        (b"junk", set(), (0, 0)),
    ],
)
def test_a_subscription_reaches_the_cameras_whose_messages_it_takes(
    topic: bytes, reached: set[str], viewers: tuple[int, int]
) -> None:
    seen = Audience(("left", "right"))
    assert join(seen, topic) == reached
    assert (seen.viewers("left"), seen.viewers("right")) == viewers
    leave(seen, topic)
    assert (seen.viewers("left"), seen.viewers("right")) == (0, 0)


def test_keepers_count_as_viewers_and_are_known_by_their_tokens() -> None:
    seen = Audience(("left", "right"))
    join(seen, frames_topic("left"))
    assert join(seen, keeper_topic(token(1), "left")) == {"left"}
    assert join(seen, keeper_topic(token(2), None)) == BOTH
    join(seen, viewer_topic(token(3), "left"))
    assert seen.viewers("left") == 3
    assert seen.keepers("left") == {token(1): "anna", token(2): "anna"}
    assert seen.keepers("right") == {token(2): "anna"}
    leave(seen, keeper_topic(token(2), None))
    leave(seen, viewer_topic(token(3), "left"))
    assert (seen.viewers("left"), seen.keepers("left")) == (1, {token(1): "anna"})
    assert seen.keepers("right") == {}


def test_topics_that_count_for_nothing_are_measured_while_they_last() -> None:
    seen = Audience(("left",))
    for topic in (b"junk", b"junk", b"/keeper/left/short\0", b"x" * 900):
        join(seen, topic)
    assert seen.foreign.bytes == 4 + 19 + 900 + 3 * TOPIC_BYTES
    join(seen, frames_topic("left"))
    join(seen, viewer_topic(token(1), "left"))
    assert seen.foreign.bytes == 4 + 19 + 900 + 3 * TOPIC_BYTES
    for topic in (b"junk", b"x" * 900, b"never seen"):
        leave(seen, topic)
    assert seen.foreign.bytes == 19 + TOPIC_BYTES


def test_viewers_are_counted_by_topics_of_their_own_and_plain_subscribers_as_one() -> None:
    seen = Audience(("left", "right"))
    join(seen, frames_topic("left"))
    assert seen.viewers("left") == 1
    for number in range(3):
        assert join(seen, viewer_topic(token(number), "left")) == {"left"}
        join(seen, viewer_topic(token(number), "left"))
    join(seen, viewer_topic(token(9), None))
    assert (seen.viewers("left"), seen.viewers("right")) == (4, 0)
    leave(seen, viewer_topic(token(0), "left"))
    assert seen.viewers("left") == 3
    leave(seen, frames_topic("left"))
    assert seen.viewers("left") == 0, "viewers that take no frames need none"


@pytest.mark.parametrize("junk", [b"junk%d", b"left/frames\0%d", b"/viewer/left/%032d", b"\1%d"])
def test_no_flood_of_topics_keeps_a_viewer_from_joining(junk: bytes) -> None:
    seen = Audience(("left",))
    for number in range(20_000):
        assert join(seen, junk % number, "mallory") == frozenset()
    assert join(seen, frames_topic("left")) == {"left"}
    assert join(seen, viewer_topic(token(1), "left")) == {"left"}
    assert seen.viewers("left") == 1


def test_a_flood_of_viewers_with_one_key_costs_the_others_nothing_not_even_their_count(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(audience, "MAX_VIEWERS_OF_ONE", 100)
    seen = Audience(("left",))
    join(seen, frames_topic("left"))
    for number in range(300):
        # Also those that are not counted get what everybody gets who joins.
        assert join(seen, viewer_topic(token(number), "left"), "mallory") == {"left"}
    assert seen.viewers("left") == 100
    assert join(seen, viewer_topic(token(1000), "left"), "anna") == {"left"}
    assert seen.viewers("left") == 101
    for number in range(300):
        leave(seen, viewer_topic(token(number), "left"))
    assert seen.viewers("left") == 1
    join(seen, viewer_topic(token(7), "left"), "mallory")
    assert seen.viewers("left") == 2, "who left counts no more"
    (said,) = caplog.records
    assert said.levelno == logging.WARNING


def test_all_viewers_together_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "MAX_VIEWERS", 50)
    seen = Audience(("left",))
    join(seen, frames_topic("left"))
    for number in range(100):
        assert join(seen, viewer_topic(token(number), "left"), f"address {number}") == {"left"}
    assert seen.viewers("left") == 50


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from(
                [b"", b"l", frames_topic("left"), status_topic("right"), b"junk"]
                + [viewer_topic(token(n), camera) for n in range(2) for camera in ("left", None)]
            ),
        )
    )
)
def test_the_count_is_that_of_the_subscriptions_that_stand(steps: list[tuple[bool, bytes]]) -> None:
    seen, standing = Audience(("left", "right")), set[bytes]()
    for here, topic in steps:
        if here:
            join(seen, topic)
            standing.add(topic)
        else:
            leave(seen, topic)
            standing.discard(topic)
    for camera in BOTH:
        watched = any(frames_topic(camera).startswith(topic) for topic in standing)
        viewers = {viewer_topic(token(n), name) for n in range(2) for name in (camera, None)}
        assert seen.viewers(camera) == (max(1, len(viewers & standing)) if watched else 0)
