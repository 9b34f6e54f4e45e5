"""ForeignTopics: who holds topics that are no camera's, and how much of them."""

from __future__ import annotations

import pytest

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
    assert topics.live_bytes == topics.bytes
    topics.forget(anna)
    topics.forget(anna)
    assert (topics.of(7), topics.bytes, topics.live_bytes, topics.largest()) == (None, 0, 0, [])


def test_what_a_connection_holds_that_was_shut_down_counts_until_libzmq_gives_it_up() -> None:
    topics = ForeignTopics()
    topics.add(b"a" * 100, 7, lambda: "anna")
    ended = topics.of(7)
    assert ended is not None
    for _ in range(2):
        topics.end(ended)
    topics.add(b"b" * 100, 7, lambda: "anna")
    assert (topics.bytes, topics.live_bytes) == (200 + 2 * TOPIC_BYTES, 0)
    assert topics.largest() == []
    topics.remove(b"a" * 100)
    assert (topics.bytes, topics.live_bytes) == (100 + TOPIC_BYTES, 0)


@pytest.mark.parametrize(("owner", "accepted_s"), [("bert", 1.5), ("anna", 2.5)])
def test_a_new_connection_with_the_descriptor_does_not_hold_what_the_old_one_held(
    owner: str, accepted_s: float
) -> None:
    topics = ForeignTopics(lambda: 1.0)
    topics.add(b"a" * 100, 7, lambda: "anna", accepted_s=1.0)
    topics.add(b"b" * 10, 7, lambda: owner, accepted_s=accepted_s)
    holder = topics.of(7)
    assert holder is not None
    assert (holder.owner, holder.sent_bytes, topics.bytes) == (owner, 10, 10 + TOPIC_BYTES)


@pytest.mark.parametrize("before_s", [0.0, 0.5], ids=["never seen", "an older one was"])
def test_a_connection_keeps_the_topics_that_came_before_it_was_noted(before_s: float) -> None:
    topics = ForeignTopics(lambda: 1.0)
    topics.add(b"first", 7, lambda: "anna", accepted_s=before_s)
    topics.add(b"second", 7, lambda: "anna", accepted_s=1.1)
    assert [topic for topic, _ in topics.found(lambda _: True)] == [b"first", b"second"]


def test_a_topic_that_a_new_connection_repeats_is_its_own() -> None:
    now_s = 1.0
    topics = ForeignTopics(lambda: now_s)
    topics.add(b"shared", 7, lambda: "anna", accepted_s=1.0)
    topics.add(b"shared", 8, lambda: "bert", accepted_s=1.0)
    now_s = 5.0  # the first connection has ended, which libzmq does not tell of a shared topic
    topics.add(b"shared", 7, lambda: "anna", accepted_s=1.0)
    topics.add(b"other", 7, lambda: "anna", accepted_s=5.1)
    holder = topics.of(7)
    assert holder is not None
    assert set(holder.topics) == {b"shared", b"other"}


def test_what_is_forgotten_in_part_counts_no_more() -> None:
    now_s = 1.0
    topics = ForeignTopics(lambda: now_s)
    topics.add(b"old" * 10, 7, lambda: "anna", accepted_s=1.0)
    now_s = 5.0
    topics.add(b"new", 7, lambda: "anna", accepted_s=1.0)
    topics.add(b"newer", 7, lambda: "anna", accepted_s=5.1)
    assert topics.bytes == topics.live_bytes == 8 + 2 * TOPIC_BYTES
    ended = topics.of(7)
    assert ended is not None
    topics.end(ended)
    topics.add(b"newest", 7, lambda: "anna", accepted_s=9.0)
    assert topics.bytes == topics.live_bytes == 6 + TOPIC_BYTES


def test_topics_of_one_byte_count_for_nothing() -> None:
    topics = ForeignTopics()
    for number in range(256):
        topics.add(bytes([number]), 7, lambda: "anna")
    holder = topics.of(7)
    assert holder is not None
    assert (holder.bytes, topics.bytes, topics.live_bytes, topics.owned["anna"]) == (0, 0, 0, 0)
    assert len(topics.found(lambda _: True)) == 256
    topics.end(holder)
    topics.forget(holder)
    assert topics.of(7) is None


def test_what_the_connections_of_an_owner_hold_is_added_up_until_they_are_shut_down() -> None:
    topics = ForeignTopics()
    for descriptor, owner, size in ((1, "anna", 10), (2, "mallory", 100), (3, "mallory", 300)):
        topics.add(b"%d" % descriptor + bytes(size - 1), descriptor, lambda owner=owner: owner)
    assert topics.owned == {"anna": 10 + TOPIC_BYTES, "mallory": 400 + 2 * TOPIC_BYTES}
    largest = topics.largest("mallory")
    assert [holder.descriptor for holder in largest] == [3, 2]
    topics.end(largest[0])
    assert topics.owned["mallory"] == 100 + TOPIC_BYTES
    topics.remove(b"2" + bytes(99))
    assert "mallory" not in topics.owned


def test_the_owner_that_holds_most_comes_first_and_of_it_the_largest_connection() -> None:
    topics = ForeignTopics()
    for descriptor, owner, count in ((1, "anna", 5), (2, "mallory", 3), (3, "mallory", 4)):
        for number in range(count):
            topics.add(b"%d %d" % (descriptor, number), descriptor, lambda owner=owner: owner)
    assert [holder.descriptor for holder in topics.largest()] == [3, 2, 1]
