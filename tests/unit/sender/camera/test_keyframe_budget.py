"""The budget of key frames on request: shared, spaced, paid for, and never forgotten."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from rankcast_sender.camera import KeyframeBudget
from rankcast_sender.camera.keyframe_budget import BITRATE_SHARE, SPACING_S


def publish(budget: KeyframeBudget, sequence: int, now_s: float, **changes: object) -> None:
    given = {"size_bytes": 10_000, "bitrate": None, "requested": True, **changes}
    budget.published(sequence, now_s=now_s, **given)  # type: ignore[arg-type]


def test_the_first_request_is_met_at_once_and_those_within_200_ms_share_the_next() -> None:
    budget = KeyframeBudget()
    assert not budget.due(0.0)
    assert budget.ask(0.0)
    assert budget.due(0.0)
    publish(budget, 0, 0.0)
    assert not budget.due(0.0)
    for now_s in (0.01, 0.1, 0.15):
        assert budget.ask(now_s)
        assert not budget.due(now_s)
    assert not budget.due(0.19)
    assert budget.due(0.2)
    publish(budget, 6, 0.2)
    assert not budget.due(10.0)


def test_a_request_that_was_answered_already_costs_nothing() -> None:
    budget = KeyframeBudget()
    budget.ask(0.0)
    publish(budget, 7, 0.0)
    assert not budget.ask(0.3, seen_sequence=5)
    assert not budget.due(0.5)
    assert budget.ask(0.5, seen_sequence=7)
    assert budget.due(0.5)


def test_a_key_frame_that_must_have_been_lost_is_made_again() -> None:
    budget = KeyframeBudget()
    budget.ask(0.0)
    publish(budget, 7, 0.0)
    assert budget.ask(1.5, seen_sequence=5)
    assert budget.due(1.5)


def test_a_key_frame_that_the_codec_makes_on_its_own_meets_all_requests_for_nothing() -> None:
    budget = KeyframeBudget()
    budget.ask(0.0)
    publish(budget, 0, 0.0, bitrate=1000.0, requested=False)
    assert not budget.due(1.0)
    budget.ask(1.0)
    assert budget.due(1.0)


def test_with_a_bit_rate_a_fifth_of_it_is_the_limit() -> None:
    budget = KeyframeBudget()
    budget.ask(0.0)
    publish(budget, 0, 0.0, size_bytes=25_000, bitrate=1e6)  # 0.2 Mbit: a second of a fifth
    budget.ask(0.1)
    assert not budget.due(0.99)
    assert budget.due(1.0)


@given(
    st.lists(st.tuples(st.floats(0, 0.3), st.booleans()), max_size=200),
    st.none() | st.floats(1e4, 1e7),
)
def test_no_sequence_of_requests_gets_more_than_its_budget(
    steps: list[tuple[float, bool]], bitrate: float | None
) -> None:
    budget, now_s, made = KeyframeBudget(), 0.0, []
    wanted = False
    for number, (pause_s, asks) in enumerate(steps):
        now_s += pause_s
        if asks:
            wanted = budget.ask(now_s) or wanted
        if budget.due(now_s):
            assert wanted
            publish(budget, number, now_s, bitrate=bitrate)
            made.append(now_s)
            wanted = False
    for before, after in itertools.pairwise(made):
        assert after - before >= SPACING_S - 1e-9
    if bitrate and len(made) > 1:
        # The last one is still being paid for.
        spent = 8 * 10_000 * (len(made) - 1)
        assert spent <= BITRATE_SHARE * bitrate * (made[-1] - made[0]) * (1 + 1e-9)
    if wanted:  # remembered, however long the pause
        assert budget.due(now_s + 1e6)
