"""The loop of a main thread: what it does in each turn, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from rankcast.runtime import Pulse, ServiceManager, StatusLog, supervise, supervision


class Running:
    """Ends after some turns, or fails in one."""

    def __init__(self, turns: int, fails: int = -1) -> None:
        self.turns, self.fails = turns, fails
        self.done: list[str] = []
        self.elapsed_s: list[float] = []

    @property
    def ended(self) -> bool:
        return self.done.count("waited") == self.turns

    @property
    def pulses(self) -> Iterable[Pulse]:
        self.done.append("pulses")
        return ()

    def check(self) -> None:
        if self.done.count("checked") == self.fails:
            raise ZeroDivisionError
        self.done.append("checked")

    def wait(self, timeout_s: float) -> None:
        assert timeout_s <= 0.1
        self.done.append("waited")

    def report(self, status_log: StatusLog, elapsed_s: float) -> str:
        assert isinstance(status_log, StatusLog)
        self.elapsed_s.append(elapsed_s)
        return "cam live"


def test_nothing_is_checked_once_all_has_ended() -> None:
    running = Running(turns=0)
    with ServiceManager() as manager:
        supervise(running, manager, Pulse("main"), 60.0)
    assert running.done == []


def test_threads_are_checked_before_each_wait() -> None:
    running, pulse = Running(turns=2), Pulse("main")
    with ServiceManager() as manager:
        supervise(running, manager, pulse, 60.0)
    assert [step for step in running.done if step != "pulses"] == ["checked", "waited"] * 2


def test_the_status_is_reported_in_each_turn_that_ends_an_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervision, "STATUS_INTERVAL_S", 0.0)
    running = Running(turns=3)
    with ServiceManager() as manager:
        supervise(running, manager, Pulse("main"), 60.0)
    assert len(running.elapsed_s) == 3


def test_a_failed_thread_ends_the_loop_and_the_pulse_rests() -> None:
    running, pulse = Running(turns=9, fails=1), Pulse("main")
    with ServiceManager() as manager, pytest.raises(ZeroDivisionError):
        supervise(running, manager, pulse, 60.0)
    assert running.done.count("waited") == 1
    assert pulse.silent_s(1e9) == 0.0
