"""The ledger of one camera: every packet in order, every loss with a cause."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rankcast
from rankcast.errors import LimitError, WireError
from rankcast.frame import Frame
from rankcast.runtime import (
    NETWORK_GAP,
    REFUSED_PACKET,
    SKIPPED_AS_OLD,
    WAITING_FOR_KEYFRAME,
    WRONG_CHECKSUM,
    Ledger,
)
from rankcast.wire import Kind, Limits, Packet, Status, pack, pack_status, status_topic, unpack
from rankcast_receiver.stream import CameraStream, StreamOptions, read_message
from rankcast_receiver.stream.sequence_gaps import MAX_GAP
from support.fakes import picture
from support.received import received, refused


def make_stream(*, live: bool = True) -> tuple[CameraStream, Ledger]:
    stream = CameraStream("cam", StreamOptions(live=live))
    return stream, stream.ledger


def packets(count: int) -> list[Packet]:
    encoder = rankcast.Encoder("raw")
    return [unpack(encoder.encode(picture(n))) for n in range(count)]


def status(stream_id: bytes, published: int, kind: Kind = Kind.STATUS) -> Packet:
    return unpack(pack_status(kind, stream_id, Status(published=published), 1, 2))


def take(stream: CameraStream, *arrived: Packet) -> Frame | None:
    """Return the frame of one turn with these packets."""
    return stream.decode([received(packet) for packet in arrived]).frame


def fresh(stream: CameraStream, *arrived: Packet) -> list[int]:
    """Return the sequences of the pictures that are new in one turn with these packets."""
    decoded = stream.decode([received(packet) for packet in arrived])
    return [item.packet.header.sequence for item in decoded.packets]


def test_frames_are_counted_from_the_one_at_which_the_receiver_joined() -> None:
    stream, ledger = make_stream()
    for packet in packets(10)[4:]:
        assert take(stream, packet) is not None
    balance = ledger.balance()
    assert (balance.entered, balance.passed, dict(balance.lost)) == (6, 6, {})


def test_missing_frames_are_network_gaps_also_at_the_tail() -> None:
    stream, ledger = make_stream()
    sent = packets(10)
    for index in (0, 1, 5):
        take(stream, sent[index])
    take(stream, status(sent[0].header.stream_id, 10, Kind.END))
    balance = ledger.balance()
    assert (balance.entered, balance.passed, dict(balance.lost)) == (10, 3, {NETWORK_GAP: 7})
    assert stream.ended


def test_a_gap_that_a_refused_packet_left_is_attributed_to_it() -> None:
    stream, ledger = make_stream()
    sent = packets(6)
    take(stream, sent[0])
    stream.decode([refused(WireError("CRC-32 differs"))])
    take(stream, sent[4])
    assert ledger.balance().lost == {REFUSED_PACKET: 1, NETWORK_GAP: 2}
    assert stream.refused_packets == 1


def test_a_gap_that_a_full_queue_left_is_attributed_to_it() -> None:
    stream, ledger = make_stream()
    sent = packets(9)
    take(stream, sent[0])
    stream.decode([received(sent[7])], dropped=4)
    assert ledger.balance().lost == {SKIPPED_AS_OLD: 4, NETWORK_GAP: 2}
    take(stream, sent[8])
    assert ledger.balance().under_way == 0


def test_the_newest_of_several_pictures_is_shown_and_the_others_are_skipped() -> None:
    stream, ledger = make_stream()
    frame = take(stream, *packets(5))
    assert frame is not None
    assert frame.sequence == 4
    assert np.array_equal(frame.pixels, picture(4))
    balance = ledger.balance()
    assert (balance.entered, balance.passed, dict(balance.lost)) == (5, 1, {SKIPPED_AS_OLD: 4})


def test_every_new_picture_is_there_for_sinks_that_take_packets_whatever_is_decoded() -> None:
    stream, ledger = make_stream()
    sent = packets(6)
    damaged = replace(sent[3], body=memoryview(b"short"))
    assert fresh(stream, sent[0], sent[1], sent[1], sent[0]) == [0, 1]
    assert fresh(stream, damaged, sent[5]) == [3, 5]
    balance = stream.packet_ledger.balance()
    assert (balance.entered, balance.passed, dict(balance.lost)) == (6, 4, {NETWORK_GAP: 2})
    assert ledger.balance().lost == {NETWORK_GAP: 2, SKIPPED_AS_OLD: 2}


def test_a_packet_that_is_handed_on_holds_the_bytes_that_were_received() -> None:
    stream, _ = make_stream()
    data = rankcast.Encoder("raw").encode(picture(7))
    message = memoryview(b"cam/frames\0" + data)
    (item,) = stream.decode([read_message(message, Limits(), 5.0)]).packets
    assert (item.camera, bytes(item.data), item.t_received_s) == ("cam", data, 5.0)


def test_a_body_that_lies_costs_one_frame() -> None:
    stream, ledger = make_stream()
    good = packets(3)
    bad = replace(good[1], body=memoryview(b"short"))
    for packet in (good[0], bad, good[2]):
        assert fresh(stream, packet)
    assert ledger.balance().lost == {REFUSED_PACKET: 1}
    assert ledger.balance().under_way == 0


def test_a_predicted_frame_without_its_reference_waits_for_a_keyframe() -> None:
    stream, ledger = make_stream()
    key = packets(1)[0]
    header = replace(key.header, kind=Kind.PREDICTED, ref_sequence=7, utc_drift_ns=0)
    decoded = stream.decode([received(unpack(pack(header, key.body)))])
    assert len(decoded.packets) == 1
    assert decoded.frame is None
    assert ledger.balance().lost == {WAITING_FOR_KEYFRAME: 1}
    assert stream.waiting_for_keyframe


@pytest.mark.parametrize("named", [True, False])
def test_why_nothing_can_be_decoded_is_known_until_a_picture_is(named: bool) -> None:
    stream, _ = make_stream()
    good = packets(3)
    if named:
        take(stream, replace(good[0], body=memoryview(b"short")))
        assert "bytes" in stream.refusal
    else:
        take(stream, good[0])
        stream.decode([refused(LimitError("got 9 bytes \u2603, the limit is 4"))])
        assert stream.refusal == "got 9 bytes \\u2603, the limit is 4"
    assert take(stream, good[1]) is not None
    assert stream.refusal == ""


def test_damage_in_transit_is_no_refusal_that_would_be_repeated() -> None:
    stream, _ = make_stream()
    take(stream, packets(1)[0])
    stream.decode([refused(WireError("CRC-32 differs"))])
    assert stream.refusal == ""


@pytest.mark.parametrize("start", [0, 5])
def test_a_gap_that_nobody_can_have_published_is_refused_and_not_counted(start: int) -> None:
    stream, ledger = make_stream()
    first = packets(1)[0]
    take(stream, status(first.header.stream_id, start))
    for lie in (2**64 - 1, start + MAX_GAP + 1):
        take(stream, status(first.header.stream_id, lie))
        assert not fresh(stream, unpack(pack(replace(first.header, sequence=lie), first.body)))
        assert "frames are missing" in stream.refusal
    assert stream.refused_packets == 4
    assert ledger.balance().entered == 0
    assert stream.status is not None
    assert stream.status.published == start
    take(stream, status(first.header.stream_id, start + MAX_GAP))
    assert ledger.balance().entered == MAX_GAP
    assert ledger.balance().lost == {REFUSED_PACKET: 4, NETWORK_GAP: MAX_GAP - 4}


def test_no_gap_hides_behind_another_stream() -> None:
    stream, ledger = make_stream()
    old, new = packets(2), packets(2)
    for packet in (*old, *new):
        take(stream, packet)
    lie = unpack(pack(replace(old[0].header, sequence=2**63), old[0].body))
    assert not fresh(stream, lie)
    assert stream.refused_packets == 1
    assert stream.stream_id == new[0].header.stream_id
    assert ledger.balance().entered == 4


def test_a_wrong_checksum_is_a_cause_of_its_own_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream, ledger = make_stream(live=False)  # compiling makes the first picture late
    encoder = rankcast.Encoder("svd-patch")
    key, predicted = (unpack(encoder.encode(picture(number))) for number in range(2))
    forged = replace(predicted, header=replace(predicted.header, checksum=1))
    assert take(stream, key) is not None
    assert take(stream, forged) is None
    assert ledger.balance().lost == {WRONG_CHECKSUM: 1}
    assert stream.waiting_for_keyframe
    (said,) = [record for record in caplog.records if "checksum" in record.getMessage()]
    assert said.levelname == "WARNING"


def test_duplicates_and_late_packets_are_neither_shown_nor_counted_as_published() -> None:
    stream, ledger = make_stream()
    sent = packets(3)
    for packet in (*sent, sent[0], sent[2]):
        take(stream, packet)
    balance = ledger.balance()
    assert (balance.entered, balance.passed, dict(balance.lost)) == (3, 3, {})


def test_recorded_messages_of_an_earlier_stream_are_not_shown_again() -> None:
    stream, ledger = make_stream()
    first, second = packets(5), packets(3)
    old, new = first[0].header.stream_id, second[0].header.stream_id
    end = status(old, 5, Kind.END)
    for packet in (*first, end, *second):
        take(stream, packet)
    assert not fresh(stream, *first, status(old, 4), end)
    assert stream.stream_id == new
    assert not stream.ended
    assert ledger.balance().entered == 8
    # A sender that really continues is followed: what it published meanwhile is missing.
    header = replace(first[0].header, sequence=6)
    assert fresh(stream, unpack(pack(header, first[0].body))) == [6]
    assert stream.stream_id == old
    assert ledger.balance().lost == {NETWORK_GAP: 1}
    assert stream.stream_ids == [old, new]


def test_a_restarted_sender_is_a_new_stream_and_no_gap() -> None:
    stream, ledger = make_stream()
    first, second = packets(5), packets(3)
    for packet in (*first, *second):
        assert fresh(stream, packet)
    assert stream.stream_ids == [first[0].header.stream_id, second[0].header.stream_id]
    assert ledger.balance().lost == {}
    assert ledger.balance().entered == 8


def test_pictures_of_a_stream_that_a_status_of_the_next_one_follows_are_accounted_for() -> None:
    stream, ledger = make_stream()
    old, new = packets(2), packets(1)
    assert take(stream, *old, status(new[0].header.stream_id, 0), new[0]) is not None
    balance = ledger.balance()
    assert (balance.entered, balance.passed, dict(balance.lost)) == (3, 1, {SKIPPED_AS_OLD: 2})
    assert take(stream, status(os.urandom(8), 0)) is None
    assert ledger.balance() == balance


def test_a_status_before_the_first_frame_is_where_the_receiver_joined() -> None:
    stream, ledger = make_stream()
    sent = packets(10)
    take(stream, status(sent[0].header.stream_id, 4))
    take(stream, sent[6])
    assert ledger.balance().lost == {NETWORK_GAP: 2}
    assert ledger.balance().entered == 3


def test_a_picture_is_unconfirmed_until_a_status_or_the_end_follows_it() -> None:
    now_s = 5.0
    stream = CameraStream("cam", now_s=lambda: now_s)
    assert stream.unconfirmed_s is None
    sent = packets(3)
    stream_id = sent[0].header.stream_id
    for packet, kind in zip(sent, (Kind.STATUS, Kind.END, None), strict=True):
        take(stream, packet)
        now_s += 2.0
        assert stream.unconfirmed_s == 2.0
        if kind is not None:
            take(stream, status(stream_id, packet.header.sequence + 1, kind))
            assert stream.unconfirmed_s is None


def test_a_broken_status_changes_nothing() -> None:
    stream, ledger = make_stream()
    good = status(os.urandom(8), 5)
    message = status_topic("cam") + pack(good.header, b"\xc1")
    broken = read_message(memoryview(message), Limits(), 1.0)
    assert broken.error is not None
    stream.decode([broken])
    assert stream.status is None
    assert ledger.balance().entered == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["frame", "drop", "damage", "full", "twice"]))
    )
)
def test_the_ledger_balances_whatever_the_network_does(events: list[tuple[int, str]]) -> None:
    stream, ledger = make_stream()
    encoder = rankcast.Encoder("raw")
    shown: list[int] = []
    first_seen = None
    total = dropped = 0
    for value, fate in events:
        packet = unpack(encoder.encode(picture(value)))
        total += 1
        if fate == "damage":
            stream.decode([refused(WireError("damaged"))])
        dropped += fate == "full"
        if fate in ("frame", "twice"):
            first_seen = packet.header.sequence if first_seen is None else first_seen
            for number in range(2 if fate == "twice" else 1):
                decoded = stream.decode([received(packet)], dropped=dropped)
                dropped = 0
                if number == 0:
                    assert decoded.frame is not None
                    assert np.array_equal(decoded.frame.pixels, picture(value))
                    shown.append(decoded.frame.sequence)
                else:
                    assert not decoded.packets
    take(stream, status(encoder.stream_id, total, Kind.END))
    for each in (ledger, stream.packet_ledger):
        balance = each.balance()
        assert balance.under_way == 0
        assert balance.passed == len(shown)
        assert balance.entered == (0 if first_seen is None else total - first_seen)
    assert shown == sorted(set(shown))


def test_status_messages_are_handed_on_between_the_pictures_that_they_came_between() -> None:
    stream, _ = make_stream()
    one, two = packets(2)
    of_stream = status(one.header.stream_id, 1)
    foreign = status(b"x" * 8, 0, Kind.END)
    decoded = stream.decode([received(packet) for packet in (one, of_stream, two)])
    assert [item.packet for item in decoded.messages] == [one, of_stream, two]
    assert [item.is_picture for item in decoded.messages] == [True, False, True]
    assert [item.packet for item in decoded.packets] == [one, two]
    assert [item.packet for item in stream.decode([received(foreign)]).messages] == [foreign]
    again = stream.decode([received(of_stream)])  # of a stream that has ended: a replay
    assert list(again.messages) == []


def test_a_sink_that_waits_makes_the_stream_need_a_key_frame() -> None:
    stream, _ = make_stream()
    assert not stream.needs_keyframe
    stream.note_waits("record", waits=True)
    assert stream.needs_keyframe
    assert not stream.waiting_for_keyframe, "the picture is not at fault"
