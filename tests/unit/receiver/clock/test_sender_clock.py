"""How old a picture is called, whatever is known of the clocks, and whatever they do."""

from __future__ import annotations

import time

import pytest

from rankcast.boot_clock import boot_ns
from rankcast_receiver.clock import MOST_ERROR_NS, SenderClock
from rankcast_receiver.clock.relative_delay import WINDOW_NS, RelativeDelay

S = 10**9
MS = 10**6
BOOT_NS = 40 * 86_400 * S
"""The other machine started that much earlier."""
AHEAD_NS = 3600 * S
"""Its UTC clock is so far ahead of the one here."""


class Far:
    """A sender on another machine, whose clocks are read there and heard of here."""

    def __init__(self) -> None:
        self.clock = SenderClock()
        self.now_ns = boot_ns()
        self.utc_ns = time.time_ns()
        self.step_ns = 0
        self.slept_ns = 0

    def stamps(self, ago_ns: int = 0) -> tuple[int, int]:
        """Both clocks of the other machine, `ago_ns` before now."""
        mono_ns = self.now_ns + BOOT_NS - self.slept_ns - ago_ns
        return mono_ns, self.utc_ns + AHEAD_NS + self.step_ns - ago_ns

    def hear(self, way_ns: int) -> None:
        """A message that was `way_ns` on its way, and a frame period."""
        self.now_ns += 33 * MS
        self.utc_ns += 33 * MS
        self.clock.hear(*self.stamps(way_ns), self.now_ns, self.utc_ns)

    def hear_predicted(self, way_ns: int) -> None:
        """The same, of a frame whose UTC clock is known once its header is completed."""
        self.now_ns += 33 * MS
        self.utc_ns += 33 * MS
        mono_ns, utc_ns = self.stamps(way_ns)
        self.clock.hear(mono_ns, None, self.now_ns, self.utc_ns)
        self.clock.compare(mono_ns, utc_ns, self.now_ns, self.utc_ns)

    def ping(self, round_trip_ns: int = 2 * MS) -> None:
        there_ns = self.utc_ns + AHEAD_NS + self.step_ns - round_trip_ns // 2
        self.clock.answer(self.now_ns - round_trip_ns, there_ns, there_ns, self.now_ns)

    def age_ms(self, ago_ns: int) -> float:
        """What a picture is called that was taken `ago_ns` ago."""
        age_ns = self.clock.age_ns(*self.stamps(ago_ns), self.now_ns)
        assert age_ns is not None
        return age_ns / MS


def test_without_pings_the_age_is_what_comes_on_top_of_the_quickest_message() -> None:
    far = Far()
    assert far.clock.age_ns(*far.stamps(), far.now_ns) is None
    for way_ms in (30, 20, 25):
        far.hear(way_ms * MS)
    assert far.age_ms(20 * MS) == 0
    assert far.age_ms(1520 * MS) == 1500


def test_with_pings_the_age_is_the_true_one_also_where_all_come_late() -> None:
    far = Far()
    far.ping()
    for _ in range(100):
        far.hear(1500 * MS)
    assert far.age_ms(1500 * MS) == pytest.approx(1500, abs=1)


def test_an_error_of_more_than_half_the_limit_is_no_ground_to_call_a_picture_old() -> None:
    far = Far()
    far.ping(2 * MOST_ERROR_NS + 10 * MS)
    far.hear(1500 * MS)
    assert far.age_ms(1500 * MS) == 0


@pytest.mark.parametrize("step_s", [-3600, 3600, -2])
def test_a_step_of_the_clock_there_never_makes_a_picture_old(step_s: int) -> None:
    far = Far()
    far.ping()
    far.hear(20 * MS)
    far.step_ns = step_s * S
    for _ in range(30):  # until the next ping
        far.hear(20 * MS)
        assert far.age_ms(20 * MS) == 0
    assert far.age_ms(1520 * MS) == 1500, "and a standstill is known all the same"
    far.ping()
    assert far.age_ms(20 * MS) == pytest.approx(20, abs=1)


@pytest.mark.parametrize("step_s", [-3600, 3600, -2])
def test_a_step_seen_by_predicted_frames_never_makes_a_picture_old(step_s: int) -> None:
    far = Far()
    far.ping()
    far.hear(20 * MS)
    far.step_ns = step_s * S
    for _ in range(30):
        far.hear_predicted(20 * MS)
        assert far.age_ms(20 * MS) == 0
    assert far.age_ms(1520 * MS) == 1500


def test_predicted_frames_alone_tell_what_is_late() -> None:
    far = Far()
    for way_ms in (30, 20, 25):
        far.clock.hear(far.stamps(way_ms * MS)[0], None, far.now_ns, far.utc_ns)
    assert far.age_ms(1520 * MS) == 1500


def test_a_sleep_seen_by_predicted_frames_does_not_make_pictures_old_for_ever() -> None:
    far = Far()
    far.hear(20 * MS)
    far.slept_ns = 3600 * S
    far.hear_predicted(20 * MS)
    assert far.age_ms(20 * MS) == 0


def test_a_step_of_the_clock_here_never_makes_a_picture_old() -> None:
    far = Far()
    far.hear(20 * MS)
    for step_s in (3600, -7200):
        far.utc_ns += step_s * S
        far.hear(20 * MS)
        assert far.age_ms(20 * MS) == 0


def test_the_sleep_of_a_machine_does_not_make_its_pictures_old_for_ever() -> None:
    """Its monotonic clock stands while it sleeps, its UTC clock does not."""
    far = Far()
    far.hear(20 * MS)
    far.slept_ns = 3600 * S
    far.hear(20 * MS)
    assert far.age_ms(20 * MS) == 0


def test_on_one_machine_no_step_of_the_utc_clock_touches_the_age() -> None:
    clock = SenderClock()
    mono, utc = boot_ns(), time.time_ns()
    clock.hear(mono, utc, mono, utc)
    clock.hear(mono + 5 * MS, utc + AHEAD_NS, mono + 5 * MS, utc + 5 * MS)
    assert clock.age_ns(mono, utc, mono + 1500 * MS) == 1500 * MS


def test_a_clock_that_was_not_read_has_no_age() -> None:
    far = Far()
    far.hear(20 * MS)
    assert far.clock.age_ns(0, 0, far.now_ns) is None


def test_a_way_that_became_longer_is_the_usual_one_after_a_minute() -> None:
    transit = RelativeDelay()
    transit.hear(0, 10 * MS)
    for second in range(1, 2 * WINDOW_NS // S + 3):
        transit.hear(second * S, second * S + 800 * MS)
        late_ns = transit.late_ns(second * S, second * S + 800 * MS)
        if second * S <= WINDOW_NS:
            assert late_ns == 790 * MS, "the quickest one is of the last minute"
    assert late_ns == 0
