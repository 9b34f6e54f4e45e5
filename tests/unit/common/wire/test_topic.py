"""Camera names and topics."""

from __future__ import annotations

import pytest

from rankcast.errors import SettingsError, WireError
from rankcast.wire import (
    check_name,
    frames_topic,
    keeper_topic,
    keeper_topics,
    split_message,
    status_topic,
    viewer_topics,
)


@pytest.mark.parametrize("name", ["a", "cam", "line-3_b", "0", "x" * 32])
def test_names_make_topics_that_split_again(name: str) -> None:
    assert check_name(name) == name
    for topic, channel in ((frames_topic(name), "frames"), (status_topic(name), "status")):
        assert topic.endswith(b"\0")
        assert split_message(memoryview(topic + b"RKC\0x")) == (name, channel, b"RKC\0x")
        assert split_message(memoryview(topic)) == (name, channel, b"")


@pytest.mark.parametrize("name", ["", "x" * 33, "Cam", "a b", "a/b", "ä", "cam\n", "../x", "a\0b"])
def test_other_names_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(SettingsError, match="camera name") as caught:
        check_name(name)
    assert "\n" not in str(caught.value)


def test_a_subscription_to_cam1_does_not_match_cam10() -> None:
    assert not frames_topic("cam10").startswith(frames_topic("cam1"))


@pytest.mark.parametrize("camera", ["cam", None])
def test_keepers_have_topics_of_their_own(camera: str | None) -> None:
    topic = keeper_topic(bytes(range(16)), camera)
    assert topic == f"/keeper/{camera or '*'}/000102030405060708090a0b0c0d0e0f\0".encode()
    assert topic.startswith(keeper_topics(camera))
    assert not topic.startswith(viewer_topics(camera))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0",
        b"cam/frames",
        b"cam\0",
        b"/frames\0",
        b"cam/other\0",
        b"cam/frames.1\0",
        b"Cam/frames\0",
        b"cam/frames/x\0",
        b"\xff\xfe/frames\0",
        b"x" * 33 + b"/frames\0",
        b"cam/frames" + b" " * 5000 + b"\0",
    ],
)
def test_foreign_topics_are_refused_in_one_line(message: bytes) -> None:
    with pytest.raises(WireError, match="got topic") as caught:
        split_message(memoryview(message))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 150
