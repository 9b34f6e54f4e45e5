"""What a relay sends to a viewer that joins in the middle of a chain, at that viewer."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pytest

import rankcast
from rankcast.errors import WireError
from rankcast.wire import (
    Kind,
    Limits,
    Status,
    frames_topic,
    pack_catch_up,
    pack_status,
    status_topic,
    viewer_topic,
)
from rankcast_receiver.stream import CameraStream, ReceivedPacket, StreamOptions, read_message

TOKEN = bytes(range(16))
COUNT = 12


def group(count: int = COUNT) -> list[bytes]:
    """A key frame and predicted frames."""
    encoder = rankcast.Encoder("svd-patch", gop=10_000)
    ramp = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    return [encoder.encode(np.roll(ramp, number, axis=1)) for number in range(count)]


def message(data: bytes, limits: Limits | None = None, token: bytes = TOKEN) -> ReceivedPacket:
    return read_message(memoryview(data), limits or Limits(), 0.0, token)


def catch_up(packets: Sequence[bytes], token: bytes = TOKEN) -> bytes:
    return viewer_topic(token, None) + pack_catch_up(frames_topic("cam"), packets)


def frame(data: bytes) -> ReceivedPacket:
    return message(frames_topic("cam") + data)


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("on_demand", [True, False])
@pytest.mark.parametrize("together", [True, False])
def test_a_viewer_goes_on_behind_a_catch_up_and_counts_each_frame_once(
    live: bool, on_demand: bool, together: bool
) -> None:
    packets = group()
    stream = CameraStream("cam", StreamOptions(live=live, on_demand=on_demand))
    # A frame that came too early, the way to frame 7, and all that follow.
    arrived = [frame(packets[6]), message(catch_up(packets[:8])), *map(frame, packets[8:])]
    for batch in [arrived] if together else [[item] for item in arrived]:
        stream.decode(batch)
    balance = stream.ledger.balance()
    assert not stream.needs_keyframe
    assert balance.entered == COUNT - 6
    assert balance.under_way == 0
    assert balance.lost["waiting_for_keyframe"] == 1
    assert balance.lost["network_gap"] == 1  # frame 7, which is part of the catch-up alone
    assert balance.passed + balance.lost.get("skipped_as_old", 0) == 4


@pytest.mark.parametrize("on_demand", [True, False])
def test_a_viewer_joins_until_its_first_picture_can_be_decoded(on_demand: bool) -> None:
    packets = group()
    stream = CameraStream("cam", StreamOptions(on_demand=on_demand))
    stream.decode([frame(packets[6])])
    assert stream.joining
    assert stream.waiting_for_keyframe
    stream.decode([message(catch_up(packets[:8]))])
    assert not stream.joining
    stream.decode([frame(packets[9])])  # frame 8 was lost
    assert stream.waiting_for_keyframe
    assert not stream.joining


def test_the_pictures_behind_a_catch_up_are_those_that_were_sent() -> None:
    packets = group()
    stream, decoder = CameraStream("cam", StreamOptions(live=False)), rankcast.Decoder()
    expected = [decoder.decode(packet) for packet in packets]
    stream.decode([message(catch_up(packets[:10]))])
    for number in (10, 11):
        found = stream.decode([frame(packets[number])]).frame
        assert found is not None
        np.testing.assert_array_equal(found.pixels, expected[number])


def test_a_reference_begins_a_catch_up_as_well_as_a_key_frame() -> None:
    packets, decoder = group(), rankcast.Decoder()
    for packet in packets[:9]:
        decoder.decode(packet)
    stream = CameraStream("cam", StreamOptions(live=False))
    stream.decode([message(catch_up([decoder.reference_packet(), packets[9]]))])
    assert stream.decode([frame(packets[10])]).frame is not None
    assert stream.ledger.balance().entered == 1


def test_a_catch_up_is_ignored_while_all_is_well() -> None:
    packets = group()
    stream = CameraStream("cam", StreamOptions(live=False))
    for packet in packets[:10]:
        stream.decode([frame(packet)])
    decoded = stream.decoded_packets
    stream.decode([message(catch_up(packets[:3]))])
    assert stream.decoded_packets == decoded
    assert stream.decode([frame(packets[10])]).frame is not None
    assert stream.ledger.balance().lost == {}


def test_a_catch_up_of_another_stream_changes_nothing() -> None:
    packets, others = group(), group()
    stream = CameraStream("cam", StreamOptions(live=False))
    stream.decode([frame(packets[3])])
    before = stream.stream_id
    stream.decode([message(catch_up(others))])
    assert stream.stream_id == before
    assert stream.waiting_for_keyframe


def test_decoding_a_catch_up_has_the_budget_of_a_batch() -> None:
    packets = group()
    stream = CameraStream("cam", StreamOptions())
    stream.decode([message(catch_up(packets))], budget_s=0.0)
    assert stream.decoded_packets <= 1


def refusal(data: bytes, limits: Limits | None = None) -> str:
    received = message(data, limits)
    assert received.packet is None
    assert received.error is not None
    return str(received.error)


def test_a_hostile_relay_gets_no_more_by_catch_ups_than_by_frames() -> None:
    packets, stream_id = group(4), os.urandom(8)
    status = pack_status(Kind.STATUS, stream_id, Status(), 1, 2)
    most = sum(4 + len(packet) for packet in packets)
    assert message(catch_up(packets), Limits(max_packet_bytes=most)).error is None
    assert f"the limit is {most - 1}" in refusal(
        catch_up(packets), Limits(max_packet_bytes=most - 1)
    )
    assert "begins with kind PREDICTED" in refusal(catch_up(packets[1:]))
    assert "in order" in refusal(catch_up([packets[0], packets[2], packets[1]]))
    assert "kind KEY within" in refusal(catch_up([packets[0], group(1)[0]]))
    assert "STATUS" in refusal(catch_up([packets[0], status]))
    assert "in order" in refusal(catch_up([packets[0], group(2)[1]]))
    assert "side" in refusal(catch_up(packets), Limits(max_side=63))
    assert "CRC" in refusal(catch_up([packets[0], packets[1][:-1] + b"x"]))


def test_what_is_sent_to_another_viewer_is_a_foreign_message() -> None:
    with pytest.raises(WireError, match="another viewer"):
        message(catch_up(group(1), token=bytes(16)))
    with pytest.raises(WireError, match="topic"):
        message(viewer_topic(TOKEN, None) + b"junk")
    with pytest.raises(WireError, match="on topic status"):
        message(viewer_topic(TOKEN, None) + pack_catch_up(status_topic("cam"), group(1)))
