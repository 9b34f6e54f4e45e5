"""Messages are acknowledged once what stands in them is recorded, and never before."""

from __future__ import annotations

from rankcast.nats.jetstream import Stored
from rankcast.nats.jetstream.stored import Place
from rankcast.wire import Kind
from rankcast_receiver.nats.acknowledgements import Acknowledgements, PacketKey

STREAM = b"12345678"


def stored(sequence: int, subject: str = "", deliveries: int = 1) -> Stored:
    return Stored("s", b"", subject, Place(deliveries, sequence, sequence, 0, 0))


def key(sequence: int, kind: Kind = Kind.PREDICTED) -> PacketKey:
    return PacketKey(kind, STREAM, sequence)


class Acknowledged:
    """What was acknowledged, by three packets of which the second stands in two messages."""

    def __init__(self) -> None:
        self.subjects: list[str] = []
        self.under_test = Acknowledgements(self.subjects.append)
        for sequence in (1, 2, 3, 4):
            assert self.under_test.deliver(stored(sequence, f"ack{sequence}"))
        self.under_test.forward(key(1), 1)
        self.under_test.forward(key(2), 3)
        self.under_test.forward(key(3), 4)


def test_a_packet_that_is_recorded_acknowledges_its_messages_and_those_before() -> None:
    seen = Acknowledged()
    assert seen.subjects == []
    seen.under_test.record(key(2))
    assert seen.subjects == ["ack1", "ack2", "ack3"]
    seen.under_test.record(key(3))
    assert seen.subjects == ["ack1", "ack2", "ack3", "ack4"]
    assert seen.under_test.waiting == 0


def test_a_packet_that_nobody_forwarded_acknowledges_nothing() -> None:
    seen = Acknowledged()
    seen.under_test.record(key(9))
    assert seen.subjects == []


def test_a_message_that_comes_again_is_acknowledged_but_not_forwarded_again() -> None:
    seen = Acknowledged()
    seen.under_test.record(key(1))
    assert not seen.under_test.deliver(stored(1, "again1", 2))
    assert seen.subjects == ["ack1", "again1"]
    assert not seen.under_test.deliver(stored(2, "again2", 2))
    seen.under_test.record(key(2))
    assert seen.subjects == ["ack1", "again1", "again2", "ack3"]


def test_what_was_read_from_the_stream_is_acknowledged_when_its_delivery_comes() -> None:
    subjects: list[str] = []
    acknowledgements = Acknowledgements(subjects.append)
    assert acknowledgements.deliver(stored(5))
    acknowledgements.forward(key(5), 5)
    acknowledgements.record(key(5))
    assert subjects == []
    assert not acknowledgements.deliver(stored(5, "late", 2))
    assert subjects == ["late"]
    assert acknowledgements.next_sequence == 6


def test_a_message_that_is_no_packet_waits_for_those_before_it() -> None:
    seen = Acknowledged()
    seen.under_test.deliver(stored(5, "foreign"))
    seen.under_test.discard(5)
    assert seen.subjects == []
    seen.under_test.record(key(3))
    seen.under_test.deliver(stored(6, "foreign again"))
    seen.under_test.discard(6)
    assert seen.subjects[-2:] == ["foreign", "foreign again"]
