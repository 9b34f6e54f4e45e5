"""StatusLog: a line when something changes, a summary per interval, nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from rankcast.runtime import StatusLog
from rankcast.runtime.logs import LogHandler
from support.clock import Clock

LOGGER = "rankcast.runtime.status_log"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def status(clock: Clock, caplog: pytest.LogCaptureFixture) -> Iterator[StatusLog]:
    caplog.set_level(logging.INFO, LOGGER)
    made = StatusLog(60.0, now_s=clock)
    yield made
    made.close()


def test_a_day_without_a_change_is_a_line_a_minute(
    status: StatusLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(86_400):
        status.report("cam", (1, "live"), f"cam: frame {second}")
        clock.advance(1.0)
    assert len(caplog.messages) == 1440


def test_a_change_is_logged_at_once_and_only_once(
    status: StatusLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for viewers in (0, 0, 2, 2, 2, 0):
        status.report("cam", viewers, f"cam: {viewers} viewers")
        clock.advance(1.0)
    assert caplog.messages == ["cam: 0 viewers", "cam: 2 viewers", "cam: 0 viewers"]


def test_each_camera_has_its_own_facts_and_interval(
    status: StatusLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    status.report("a", 1, "a: 1")
    clock.advance(30.0)
    status.report("b", 1, "b: 1")
    clock.advance(30.0)
    status.report("a", 1, "a: still 1")
    status.report("b", 1, "b: still 1")
    assert caplog.messages == ["a: 1", "b: 1", "a: still 1"]


def test_a_fact_that_flaps_every_second_cannot_flood_the_log(
    status: StatusLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(3600):
        status.report("cam", second % 2, "cam: a viewer reconnects")
        clock.advance(1.0)
    assert len(caplog.messages) <= 10 + 60 * 10


def test_a_change_that_was_withheld_is_logged_later(
    status: StatusLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(20):
        status.report("cam", number, f"cam: {number}")
    assert caplog.messages[-1] != "cam: 19"
    clock.advance(6.0)
    status.report("cam", 19, "cam: 19")
    assert caplog.messages[-1] == "cam: 19"


def test_nothing_is_written_below_the_level_of_the_log(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, LOGGER)
    StatusLog(60.0, now_s=clock).report("cam", 1, "cam: 1")
    assert not caplog.messages


def test_at_a_terminal_the_line_is_refreshed_and_nothing_is_logged(
    status: StatusLog, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = RecordingHandler()
    monkeypatch.setattr("rankcast.runtime.status_log.log_handler", lambda: handler)
    for number in range(3):
        status.report("cam", number, f"cam: {number}")
    assert handler.lines == {"cam": "cam: 2"}
    assert not caplog.messages
    status.close()
    assert handler.lines == {}


class RecordingHandler(LogHandler):
    """A handler that keeps the status line."""

    def __init__(self) -> None:
        super().__init__(stream=lambda: None)
        self.lines: dict[str, str] = {}

    @property
    def has_status_line(self) -> bool:
        return True

    def show_status(self, subject: str, text: str) -> None:
        self.lines[subject] = text

    def clear_status(self, subject: str) -> None:
        self.lines.pop(subject, None)
