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


def test_the_cost_is_high_for_some_seconds_after_too_much_was_searched() -> None:
    clock = Clock()
    cost = SearchCost(clock)
    assert not any(cost.ended(MAX_BYTES // 10) for _ in range(10))
    assert not cost.is_high
    assert cost.ended(1)
    assert cost.is_high
    clock.advance(HIGH_S)
    assert not cost.is_high


def test_it_is_told_once_while_it_stays_high() -> None:
    clock = Clock()
    cost = SearchCost(clock)
    assert cost.ended(MAX_BYTES + 1)
    clock.advance(HIGH_S / 2)
    assert not cost.ended(MAX_BYTES + 1)
    clock.advance(HIGH_S / 2)
    assert cost.is_high


def test_what_is_searched_slowly_is_forgotten() -> None:
    clock = Clock()
    cost = SearchCost(clock)
    for _ in range(100):
        assert not cost.ended(FORGOTTEN_BYTES_S)
        clock.advance(1.0)
    assert not cost.is_high


def test_who_connects_often_has_to_wait_only_while_the_cost_is_high() -> None:
    clock = Clock()
    cost = SearchCost(clock)
    assert all(cost.came("eve") for _ in range(100))
    cost.ended(MAX_BYTES + 1)
    assert not cost.came("eve")
    assert all(cost.came("anna") for _ in range(COMINGS))
    assert not cost.came("anna")
    clock.advance(COMINGS_S / COMINGS)
    assert cost.came("anna")
