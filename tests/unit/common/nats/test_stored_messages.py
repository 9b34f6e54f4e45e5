"""Messages of JetStream: where they stand, where decoding begins, and times of a server."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import WireError
from rankcast.nats import count_parts, split_packet
from rankcast.nats.jetstream import parse_ack_subject, stream_name
from rankcast.nats.jetstream.api import parse_time_ns, time_text
from rankcast.nats.jetstream.start import begins_picture
from support.recordings import packets_of, pictures


def test_a_reply_subject_says_where_a_message_stands() -> None:
    place = parse_ack_subject("$JS.ACK.rankcast=a=b.me.2.17.5.1796000400000000001.9")
    assert place.deliveries == 2
    assert (place.stream_sequence, place.consumer_sequence) == (17, 5)
    assert (place.t_stored_ns, place.pending) == (1_796_000_400_000_000_001, 9)
    longer = parse_ack_subject("$JS.ACK.hub.abc.rankcast=a=b.me.2.17.5.1796000400000000001.9.x1")
    assert longer == place


@given(st.text(max_size=60) | st.lists(st.text(max_size=5), min_size=7, max_size=7).map(
    lambda words: "$JS.ACK." + ".".join(words)
))  # fmt: skip
def test_no_other_reply_subject_is_taken_for_one(text: str) -> None:
    try:
        parse_ack_subject(text)
    except WireError:
        return
    assert all(word.isascii() for word in text.split(".")[-5:])


def test_times_of_a_server_survive_to_the_nanosecond() -> None:
    t_ns = 1_796_000_400_123_456_789
    assert parse_time_ns(time_text(t_ns)) == t_ns
    assert parse_time_ns("2026-11-30T01:00:00Z") == 1_796_000_400 * 10**9
    assert parse_time_ns("2026-11-30T02:00:00.5+01:00") == 1_796_000_400 * 10**9 + 5 * 10**8
    assert parse_time_ns("0001-01-01T00:00:00Z") == 0


def test_decoding_begins_with_a_key_frame_or_its_first_part_and_nothing_else() -> None:
    key, predicted = packets_of("svd-patch", pictures(2))
    assert begins_picture(key)
    assert not begins_picture(predicted)
    first, second = split_packet(key, 7, len(key) // 2 + 40)
    assert begins_picture(first)
    assert not begins_picture(second)
    assert not any(map(begins_picture, (b"", b"RKC", b"RKP", b"RKP" + bytes(9), b"hello" * 9)))


@given(st.integers(0, 3000), st.integers(25, 4000))
def test_as_many_parts_are_counted_as_are_made(size: int, max_payload: int) -> None:
    assert count_parts(size, max_payload) == len(split_packet(bytes(size), 1, max_payload))


def test_no_two_cameras_have_streams_of_one_name() -> None:
    assert stream_name("a-b", "c") != stream_name("a", "b-c")
    assert stream_name("berlin", "line3") == "rankcast=berlin=line3"
