"""Mailbox: newest wins or blocks, and counts what it replaces."""

from __future__ import annotations

import pytest

from rankcast.runtime import Mailbox, MailboxClosed, Worker


def test_a_newer_item_replaces_the_waiting_one_and_is_counted() -> None:
    box: Mailbox[int] = Mailbox(newest_wins=True)
    for item in range(5):
        assert box.put(item)
    assert box.replaced == 4
    assert box.get(0) == 4
    assert box.get(0) is None


def test_items_of_different_cameras_do_not_push_each_other_out() -> None:
    box: Mailbox[str] = Mailbox(newest_wins=True)
    box.put("left 1", "left")
    box.put("right 1", "right")
    box.put("left 2", "left")
    assert box.replaced == 1
    assert [box.get(0), box.get(0)] == ["right 1", "left 2"]


def test_a_blocking_mailbox_hands_over_everything_in_order() -> None:
    box: Mailbox[int] = Mailbox(2, newest_wins=False)

    def produce() -> None:
        for item in range(100):
            box.put(item)
        box.close()

    producer = Worker("producer", produce)
    producer.start()
    taken = []
    for _ in range(100):
        taken.append(box.get(5))
        assert len(box) <= 2
    producer.join(5)
    assert taken == list(range(100))
    with pytest.raises(MailboxClosed):
        box.get(5)
    assert box.replaced == 0


def test_closing_wakes_a_blocked_producer_which_learns_that_it_failed() -> None:
    box: Mailbox[int] = Mailbox(1, newest_wins=False)
    box.put(1)
    results: list[bool] = []
    producer = Worker("producer", lambda: results.append(box.put(2)))
    producer.start()
    assert box.discard() == 1
    producer.join(5)
    # The producer either got its item in before the box was emptied or was refused.
    assert results in ([False], [True])
    assert not box.put(3)


def test_what_waits_at_close_can_still_be_taken() -> None:
    box: Mailbox[int] = Mailbox(newest_wins=True)
    box.put(7)
    box.close()
    assert box.get(0) == 7
    with pytest.raises(MailboxClosed):
        box.get(0)


def test_a_put_after_the_close_does_not_push_out_what_waits() -> None:
    box: Mailbox[int] = Mailbox(newest_wins=True)
    box.put(1)
    box.close()
    assert not box.put(2)
    assert box.get(0) == 1
    assert box.replaced == 0


def test_discard_says_how_many_it_dropped() -> None:
    box: Mailbox[int] = Mailbox(4, newest_wins=False)
    for item in range(3):
        box.put(item)
    assert box.discard() == 3
    with pytest.raises(MailboxClosed):
        box.get(0)


def test_iterating_takes_what_waits_and_ends_when_the_mailbox_is_closed() -> None:
    box: Mailbox[int] = Mailbox(3, newest_wins=False)
    for item in (1, 2, 3):
        box.put(item)
    box.close()
    assert list(box) == [1, 2, 3]
    assert list(box) == []
