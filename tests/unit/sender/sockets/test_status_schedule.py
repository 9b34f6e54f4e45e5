"""StatusSchedule: a status of each camera once a second, never all at the same moment."""

from __future__ import annotations

from collections import Counter

import pytest

from rankcast_sender.sockets.channel import Channel
from rankcast_sender.sockets.status_schedule import JOIN_INTERVAL_S, StatusSchedule

MILLISECOND = 0.001


def channels(count: int) -> list[Channel]:
    return [
        Channel(f"c{n}", b"", lambda _: None, int, lambda _: None, int)  # type: ignore[arg-type,return-value]
        for n in range(count)
    ]


def test_every_camera_has_its_turn_once_a_second_and_alone() -> None:
    cameras = channels(64)
    schedule = StatusSchedule(cameras, 0.0)
    sent: Counter[str] = Counter()
    for step in range(3000):
        due = schedule.take_due(step * MILLISECOND)
        assert len(due) <= 1
        sent.update(channel.name for channel in due)
    assert set(sent.values()) == {3}


def test_the_pause_ends_when_the_next_status_is_due() -> None:
    schedule = StatusSchedule(channels(2), 10.0)
    assert schedule.pause_s(10.0) == 0.0
    assert len(schedule.take_due(10.0)) == 1
    assert schedule.pause_s(10.1) == pytest.approx(0.4)
    assert schedule.take_due(10.4) == []


def test_a_viewer_that_joins_gets_a_status_at_once_and_one_that_returns_soon() -> None:
    (camera,) = channels(1)
    schedule = StatusSchedule([camera], 0.0)
    assert schedule.take_due(0.0) == [camera]
    schedule.joined(camera, 0.7)
    assert schedule.take_due(0.7) == [camera]
    for step in range(100):
        schedule.joined(camera, 0.7 + step * MILLISECOND)
    assert schedule.take_due(0.9) == []
    assert schedule.take_due(1.0) == [camera], "its turn has stayed where it was"
    assert schedule.take_due(0.7 + JOIN_INTERVAL_S) == [], "which was enough for the others"


def test_what_was_missed_is_not_made_up_for() -> None:
    (camera,) = channels(1)
    schedule = StatusSchedule([camera], 0.0)
    assert schedule.take_due(60.0) == [camera]
    schedule.take_due(60.0)
    assert schedule.take_due(60.5) == []


def test_without_cameras_nothing_is_due() -> None:
    schedule = StatusSchedule([], 0.0)
    assert schedule.take_due(1.0) == []
