"""Who watches, from what viewers say."""

from __future__ import annotations

from rankcast_sender.nats import EXPIRES_S
from rankcast_sender.nats import presence as module
from rankcast_sender.nats.presence import Presence


def test_a_viewer_counts_until_it_has_been_silent_for_too_long() -> None:
    presence = Presence(["cam", "other"])
    assert presence.watch("cam", b"a", 0.0)
    assert not presence.watch("cam", b"a", 1.0)
    assert presence.watch("cam", b"b", 2.0)
    assert presence.viewers("cam", 1.0 + EXPIRES_S - 0.1) == 2
    assert presence.viewers("cam", 1.0 + EXPIRES_S) == 1
    assert presence.viewers("other", 0.0) == 0
    assert presence.watch("cam", b"a", 9.0)


def test_a_viewer_that_leaves_or_whose_server_is_gone_counts_no_more() -> None:
    presence = Presence(["cam"])
    presence.watch("cam", b"a", 0.0)
    presence.watch("cam", b"b", 0.0)
    presence.leave("cam", b"a")
    presence.leave("cam", b"unknown")
    assert presence.viewers("cam", 0.0) == 1
    presence.clear()
    assert presence.viewers("cam", 0.0) == 0


def test_a_flood_of_viewers_is_bounded() -> None:
    presence = Presence(["cam"])
    for number in range(module.MAX_VIEWERS + 5):
        presence.watch("cam", number.to_bytes(4, "big"), 0.0)
    assert presence.viewers("cam", 0.0) == module.MAX_VIEWERS


def test_a_camera_that_appears_later_is_counted_for_and_loses_nobody_when_added_twice() -> None:
    presence = Presence([])
    presence.add("cam")
    assert presence.watch("cam", b"a", 0.0)
    presence.add("cam")
    assert presence.viewers("cam", 0.0) == 1
