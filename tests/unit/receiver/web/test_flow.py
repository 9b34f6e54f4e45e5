"""CameraFlow: a page gets the newest pictures that it can keep up with, and all of them decode."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from rankcast_receiver.stream import CameraPacket
from rankcast_receiver.web.live.feed import CameraFeed
from rankcast_receiver.web.live.flow import MOST_BYTES, MOST_PICTURES, CameraFlow, Load
from support.web_packets import PacketMaker, message_of


class Camera:
    """A feed and one page that watches it."""

    def __init__(self, body_bytes: int = 0) -> None:
        self.make = PacketMaker(body_bytes)
        self.feed = CameraFeed("cam")
        self.load = Load()
        self.wishes: list[bool] = []
        self.now_s = 0.0
        self.flow = CameraFlow(self.feed, self.load, self.wishes.append)

    def put(self, packet: CameraPacket) -> None:
        piece = self.feed.add(packet, message_of(packet), self.now_s)
        if piece is None:
            self.flow.fall_out()
        else:
            self.flow.offer(piece, self.now_s)

    def join(self) -> None:
        self.flow = CameraFlow(self.feed, self.load, self.wishes.append)
        self.flow.resume(self.now_s)

    def sent(self) -> list[int]:
        return list(self._taken())

    def _taken(self) -> Iterator[int]:
        while self.flow.waits:
            piece = self.flow.take()
            self.load.bytes -= len(piece.message)
            yield piece.sequence

    def acknowledge(self, sequence: int) -> None:
        self.flow.acknowledge(sequence, self.now_s)


def test_a_page_that_joins_gets_the_group_at_once_and_what_follows() -> None:
    camera = Camera()
    for packet in (camera.make.key(), camera.make.predicted(), camera.make.predicted()):
        camera.put(packet)
    camera.sent()
    camera.join()
    camera.put(camera.make.predicted())
    assert camera.sent() == [0, 1, 2, 3]
    assert camera.flow.skipped == 0
    assert camera.wishes == []


def test_a_page_that_joins_a_long_group_asks_and_counts_what_it_missed() -> None:
    camera = Camera()
    camera.put(camera.make.key())
    for _ in range(100):
        camera.put(camera.make.predicted())
    camera.sent()
    camera.join()
    assert camera.wishes == [True]
    camera.put(camera.make.predicted())
    camera.put(camera.make.predicted())
    assert camera.sent() == []
    camera.put(camera.make.reference())
    camera.put(camera.make.predicted())
    assert camera.sent() == [102, 103]
    assert camera.flow.skipped == 1  # 101; the reference shows 102


def test_a_reference_is_nothing_for_a_page_in_step() -> None:
    camera = Camera()
    camera.put(camera.make.key())
    camera.put(camera.make.reference())
    camera.put(camera.make.predicted())
    assert camera.sent() == [0, 1]


def test_at_most_sixteen_pictures_are_on_the_way() -> None:
    camera = Camera()
    camera.put(camera.make.key())
    camera.sent()
    camera.acknowledge(0)
    for _ in range(40):
        camera.put(camera.make.predicted())
        camera.sent()
    assert not camera.flow.in_step
    assert camera.wishes == []  # a page that does not acknowledge costs nothing
    camera.acknowledge(MOST_PICTURES)
    assert camera.wishes == [False]  # no key frame, which all others would pay for


def test_pictures_on_the_way_span_a_second() -> None:
    camera = Camera()
    camera.put(camera.make.key())
    camera.sent()
    camera.acknowledge(0)
    for _ in range(4):
        camera.now_s += 0.4
        camera.put(camera.make.predicted())
        camera.sent()
    assert not camera.flow.in_step


def test_a_slow_page_goes_on_from_the_next_key_frame() -> None:
    camera = Camera()
    camera.put(camera.make.key())
    sent = camera.sent()
    for _ in range(40):
        camera.put(camera.make.predicted())
        sent += camera.sent()
    camera.acknowledge(sent[-1])
    camera.put(camera.make.key())
    camera.put(camera.make.predicted())
    assert camera.sent() == [41, 42]
    assert camera.flow.skipped == 41 - len(sent)


def test_what_waits_for_one_page_is_bounded_in_bytes() -> None:
    camera = Camera(body_bytes=MOST_BYTES // 4)
    for _ in range(40):
        camera.put(camera.make.key())
        assert camera.load.bytes <= MOST_BYTES
    assert camera.load.bytes > 0
    camera.flow.fall_out()
    assert camera.load.bytes == 0


def test_one_picture_of_any_size_is_sent() -> None:
    camera = Camera(body_bytes=2 * MOST_BYTES)
    camera.put(camera.make.key())
    assert camera.sent() == [0]


def test_a_restarted_page_begins_anew_with_a_later_beginning() -> None:
    camera = Camera()
    camera.put(camera.make.key())
    camera.put(camera.make.predicted())
    camera.sent()
    camera.flow.restart(camera.now_s)
    assert camera.sent() == []
    assert camera.wishes == [False]
    camera.put(camera.make.key())
    assert camera.sent() == [2]


def test_an_acknowledgement_of_what_was_never_sent_is_nothing() -> None:
    camera = Camera()
    camera.put(camera.make.key())
    camera.sent()
    camera.acknowledge(77)
    camera.acknowledge(2**63)
    for _ in range(MOST_PICTURES + 5):
        camera.put(camera.make.predicted())
        camera.sent()
    assert not camera.flow.in_step


@example(["key", "lost", "reference", "predicted", "send", "send"])
@given(st.lists(st.sampled_from(["key", "predicted", "lost", "reference", "send", "ack", "wait"])))
def test_whatever_happens_every_predicted_packet_follows_the_one_it_needs(steps: list[str]) -> None:
    camera = Camera()
    pieces = []
    for step in steps:
        match step:
            case "key":
                camera.put(camera.make.key())
            case "predicted":
                camera.put(camera.make.predicted())
            case "lost":
                camera.make.predicted()
            case "reference" if camera.feed.intact:
                camera.put(camera.make.reference())
            case "send" if camera.flow.waits:
                piece = camera.flow.take()
                camera.load.bytes -= len(piece.message)
                pieces.append(piece)
            case "ack" if pieces:
                camera.acknowledge(pieces[-1].sequence)
            case "wait":
                camera.now_s += 0.3
    for before, piece in pairwise(pieces):
        assert piece.starts or piece.sequence == before.sequence + 1
        assert piece.number > before.number or piece.made_here
    assert not pieces or pieces[0].starts
    assert camera.load.bytes >= 0
