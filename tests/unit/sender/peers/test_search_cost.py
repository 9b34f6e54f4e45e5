"""SearchCost: ends of connections while there are many topics, and who connects often meanwhile."""

from __future__ import annotations

from rankcast_sender.peers.rate_limit import MAX_PEERS
from rankcast_sender.peers.search_cost import (
    COMINGS,
    COMINGS_S,
    FORGOTTEN_BYTES_S,
    HIGH_S,
    MAX_BYTES,
    PACED_S,
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


def test_it_lasts_as_long_as_somebody_has_to_wait_and_for_nobody_else() -> None:
    clock = Clock()
    cost = SearchCost(clock)
    may_always_come(cost)
    cost.ended(MAX_BYTES + 1)
    for _ in range(100):
        clock.advance(0.5)
        came = [cost.came("eve") for _ in range(10)]
        assert came.count(True) <= 1
    assert all(cost.came("anna") for _ in range(2 * COMINGS))
    clock.advance(HIGH_S)
    assert may_always_come(cost)


def test_a_bounded_number_of_those_that_had_to_wait_is_remembered() -> None:
    cost = SearchCost(Clock())
    cost.ended(MAX_BYTES + 1)
    for number in range(MAX_PEERS + 10):
        while cost.came(f"peer {number}"):
            continue
    assert len(cost._paced_until_s) == MAX_PEERS


def test_what_is_searched_slowly_is_forgotten() -> None:
    clock = Clock()
    cost = SearchCost(clock)
    for _ in range(100):
        assert not cost.ended(FORGOTTEN_BYTES_S)
        clock.advance(1.0)
    assert may_always_come(cost)


def test_it_is_extreme_only_where_the_pace_did_not_help() -> None:
    clock = Clock()
    cost = SearchCost(clock)
    assert cost.ended(MAX_BYTES + 1)
    # The ends of connections that were there before.
    assert not any(cost.ended(MAX_BYTES + 1) for _ in range(10))
    assert not cost.is_extreme
    clock.advance(PACED_S + 0.1)
    assert not cost.ended(MAX_BYTES + 1)
    assert cost.is_extreme
    clock.advance(HIGH_S)
    assert not cost.is_extreme
    assert cost.ended(MAX_BYTES + 1)
    assert not cost.is_extreme
