"""The budget of key frames on request: shared, spaced, paid for, and never forgotten."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast_sender.camera import KeyframeBudget
from rankcast_sender.camera.keyframe_budget import (
    GUARANTEED_S,
    JOIN_PAUSE_S,
    JOINS_AT_ONCE,
    MAX_VIEWERS,
    SHARE,
    SPACING_S,
)
from rankcast_sender.camera.peer_allowance import AT_ONCE, PAUSE_S
from rankcast_sender.camera.recent_bytes import BIN_S, WINDOW_S
from rankcast_sender.joins import PEER

KEY_BYTES = 10_000


class Stream:
    """Frames at 30 fps, predicted ones of a given size; key frames where the budget wants them."""

    def __init__(self, predicted_bytes: int, seconds: float = 0.0) -> None:
        self.budget = KeyframeBudget()
        self.now_s = 0.0
        self.sequence = 0
        self.keys: list[float] = []
        self.sizes: list[tuple[float, int]] = []
        self._predicted_bytes = predicted_bytes
        self.run(seconds)

    def frame(self) -> None:
        requested = self.budget.due(self.now_s)
        key = requested or not self.sequence
        size = KEY_BYTES if key else self._predicted_bytes
        self.budget.published(self.sequence, size, self.now_s, key=key, requested=requested)
        if key:
            self.keys.append(self.now_s)
        self.sizes.append((self.now_s, size))
        self.sequence += 1
        self.now_s += 1 / 30

    def run(self, seconds: float) -> None:
        for _ in range(round(30 * seconds)):
            self.frame()

    def until_key(self) -> float:
        """Seconds until the next key frame."""
        since_s, before = self.now_s, len(self.keys)
        while len(self.keys) == before:
            self.frame()
            assert self.now_s - since_s < 200, "no key frame"
        return self.keys[-1] - since_s


def test_the_first_request_is_met_at_once_and_those_within_200_ms_share_the_next() -> None:
    stream = Stream(KEY_BYTES, 10)  # key frames cost nothing here
    budget, now_s = stream.budget, stream.now_s
    assert not budget.due(now_s)
    assert budget.ask(now_s)
    assert stream.until_key() == 0
    for _ in range(3):
        assert budget.ask(stream.now_s)
        stream.frame()
    stream.until_key()
    assert stream.keys[-1] - stream.keys[-2] == pytest.approx(SPACING_S, abs=1 / 30)
    assert not budget.due(stream.now_s + 100)


def test_a_request_that_was_answered_already_costs_nothing() -> None:
    stream = Stream(100, 1)
    budget = stream.budget
    seen = stream.sequence - 1
    budget.ask(stream.now_s)
    stream.until_key()
    assert not budget.ask(stream.now_s + 0.3, seen_sequence=seen)
    assert not budget.due(stream.now_s + 100)
    assert budget.ask(stream.now_s, seen_sequence=stream.sequence - 1)
    assert budget.due(stream.now_s + 100)


def test_a_key_frame_that_must_have_been_lost_is_made_again() -> None:
    stream = Stream(100, 5)
    seen = stream.sequence - 1
    stream.budget.ask(stream.now_s, seen, b"viewer")
    stream.until_key()
    stream.run(1.5)
    assert stream.budget.ask(stream.now_s, seen, b"viewer")
    assert stream.until_key() < GUARANTEED_S


def test_a_key_frame_that_the_codec_makes_on_its_own_meets_all_requests_for_nothing() -> None:
    budget = KeyframeBudget()
    budget.published(0, KEY_BYTES, 0.0, key=True, requested=False)
    budget.ask(5.0)
    budget.published(1, KEY_BYTES, 5.0, key=True, requested=False)
    assert not budget.due(100.0)
    budget.ask(5.3)
    assert budget.due(5.3)


@pytest.mark.parametrize("predicted_bytes", [10, 300, 5_000])
def test_the_first_viewer_joins_within_300_ms_and_none_waits_longer_than_2_3_s(
    predicted_bytes: int,
) -> None:
    stream = Stream(predicted_bytes, 12)
    for _ in range(8):
        stream.budget.ask(stream.now_s)
        assert stream.until_key() <= 0.3
        stream.run(0.25)
        stream.budget.ask(stream.now_s)
        assert stream.until_key() <= 2.3
        stream.run(GUARANTEED_S)


def test_the_first_key_frame_after_nobody_watched_is_free() -> None:
    stream = Stream(10, 12)
    for _ in range(3):
        stream.budget.ask(stream.now_s)
        stream.until_key()
        stream.run(0.5)
        stream.budget.nobody_watches()
        stream.budget.ask(stream.now_s)
        assert stream.until_key() == 0
        stream.run(0.5)
        stream.budget.ask(stream.now_s)
        assert stream.until_key() <= GUARANTEED_S + 0.1


def test_a_viewer_that_floods_gets_one_key_frame_in_two_seconds_or_a_fifth_of_the_bytes() -> None:
    for predicted_bytes, most in ((10, 11), (1_000, 15), (4_000, 57)):
        stream = Stream(predicted_bytes, 20)
        before = len(stream.keys)
        for number in range(30 * 20):
            # Another identity each time: only the budget of the camera is left.
            stream.budget.ask(stream.now_s, viewer=str(number).encode())
            stream.frame()
        assert len(stream.keys) - before <= most, predicted_bytes


def test_pauses_of_a_viewer_double_while_its_key_frames_do_not_arrive_and_end_once_one_does() -> (
    None
):
    stream = Stream(KEY_BYTES, 10)
    seen = stream.sequence - 1
    waits = []
    for _ in range(12):
        stream.budget.ask(stream.now_s, seen, b"thin")
        waits.append(stream.until_key())
        stream.run(1.1)  # past the time in which it may still arrive
    assert waits[:4] == [0.0] * 4, "pauses shorter than the time in transit"
    assert waits[-1] == pytest.approx(60.0 - 1.1, abs=0.2)
    for before, after in itertools.pairwise(waits[5:9]):
        assert after == pytest.approx(2 * before + 1.1, abs=0.2)
    # A key frame that another viewer asked for reaches it, and it loses a frame later.
    stream.budget.ask(stream.now_s, viewer=b"other")
    assert stream.until_key() == 0
    stream.run(1)
    stream.budget.ask(stream.now_s, stream.sequence - 1, b"thin")
    assert stream.until_key() == 0


def test_a_viewer_that_waits_is_freed_by_the_news_that_its_key_frame_came_after_all() -> None:
    stream = Stream(KEY_BYTES, 10)
    seen = stream.sequence - 1
    for _ in range(8):
        stream.budget.ask(stream.now_s, seen, b"thin")
        stream.until_key()
        stream.run(1.1)
    stream.budget.ask(stream.now_s, seen, b"thin")
    assert not stream.budget.due(stream.now_s)
    assert stream.budget.ask(stream.now_s, stream.sequence - 1, b"thin")
    assert stream.budget.due(stream.now_s)


def test_frames_that_were_never_published_prove_nothing() -> None:
    stream = Stream(KEY_BYTES, 10)
    keys = len(stream.keys)
    for _ in range(30 * 60):
        stream.budget.ask(stream.now_s, 2**60, b"liar")
        stream.frame()
    assert len(stream.keys) - keys < 12


def test_a_viewer_that_subscribes_in_a_loop_waits_longer_and_one_that_reconnects_does_not() -> None:
    stream = Stream(KEY_BYTES, 10)
    keys = len(stream.keys)
    for _ in range(30 * 60):
        stream.budget.ask(stream.now_s, viewer=b"storm")
        stream.frame()
    assert len(stream.keys) - keys < 12
    for _ in range(20):
        stream.budget.ask(stream.now_s, viewer=b"flapping")
        assert stream.until_key() <= SPACING_S
        stream.run(3)


def test_one_viewer_that_waits_holds_up_no_other() -> None:
    stream = Stream(KEY_BYTES, 10)
    for _ in range(300):
        stream.budget.ask(stream.now_s, viewer=b"storm")
        stream.frame()
    assert not stream.budget.due(stream.now_s)
    stream.budget.ask(stream.now_s, viewer=b"honest")
    assert stream.until_key() <= SPACING_S


def test_a_flood_of_identities_takes_bounded_memory() -> None:
    stream = Stream(100)
    for number in range(5 * MAX_VIEWERS):
        stream.budget.ask(stream.now_s, viewer=str(number).encode())
    assert len(stream.budget._viewers) == MAX_VIEWERS
    stream.run(600)
    assert len(stream.budget._recent._bins) <= WINDOW_S / BIN_S + 1


@given(
    st.lists(
        st.tuples(st.floats(0, 0.3), st.booleans(), st.integers(0, 2), st.booleans()), max_size=200
    ),
    st.integers(1, 20_000),
)
def test_no_sequence_of_requests_gets_more_than_its_budget(
    steps: list[tuple[float, bool, int, bool]], predicted_bytes: int
) -> None:
    budget, now_s = KeyframeBudget(), 0.0
    made: list[float] = []
    sent: list[tuple[float, int]] = []
    budget.published(0, KEY_BYTES, now_s, key=True, requested=False)
    sent.append((now_s, KEY_BYTES))
    wanted = False
    for number, (pause_s, asks, viewer, knows) in enumerate(steps, 1):
        now_s += pause_s
        if asks:
            wanted |= budget.ask(now_s, number - 1 if knows else None, b"viewer"[:viewer])
        key = budget.due(now_s)
        if key:
            assert wanted
            wanted = False
            if made:
                assert now_s - made[-1] >= SPACING_S - 1e-9
            made.append(now_s)
            recent = sum(size for at_s, size in sent if now_s - at_s <= WINDOW_S)
            of_keys = KEY_BYTES * sum(now_s - at_s < WINDOW_S - BIN_S for at_s in made)
            most = max(SHARE * recent, KEY_BYTES * (WINDOW_S / GUARANTEED_S + 1))
            assert of_keys <= most + 1e-6
        size = KEY_BYTES if key else predicted_bytes
        budget.published(number, size, now_s, key=key, requested=key)
        sent.append((now_s, size))
    if wanted:  # remembered, however long the pause
        assert budget.due(now_s + 1e6)


def key(budget: KeyframeBudget, now_s: float, *, requested: bool = True) -> None:
    budget.published(0, 1000, now_s, key=True, requested=requested)


def test_who_joins_waits_for_a_key_frame_where_one_costs_nothing_is_coming_or_few_were_made() -> (
    None
):
    budget = KeyframeBudget()
    assert budget.suits_joins(100.0), "it costs nothing"
    key(budget, 100.0)
    for number in range(1, JOINS_AT_ONCE):
        assert budget.suits_joins(100.0 + 3 * number)
        key(budget, 100.0 + 3 * number)
    assert not budget.suits_joins(109.1), "the next one has to wait"
    key(budget, 111.2)
    assert not budget.suits_joins(114.0), "there were many"
    budget.ask(114.0, viewer=b"anna")
    assert budget.suits_joins(114.0), "one is coming"
    key(budget, 114.1)
    later_s = 114.1 + JOIN_PAUSE_S
    key(budget, later_s - 5, requested=False)
    assert not budget.suits_joins(later_s - 3), "it is too early"
    assert budget.suits_joins(later_s), "those of the codec do not count"


def test_a_key_frame_that_somebody_else_has_to_wait_for_is_not_coming() -> None:
    budget = KeyframeBudget()
    now_s = 100.0
    for _ in range(8):  # she does not get them
        now_s = max(now_s, budget._backoff_of(b"anna").ask(now_s, None))
        budget.ask(now_s, viewer=b"anna")
        key(budget, now_s)
    budget.ask(now_s + 0.01, viewer=b"anna")
    assert budget._due_s > now_s + 4
    assert not budget.suits_joins(now_s + 3)


@pytest.mark.parametrize("claims", [True, False])
def test_viewers_that_cannot_be_told_apart_get_three_key_frames_at_once_and_one_in_ten_seconds(
    claims: bool,
) -> None:
    backoff, pauses_s = KeyframeBudget()._backoff_of(PEER + b"10.0.0.7"), []
    now_s = 0.0
    for number in range(20):
        due_s = backoff.ask(now_s, number if claims else None)
        pauses_s.append(due_s - now_s)
        now_s = due_s
        backoff.met(number, now_s)
    assert pauses_s[:AT_ONCE] == [0.0] * AT_ONCE
    assert pauses_s[AT_ONCE:] == pytest.approx([PAUSE_S] * (20 - AT_ONCE))


def test_three_that_join_one_after_the_other_wait_no_longer_than_the_first_of_a_crowd() -> None:
    budget, waited_s = KeyframeBudget(), []
    for joined_s in (100.0, 101.0, 103.5):
        budget.ask(joined_s, viewer=PEER + b"10.0.0.7")
        now_s = joined_s
        while not budget.due(now_s):
            now_s += 0.01
        key(budget, now_s)
        waited_s.append(now_s - joined_s)
    assert max(waited_s) <= GUARANTEED_S + SPACING_S
