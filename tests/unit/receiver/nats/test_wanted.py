"""Which cameras of a server a receiver wants."""

from __future__ import annotations

from rankcast_receiver.nats.wanted import Wanted


def test_without_names_every_camera_of_the_site_is_wanted() -> None:
    wanted = Wanted([], "berlin")
    assert ("berlin", "left") in wanted
    assert wanted.status_subjects == ["rankcast.berlin.*.status"]
    assert Wanted([], "").status_subjects == ["rankcast.*.*.status"]
    assert wanted.named == []


def test_a_camera_of_every_site_is_subscribed_to_once() -> None:
    wanted = Wanted(["left", "berlin.left", "berlin.right"], "")
    assert sorted(wanted.status_subjects) == [
        "rankcast.*.left.status", "rankcast.berlin.right.status",
    ]  # fmt: skip
    assert ("oslo", "left") in wanted
    assert ("oslo", "right") not in wanted
    assert sorted(wanted.named) == ["berlin.left", "berlin.right"]
