"""LinkFollower: falls while links are short, rises when they are quiet, within its limits."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast_sender.camera import LinkFollower, ViewerReport
from rankcast_sender.camera.link_follower import (
    LOWER_EVERY_S,
    MAX_QUIET_S,
    QUIET_S,
    RAISE_EVERY_S,
    RAISE_FACTOR,
)
from rankcast_sender.camera.viewer_reports import MAX_VIEWERS

LOW, HIGH = 250e3, 4e6
FPS = 25
TARGETS_S = 4
"""How often a second the encoder asks: fewer than frames, for the time that tests take."""


@dataclass
class Viewer:
    """A viewer behind a link of some bit rate; reports once a second what arrived."""

    name: bytes
    link: float = 100e6
    key: str = ""
    delivered: float = 0.0
    network_lost: float = 0.0
    late_ms: float = 0.0

    def second(self, rate: float) -> ViewerReport:
        share = min(1.0, self.link / rate)
        self.delivered += FPS * share
        self.network_lost += FPS * (1 - share)
        lost = int(self.network_lost)
        return ViewerReport(int(self.delivered), lost, None, None, lost, self.late_ms)


class Sender:
    """Encodes with the bit rate of a follower, on a clock of its own."""

    def __init__(self, *viewers: Viewer, silent: int = 0) -> None:
        self.follower = LinkFollower()
        self.viewers = list(viewers)
        self.silent = silent
        self.now_s = 1000.0
        self.rate = HIGH
        self.changes: list[tuple[float, float]] = []

    def runs(self, seconds: int, high: float = HIGH) -> float:
        for _ in range(seconds):
            for viewer in self.viewers:
                report = viewer.second(self.rate)
                self.follower.hear(viewer.name, viewer.key, report, self.now_s)
            for _ in range(TARGETS_S):
                self.now_s += 1 / TARGETS_S
                rate = self.follower.target(LOW, high, len(self.viewers) + self.silent, self.now_s)
                if rate != self.rate:
                    self.changes.append((self.now_s, rate))
                self.rate = rate
        return self.rate

    def falls(self) -> list[float]:
        pairs = zip([HIGH, *(rate for _, rate in self.changes)], self.changes, strict=False)
        return [at_s for before, (at_s, rate) in pairs if rate < before]


def test_a_link_that_carries_all_changes_nothing() -> None:
    sender = Sender(Viewer(b"a"))
    assert sender.runs(60) == HIGH
    assert sender.changes == []
    assert sender.follower.falls == 0


def test_a_link_that_narrows_lowers_the_rate_within_5_s_and_to_what_it_carries_within_12() -> None:
    viewer = Viewer(b"a")
    sender = Sender(viewer)
    sender.runs(20)
    viewer.link = 1e6
    narrowed_s = sender.now_s
    assert sender.runs(5) < HIGH / 1.5
    assert sender.runs(7) <= viewer.link
    assert sender.rate >= 0.4 * viewer.link
    assert sender.changes[0][0] - narrowed_s < 5
    assert "100 % of the viewers" in sender.follower.reason


def test_a_link_that_widens_brings_the_set_rate_back_by_steps() -> None:
    viewer = Viewer(b"a", link=1e6)
    sender = Sender(viewer)
    sender.runs(15)
    viewer.link = 100e6
    before = sender.rate
    steps = len(sender.changes)
    assert sender.runs(int(QUIET_S) + 6 * int(RAISE_EVERY_S) + 60) == HIGH
    rates = [before, *(rate for _, rate in sender.changes[steps:])]
    for one, other in itertools.pairwise(rates):
        assert one < other <= one * RAISE_FACTOR * 1.001


def test_a_steady_link_is_tried_ever_more_rarely_and_used_well() -> None:
    sender = Sender(Viewer(b"a", link=1e6))
    sender.runs(60)
    begun = len(sender.falls())
    rates = [sender.runs(1) for _ in range(900)]
    assert len(sender.falls()) - begun <= 12
    assert sum(rates) / len(rates) > 0.5e6
    assert sum(rate <= 1.05e6 for rate in rates) > 0.9 * len(rates)


def test_a_link_that_is_late_and_not_catching_up_lowers_the_rate_without_any_loss() -> None:
    viewer = Viewer(b"a", late_ms=900)
    sender = Sender(viewer)
    assert sender.runs(4) < HIGH
    sender = Sender(viewer)
    for late_ms in (2000, 1700, 1400, 1100, 800, 500, 200):
        viewer.late_ms = late_ms
        assert sender.runs(1) == HIGH, "the queue shrinks: the rate is low enough"


def test_nothing_rises_while_a_queue_still_stands() -> None:
    viewer = Viewer(b"a", link=2e6)
    sender = Sender(viewer)
    sender.runs(8)
    viewer.link, lowered = 100e6, sender.rate
    for late_ms in range(9000, 600, -150):
        viewer.late_ms = late_ms
        assert sender.runs(1) == lowered
    viewer.late_ms = 0
    assert sender.runs(int(QUIET_S) + 2) > lowered


@pytest.mark.parametrize(("bad", "good", "falls"), [(1, 0, True), (1, 1, True), (1, 2, False),
                                                    (3, 7, False), (5, 5, True)])  # fmt: skip
def test_the_rate_falls_for_half_of_the_viewers_and_not_for_fewer(
    bad: int, good: int, falls: bool
) -> None:
    sender = Sender(*(Viewer(b"bad%d" % n, 5e5) for n in range(bad)),
                    *(Viewer(b"good%d" % n) for n in range(good)))  # fmt: skip
    assert (sender.runs(20) < HIGH) is falls


def test_viewers_that_report_nothing_count_as_content() -> None:
    assert Sender(Viewer(b"bad", 5e5), silent=2).runs(20) == HIGH
    assert Sender(Viewer(b"bad", 5e5), silent=1).runs(20) < HIGH


def test_a_key_has_one_voice_however_many_connections_it_opens() -> None:
    crowd = [Viewer(b"bad%d" % n, 1e3, "mallory") for n in range(60)]
    others = [Viewer(b"a", key="line1"), Viewer(b"b", key="line2")]
    assert Sender(*crowd, *others).runs(30) == HIGH
    # Half of the connections of one of two keys are a quarter.
    mixed = [Viewer(b"a1", 1e5, "a"), Viewer(b"a2", key="a"), Viewer(b"b", key="b")]
    assert Sender(*mixed).runs(30) == HIGH


def test_a_lone_lost_frame_is_no_sign_of_a_link() -> None:
    follower = LinkFollower()
    for second in range(30):
        lost = 1 if second > 10 else 0
        follower.hear(b"a", "", ViewerReport(second, lost, None, None, lost), float(second))
        assert follower.target(LOW, HIGH, 1, second + 0.5) == HIGH


def test_losses_of_a_slow_receiver_are_no_sign_of_a_link() -> None:
    follower = LinkFollower()
    for second in range(30):
        follower.hear(b"a", "", ViewerReport(second, 24 * second, 4e3), float(second))
        assert follower.target(LOW, HIGH, 1, second + 0.5) == HIGH


def test_an_operators_rate_is_the_new_ceiling() -> None:
    viewer = Viewer(b"a", link=1e6)
    sender = Sender(viewer)
    sender.runs(20)
    lowered = sender.rate
    assert sender.runs(1, high=lowered / 2) == lowered / 2, "a lower one at once"
    viewer.link = 100e6
    assert sender.runs(1, high=8e6) == lowered, "a higher one from what was found, by steps"
    assert sender.runs(300, high=8e6) == 8e6


def test_a_rate_that_was_not_lowered_follows_an_operator_at_once() -> None:
    sender = Sender(Viewer(b"a"))
    sender.runs(5)
    assert sender.runs(1, high=8e6) == 8e6


def test_a_limit_above_the_set_rate_leaves_the_set_rate() -> None:
    assert LinkFollower().target(5e6, 4e6, 1, 0.0) == 4e6


def test_without_viewers_the_rate_stays_where_it_was() -> None:
    sender = Sender(Viewer(b"a", link=1e6))
    sender.runs(12)
    sender.viewers = []
    lowered = sender.runs(6)  # the last reports are forgotten
    assert lowered < HIGH
    assert sender.runs(200) == lowered
    sender.viewers = [Viewer(b"new")]
    assert sender.runs(100) == HIGH


def test_strangers_cannot_fill_memory() -> None:
    follower = LinkFollower()
    for number in range(3 * MAX_VIEWERS):
        follower.hear(b"%d" % number, "", ViewerReport(0, 0), 0.0)
    assert len(follower._heard) == MAX_VIEWERS
    follower.target(LOW, HIGH, 0, 60.0)
    assert not follower._heard
    assert not follower._voters


reports = st.builds(
    ViewerReport,
    delivered=st.integers(0, 2**53),
    lost=st.integers(0, 2**53),
    network_lost=st.integers(0, 2**53),
    late_ms=st.none() | st.floats(0, 1e9),
)


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 3.0), st.sampled_from([b"a", b"b", b"c"]), st.sampled_from(["", "k"]),
            reports,
        ),
        max_size=60,
    ),
    st.floats(1e3, 1e7),
    st.floats(1e3, 1e7),
)  # fmt: skip
def test_whatever_is_reported_the_rate_stays_within_its_limits_and_changes_slowly(
    heard: Iterable[tuple[float, bytes, str, ViewerReport]], lowest: float, highest: float
) -> None:
    follower, now_s, rate = LinkFollower(), 0.0, highest
    fell_s = rose_s = float("-inf")
    for pause_s, viewer, key, report in heard:
        now_s += pause_s
        follower.hear(viewer, key, report, now_s)
        after = follower.target(lowest, highest, 3, now_s)
        assert min(lowest, highest) <= after <= highest
        if after < rate:
            assert now_s - fell_s >= LOWER_EVERY_S
            assert after >= 0.499 * rate
            fell_s = now_s
        if after > rate:
            assert now_s - fell_s >= QUIET_S
            assert now_s - rose_s >= RAISE_EVERY_S
            assert after <= RAISE_FACTOR * rate * 1.001
            rose_s = now_s
        rate = after


@pytest.mark.slow
@given(st.floats(3e5, 3.5e6), st.integers(1, 4))
def test_any_link_within_the_limits_is_found_and_left_again(link: float, count: int) -> None:
    viewers = [Viewer(b"%d" % n, link) for n in range(count)]
    sender = Sender(*viewers)
    sender.runs(30)
    assert min(rate for _, rate in sender.changes) <= 1.03 * link
    assert sender.rate > 0.25 * link
    for viewer in viewers:
        viewer.link = 100e6
    assert sender.runs(int(MAX_QUIET_S) + 100) == HIGH
