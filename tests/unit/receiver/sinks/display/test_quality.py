"""Steps of quality, from keys that are faster than the sender."""

from __future__ import annotations

import pytest

from rankcast_receiver.sinks.display.quality import QualitySteps
from support.fakescreen import FakeSender


def test_steps_pressed_during_a_change_become_one_more_change() -> None:
    sender = FakeSender()
    steps = QualitySteps(sender.ask)
    for _ in range(3):
        steps.step("cam", 5)
    assert steps.news() == []
    sender.requests[0].accept(quality=60)
    assert steps.news() == []
    assert sender.requests[1].args == {"quality": 75}
    steps.step("cam", -5)
    assert len(sender.requests) == 2, "one request at a time"
    sender.requests[1].accept(quality=75)
    assert steps.news() == ["cam: quality 60 -> 75"]
    sender.requests[2].accept(quality=75)
    assert steps.news() == []
    sender.requests[3].accept(quality=70)
    assert steps.news() == ["cam: quality 75 -> 70"]
    assert steps.news() == []


@pytest.mark.parametrize(("before", "by", "after"), [(98, 5, 100), (3, -5, 1)])
def test_quality_stays_within_its_range(before: int, by: int, after: int) -> None:
    sender = FakeSender()
    steps = QualitySteps(sender.ask)
    steps.step("cam", by)
    sender.requests[0].accept(quality=before)
    steps.news()
    assert sender.requests[1].args == {"quality": after}
    sender.requests[1].accept(quality=after)
    steps.news()
    steps.step("cam", by)
    sender.requests[2].accept(quality=after)
    assert steps.news() == [f"cam: quality stays {after}"]


@pytest.mark.parametrize("value", [None, "high", True, 1e9, 0, -5, 101])
def test_a_sender_without_a_quality_is_not_given_one(value: object) -> None:
    sender = FakeSender()
    steps = QualitySteps(sender.ask)
    steps.step("cam", 5)
    sender.requests[0].accept(quality=value)
    (line,) = steps.news()
    assert line.startswith("cam: quality not changed")
    assert len(sender.requests) == 1


def test_a_refusal_is_shown_on_one_short_line() -> None:
    sender = FakeSender()
    steps = QualitySteps(sender.ask)
    steps.step("cam", 5)
    sender.requests[0].refuse("no\n\x1b[31m" + "x" * 5000)
    (line,) = steps.news()
    assert "\n" not in line
    assert "\x1b" not in line
    assert len(line) < 300
    steps.step("cam", 5)
    assert len(sender.requests) == 2, "and may be tried again"
