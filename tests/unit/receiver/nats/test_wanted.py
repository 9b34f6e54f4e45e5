"""Which cameras of a server a receiver wants, and when old pictures cost a connection."""

from __future__ import annotations

import itertools

from rankcast_receiver.nats.renewals import PAUSE_S, Pauses
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


def test_a_connection_that_brings_only_old_pictures_is_renewed_ever_more_rarely() -> None:
    pauses, due = Pauses(), []
    for tenth in range(2000):
        if pauses.over(tenth / 10):
            due.append(tenth / 10)
    between = [later - earlier for earlier, later in itertools.pairwise(due)]
    assert between == sorted(between)
    assert between[:3] == [PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S]
    assert between[-1] == 60.0
    assert pauses.over(2000.0)
    assert pauses.over(2000.0 + PAUSE_S)  # the last one had helped for long
