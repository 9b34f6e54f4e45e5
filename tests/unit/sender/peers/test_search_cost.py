"""SearchCost: ends of connections while there are many topics, and who connects often meanwhile."""

from __future__ import annotations

from rankcast_sender.peers.search_cost import (
    COMINGS,
    COMINGS_S,
    FORGOTTEN_BYTES_S,
    HIGH_S,
    MAX_BYTES,
    SearchCost,
)
from support.clock import Clock


def may_always_come(cost: SearchCost) -> bool:
    return all(cost.came("eve") for _ in range(2 * COMINGS))


def test_after_too_much_was_searched_everybody_connects_at_a_pace_for_some_seconds() -> None:
    clock = Clock()
    cost = SearchCost(clock)
    assert not any(cost.ended(MAX_BYTES // 10) for _ in range(10))
    assert may_always_come(cost)
    assert cost.ended(1)
    assert not cost.came("eve")
    assert all(cost.came("anna") for _ in range(COMINGS))
    assert not cost.came("anna")
    clock.advance(COMINGS_S / COMINGS)
    assert cost.came("anna")
    clock.advance(HIGH_S)
    assert may_always_come(cost)


def test_it_lasts_for_as_long_as_somebody_has_to_wait() -> None:
    clock = Clock()
    cost = SearchCost(clock)
    may_always_come(cost)
    cost.ended(MAX_BYTES + 1)
    for _ in range(100):
        clock.advance(0.5)
        came = [cost.came("eve") for _ in range(10)]
        assert came.count(True) <= 1
    clock.advance(HIGH_S)
    assert may_always_come(cost)


def test_what_is_searched_slowly_is_forgotten() -> None:
    clock = Clock()
    cost = SearchCost(clock)
    for _ in range(100):
        assert not cost.ended(FORGOTTEN_BYTES_S)
        clock.advance(1.0)
    assert may_always_come(cost)


def test_it_is_extreme_where_the_pace_does_not_help_and_told_once() -> None:
    clock = Clock()
    cost = SearchCost(clock)
    assert cost.ended(MAX_BYTES + 1)
    assert not cost.is_extreme
    clock.advance(HIGH_S / 2)
    assert not cost.ended(MAX_BYTES + 1)
    assert cost.is_extreme
    clock.advance(HIGH_S)
    assert not cost.is_extreme
    assert cost.ended(MAX_BYTES + 1)
    assert not cost.is_extreme
