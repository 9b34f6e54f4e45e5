"""LogLimiter: one line per interval, bursts, and a count of what was withheld."""

from __future__ import annotations

from rankcast.runtime import LogLimiter
from support.clock import Clock


def test_the_first_line_is_permitted_and_the_next_after_the_interval() -> None:
    clock = Clock()
    limiter = LogLimiter(10.0, now_s=clock)
    assert limiter.may_log()
    clock.advance(9.9)
    assert not limiter.may_log()
    clock.advance(0.2)
    assert limiter.may_log()


def test_a_permitted_line_knows_how_many_were_withheld_before_it() -> None:
    clock = Clock()
    limiter = LogLimiter(1.0, now_s=clock)
    assert [limiter.may_log() for _ in range(4)] == [True, False, False, False]
    assert limiter.suppressed == 0
    clock.advance(1.0)
    assert limiter.may_log()
    assert limiter.suppressed == 3
    clock.advance(1.0)
    assert limiter.may_log()
    assert limiter.suppressed == 0


def test_a_quiet_time_permits_a_burst_and_never_more() -> None:
    clock = Clock()
    limiter = LogLimiter(1.0, burst=5, now_s=clock)
    clock.advance(1000.0)
    assert sum(limiter.may_log() for _ in range(100)) == 5
    clock.advance(2.0)
    assert sum(limiter.may_log() for _ in range(100)) == 2


def test_over_a_day_of_continuous_asking_the_rate_is_the_interval() -> None:
    clock = Clock()
    limiter = LogLimiter(60.0, now_s=clock)
    written = 0
    for _ in range(86_400):
        written += limiter.may_log()
        clock.advance(1.0)
    assert 1440 - 1 <= written <= 1440 + 1
