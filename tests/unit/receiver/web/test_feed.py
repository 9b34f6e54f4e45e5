"""CameraFeed: what a page that joins gets, and what nobody can decode."""

from __future__ import annotations

from rankcast_receiver.stream import CameraPacket
from rankcast_receiver.web.live.feed import MOST_BYTES, MOST_PIECES, CameraFeed, Piece
from support.web_packets import PacketMaker, message_of


def add(feed: CameraFeed, packet: CameraPacket, now_s: float = 0.0) -> Piece | None:
    return feed.add(packet, message_of(packet), now_s)


def test_a_group_holds_all_packets_since_the_key_frame() -> None:
    feed, make = CameraFeed("cam"), PacketMaker()
    for packet in (make.key(), make.predicted(), make.key(), make.predicted(), make.predicted()):
        assert add(feed, packet) is not None
    assert [piece.sequence for piece in feed.group] == [2, 3, 4]
    assert [piece.starts for piece in feed.group] == [True, False, False]


def test_predicted_packets_before_any_key_frame_are_for_nobody() -> None:
    feed, make = CameraFeed("cam"), PacketMaker()
    assert add(feed, make.predicted()) is None
    assert feed.group == []
    assert add(feed, make.key()) is not None


def test_a_missing_packet_makes_those_behind_it_useless_up_to_the_next_key_frame() -> None:
    feed, make = CameraFeed("cam"), PacketMaker()
    add(feed, make.key())
    assert add(feed, make.predicted(skip=1)) is None
    assert add(feed, make.predicted()) is None
    assert feed.group == []
    assert add(feed, make.key()) is not None
    assert add(feed, make.predicted()) is not None


def test_a_frame_may_be_predicted_from_the_reference_of_the_one_before() -> None:
    feed, make = CameraFeed("cam"), PacketMaker()
    add(feed, make.key())
    assert add(feed, make.predicted(of=0)) is not None
    assert add(feed, make.predicted(of=0)) is not None
    assert add(feed, make.predicted(of=1)) is None


def test_a_long_group_is_no_beginning_any_more() -> None:
    feed, make = CameraFeed("cam"), PacketMaker()
    add(feed, make.key())
    for _ in range(MOST_PIECES - 1):
        add(feed, make.predicted())
    assert len(feed.group) == MOST_PIECES
    assert add(feed, make.predicted()) is not None
    assert feed.group == []


def test_a_large_group_is_no_beginning_any_more_but_a_large_key_frame_is() -> None:
    feed, make = CameraFeed("cam"), PacketMaker(body_bytes=MOST_BYTES)
    add(feed, make.key())
    assert len(feed.group) == 1
    add(feed, make.predicted())
    assert feed.group == []


def test_a_reference_made_here_is_a_beginning_and_counts_as_no_picture() -> None:
    feed, make = CameraFeed("cam"), PacketMaker()
    add(feed, make.key())
    add(feed, make.predicted())
    number = feed.number
    piece = add(feed, make.reference())
    assert piece is not None
    assert (piece.starts, piece.made_here, piece.number) == (True, True, number)
    after = add(feed, make.predicted())
    assert after is not None
    assert [one.made_here for one in feed.group] == [True, False]


def test_another_stream_needs_a_key_frame_of_its_own() -> None:
    feed, first, second = CameraFeed("cam"), PacketMaker(), PacketMaker()
    add(feed, first.key())
    assert add(feed, second.predicted(of=0)) is None


def test_rates_are_those_of_the_last_second() -> None:
    feed, make = CameraFeed("cam"), PacketMaker()
    packet = make.key()
    for now_s in (0.0, 5.0, 5.5):
        add(feed, packet, now_s)
    rates = feed.rates(5.5)
    assert rates.fps == 2
    assert rates.bits_s == 2 * 8 * len(packet.data)
    assert rates.frame_bytes == len(packet.data)
    assert feed.rates(60.0).frame_bytes is None


def test_arrivals_are_forgotten_although_nobody_asks_for_rates() -> None:
    feed, make = CameraFeed("cam"), PacketMaker()
    for number in range(5000):
        add(feed, make.key(), number / 50)
    assert len(feed._arrivals) <= 51
