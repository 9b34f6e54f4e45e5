"""When a smaller or a larger stream is tried, on a clock that tests set."""

from __future__ import annotations

from rankcast_receiver.choice import LinkJudge, Move
from rankcast_receiver.choice.link_judge import (
    FIRST_PAUSE_S,
    MAX_PAUSE_S,
    PAUSE_FACTOR,
    STABLE_S,
)

FPS = 15.0


class Link:
    """Feeds a judge with pictures; `middle` is neither the smallest nor the largest stream."""

    def __init__(self, base_s: float = 0.02) -> None:
        self.now_s = 100.0
        self.base_s = base_s
        self.judge = LinkJudge(self.now_s)
        self.judge.message(base_s, self.now_s)
        self.entered = self.lost = 0

    def run(self, seconds: float, late_s: float = 0.0, lose_every: int = 0, fps: float = FPS,
            *, smallest: bool = False, largest: bool = False) -> tuple[Move, float]:  # fmt: skip
        """Run until the judge wants a change; return it, and after how long."""
        began_s = self.now_s
        while self.now_s < began_s + seconds:
            self.now_s += 1 / fps
            self.entered += 1
            if lose_every and self.entered % lose_every == 0:
                self.lost += 1
            else:
                self.judge.picture(self.base_s + late_s, self.now_s)
            self.judge.totals(self.entered, self.lost, self.now_s)
            move = self.judge.move(self.now_s, smallest=smallest, largest=largest)
            if move is not Move.STAY:
                return move, self.now_s - began_s
        return Move.STAY, seconds


def test_pictures_that_are_all_late_ask_for_a_smaller_stream_within_half_a_second() -> None:
    link = Link()
    assert link.run(5.0, largest=True) == (Move.STAY, 5.0)
    move, after_s = link.run(5.0, late_s=0.4, largest=True)
    assert move is Move.SMALLER
    assert after_s < 0.6


def test_a_path_that_is_always_slow_is_not_late() -> None:
    assert Link(base_s=0.9).run(9.0, largest=True) == (Move.STAY, 9.0)


def test_one_late_picture_changes_nothing() -> None:
    link = Link()
    link.run(5.0, largest=True)
    assert link.run(1 / FPS, late_s=2.0, largest=True)[0] is Move.STAY
    assert link.run(5.0, largest=True) == (Move.STAY, 5.0)


def test_losses_ask_for_a_smaller_stream() -> None:
    link = Link()
    move, after_s = link.run(5.0, lose_every=3, largest=True)
    assert move is Move.SMALLER
    assert after_s < 2.0
    assert Link().run(8.0, lose_every=20, largest=True) == (Move.STAY, 8.0)


def test_the_smallest_stream_stays_whatever_happens() -> None:
    link = Link()
    assert link.run(5.0, late_s=1.0, smallest=True) == (Move.STAY, 5.0)


def test_the_queue_may_empty_before_a_still_smaller_stream_is_asked_for() -> None:
    link = Link()
    link.run(5.0, late_s=1.0)
    link.judge.lowered(link.now_s)
    move, after_s = link.run(6.0, late_s=1.0)
    assert move is Move.SMALLER
    assert after_s > 2.9


def test_a_slow_camera_is_judged_by_its_last_pictures() -> None:
    link = Link()
    move, after_s = link.run(20.0, late_s=1.0, fps=0.5, largest=True)
    assert move is Move.SMALLER
    assert after_s < 8.0


def test_a_larger_stream_is_tried_after_a_pause_without_trouble() -> None:
    link = Link()
    link.judge.lowered(link.now_s)
    move, after_s = link.run(60.0)
    assert move is Move.LARGER
    assert abs(after_s - FIRST_PAUSE_S) < 0.2
    link = Link()
    assert link.run(60.0, late_s=0.3) == (Move.STAY, 60.0)
    assert link.run(60.0, lose_every=20) == (Move.STAY, 60.0)


def test_each_trial_that_fails_makes_the_pause_longer_up_to_a_limit() -> None:
    link = Link()
    pauses = []
    for _ in range(6):
        pauses.append(link.run(1000.0)[1])
        link.judge.failed(link.now_s)
    assert [round(pause) for pause in pauses] == [10, 30, 90, 120, 120, 120]
    assert pauses[-1] < MAX_PAUSE_S + 1


def test_a_larger_stream_that_soon_comes_late_was_a_failed_trial() -> None:
    link = Link()
    link.judge.raised(link.now_s)
    move, after_s = link.run(5.0, late_s=0.3)
    assert move is Move.SMALLER
    assert after_s < 0.4
    link.judge.lowered(link.now_s)
    assert link.judge.pause_s == FIRST_PAUSE_S * PAUSE_FACTOR


def test_a_larger_stream_that_lasts_resets_the_pause() -> None:
    link = Link()
    for _ in range(3):
        link.judge.failed(link.now_s)
    link.judge.raised(link.now_s)
    assert link.run(STABLE_S + 1, largest=True)[0] is Move.STAY
    assert link.judge.pause_s == FIRST_PAUSE_S


def test_a_trial_is_a_strain_once_the_shown_pictures_come_late() -> None:
    link = Link()
    link.run(15.0)
    link.judge.try_larger(link.now_s)
    link.run(1.0, smallest=True, largest=True)
    assert not link.judge.strained()
    link.run(2 / FPS, late_s=0.3, smallest=True, largest=True)
    assert link.judge.strained()
