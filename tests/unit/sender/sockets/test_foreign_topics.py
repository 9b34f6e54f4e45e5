"""ForeignTopics: who holds topics that are no camera's, and how much of them."""

from __future__ import annotations

from rankcast_sender.sockets.foreign_topics import TOPIC_BYTES, ForeignTopics


def test_each_topic_counts_once_and_for_each_connection_that_holds_it() -> None:
    topics = ForeignTopics()
    for topic, descriptor, owner in (
        (b"a" * 100, 7, "anna"),
        (b"a" * 100, 7, "anna"),
        (b"b" * 50, 7, "anna"),
        (b"a" * 100, 8, "bert"),
    ):
        topics.add(topic, descriptor, lambda owner=owner: owner)
    assert topics.bytes == 150 + 2 * TOPIC_BYTES
    anna, bert = topics.of(7), topics.of(8)
    assert anna is not None
    assert bert is not None
    assert (anna.sent_bytes, anna.bytes) == (150, 150 + 2 * TOPIC_BYTES)
    assert bert.sent_bytes == 100
    topics.remove(b"a" * 100)
    assert (topics.of(8), topics.bytes) == (None, 50 + TOPIC_BYTES)
    topics.remove(b"never there")
    topics.forget(7)
    topics.forget(7)
    assert (topics.of(7), topics.bytes, topics.largest()) == (None, 0, None)


def test_the_owner_that_holds_most_comes_first_and_of_it_the_largest_connection() -> None:
    topics = ForeignTopics()
    for descriptor, owner, count in ((1, "anna", 5), (2, "mallory", 3), (3, "mallory", 4)):
        for number in range(count):
            topics.add(b"%d %d" % (descriptor, number), descriptor, lambda owner=owner: owner)
    found = []
    while (largest := topics.largest()) is not None:
        found.append(largest.descriptor)
        topics.forget(largest.descriptor)
    assert found == [3, 1, 2]
