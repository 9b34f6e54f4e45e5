"""Catch-ups on the wire: packets in one message, on the topic of one viewer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import WireError
from rankcast.wire import (
    MAX_CATCH_UP_PACKETS,
    frames_topic,
    keeper_topic,
    pack_catch_up,
    parse_catch_up,
    split_message,
    token_of,
    viewer_topic,
)

TOKEN = bytes(range(16))


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=MAX_CATCH_UP_PACKETS))
def test_packets_survive_in_their_order(packets: list[bytes]) -> None:
    message = memoryview(viewer_topic(TOKEN, None) + pack_catch_up(frames_topic("cam"), packets))
    found = token_of(message)
    assert found is not None
    assert found[0] == TOKEN
    camera, channel, data = split_message(found[1])
    assert (camera, channel) == ("cam", "frames")
    assert [bytes(packet) for packet in parse_catch_up(data)] == packets


@pytest.mark.parametrize("topic", [viewer_topic, keeper_topic])
@pytest.mark.parametrize("camera", ["cam", None])
def test_every_individual_topic_names_its_token(topic: Any, camera: str | None) -> None:
    found = token_of(memoryview(topic(TOKEN, camera) + b"rest"))
    assert found is not None
    assert (found[0], bytes(found[1])) == (TOKEN, b"rest")


@pytest.mark.parametrize(
    "message", [frames_topic("cam") + b"x", b"/viewer/cam/short\0", b"", b"/viewer//" + 32 * b"0",
                b"/spy/cam/" + 32 * b"0" + b"\0", b"/viewer/cam/" + 32 * b"G" + b"\0"]
)  # fmt: skip
def test_other_messages_are_nobodys_catch_up(message: bytes) -> None:
    assert token_of(memoryview(message)) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_packets_or_refused(data: bytes) -> None:
    try:
        packets = parse_catch_up(memoryview(data))
    except WireError:
        return
    assert sum(4 + len(packet) for packet in packets) == len(data)


def test_a_catch_up_has_a_limited_number_of_packets() -> None:
    data = memoryview(pack_catch_up(b"", [b""] * (MAX_CATCH_UP_PACKETS + 1)))
    with pytest.raises(WireError, match="more than 64 packets"):
        parse_catch_up(data)
