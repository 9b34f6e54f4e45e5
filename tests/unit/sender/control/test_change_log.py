"""ChangeLog: every author is named, and none of them can fill the log."""

from __future__ import annotations

import logging

import pytest

from rankcast_sender.control.change_log import ChangeLog


class Log:
    """ChangeLog with a clock of the test's, and the lines that came of them."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "rankcast_sender.control.change_log")
        self._caplog = caplog
        self.now_s = 100.0
        self.changes = ChangeLog(lambda: self.now_s)

    def lines(self) -> list[str]:
        """Since the last call."""
        lines = [record.getMessage() for record in self._caplog.records]
        self._caplog.clear()
        return lines


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    return Log(caplog)


def test_a_thousand_changes_a_second_are_a_line_a_second_with_the_last_values(log: Log) -> None:
    for number in range(2500):
        quality, before = number % 2, (number + 1) % 2
        log.changes.add("cam", "bob (operator)", {"quality": before}, {"quality": quality})
        log.now_s += 0.001
        if number % 50 == 0:
            log.changes.tick()
    lines = log.lines()
    assert lines[0] == "cam: bob (operator) set quality = 0"
    assert len(lines) == 3
    log.changes.tick()
    assert log.lines() == []
    log.now_s += 1
    log.changes.tick()
    (last,) = log.lines()
    assert last.startswith("cam: bob (operator) set quality = 1 (")
    counts = [int(line.split("(")[-1].split()[0]) for line in (*lines[1:], last)]
    assert 1 + sum(counts) == 2500


def test_what_has_its_value_already_is_no_change(log: Log) -> None:
    log.changes.add("cam", "bob", {"gop": 5, "quality": None}, {"gop": 5, "quality": None})
    log.now_s += 5
    log.changes.tick()
    log.changes.close()
    assert log.lines() == []
    log.changes.add("cam", "bob", {"gop": 5, "quality": None}, {"gop": 5, "quality": 3})
    assert log.lines() == ["cam: bob set quality = 3"]


def test_a_busy_client_hides_neither_another_one_nor_another_camera(log: Log) -> None:
    for number in range(100):
        log.changes.add("left", "bob", {"gop": number}, {"gop": number + 1})
    log.changes.add("left", "anna", {"gop": 100}, {"gop": 7})
    log.changes.add("right", "bob", {"gop": 100}, {"gop": 8})
    assert log.lines() == [
        "left: bob set gop = 1", "left: anna set gop = 7", "right: bob set gop = 8"
    ]  # fmt: skip


def test_nothing_is_left_unsaid_at_the_end_nor_kept_in_memory(log: Log) -> None:
    for number in range(3):
        log.changes.add("cam", "bob", {"gop": number}, {"gop": number + 1, "step": number})
    assert log.lines() == ["cam: bob set gop = 1, step = 0"]
    log.changes.close()
    assert log.lines() == ["cam: bob set gop = 3, step = 2 (2 changes since the last line)"]
    log.changes.add("cam", "bob", {"gop": 3}, {"gop": 4})
    log.changes.add("cam", "bob", {"gop": 4}, {"gop": 5})
    assert log.lines() == ["cam: bob set gop = 4", "cam: bob set gop = 5"]
    log.now_s += 2
    log.changes.tick()
    assert not log.changes._authors
