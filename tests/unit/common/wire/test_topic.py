"""Camera names and topics."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import SettingsError, WireError
from rankcast.wire import (
    check_name,
    check_stream,
    check_substream,
    frames_topic,
    keeper_topic,
    keeper_topics,
    split_message,
    split_stream,
    status_topic,
    stream_name,
    viewer_topic,
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
        b"cam/frames.\0",
        b"cam/frames.SUB\0",
        b"cam/frames.main\0",
        b"cam/frames.auto\0",
        b"cam/frames.a.b\0",
        b"cam.sub/frames\0",
        b"cam/frames." + b"s" * 17 + b"\0",
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


NAMES = st.from_regex(r"[a-z0-9_-]{1,32}", fullmatch=True)
SUBSTREAMS = st.from_regex(r"[a-z0-9_-]{1,16}", fullmatch=True).filter(
    lambda name: name not in ("main", "auto")
)


@given(NAMES, st.just("main") | SUBSTREAMS, st.binary(max_size=8))
def test_every_stream_has_topics_that_split_again(camera: str, stream: str, packet: bytes) -> None:
    name = check_stream(stream_name(camera, stream))
    assert split_stream(name) == (camera, stream)
    for topic, channel in ((frames_topic(name), "frames"), (status_topic(name), "status")):
        assert split_message(memoryview(topic + packet)) == (name, channel, packet)
        assert topic.startswith(f"{camera}/{channel}".encode())
    assert viewer_topic(bytes(16), name).startswith(f"/viewer/{name}/".encode())


@given(NAMES, SUBSTREAMS, NAMES, SUBSTREAMS)
def test_no_topic_of_a_stream_begins_with_that_of_another(
    camera: str, stream: str, other: str, other_stream: str
) -> None:
    streams = {camera, f"{camera}.{stream}", other, f"{other}.{other_stream}"}
    for one in streams:
        for two in streams - {one}:
            assert not frames_topic(two).startswith(frames_topic(one))


@given(st.binary(max_size=80))
def test_what_is_taken_for_a_topic_is_one(message: bytes) -> None:
    try:
        name, channel, packet = split_message(memoryview(message))
    except WireError:
        return
    topic = frames_topic(name) if channel == "frames" else status_topic(name)
    assert message == topic + bytes(packet)
    assert check_stream(name) == name


@pytest.mark.parametrize("name", ["", "main", "auto", "s" * 17, "Sub", "a.b", "a/b", "sub\n"])
def test_other_names_of_substreams_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(SettingsError, match="stream name") as caught:
        check_substream(name)
    assert "\n" not in str(caught.value)
