"""WastedBytes: an address whose connections are cut off again and again has to wait."""

from __future__ import annotations

from rankcast_sender.peers.wasted_bytes import (
    AGAIN_AT_ONCE,
    AGAIN_S,
    FIRST_S,
    FORGOTTEN_BYTES_S,
    MAX_ADDRESSES,
    MAX_BYTES,
    MOST_S,
    WastedBytes,
)
from support.clock import Clock


def test_an_address_that_wasted_much_waits_until_enough_is_forgotten() -> None:
    clock = Clock()
    wasted = WastedBytes(clock)
    wasted.add("10.0.0.9", MAX_BYTES)
    assert not wasted.is_too_much("10.0.0.9")
    wasted.add("10.0.0.9", FORGOTTEN_BYTES_S)
    assert wasted.is_too_much("10.0.0.9")
    assert not wasted.is_too_much("10.0.0.8")
    clock.advance(1.1)
    assert not wasted.is_too_much("10.0.0.9")


def flood(wasted: WastedBytes) -> None:
    for _ in range(1000):
        wasted.add("10.0.0.9", MAX_BYTES)


def waits_s(wasted: WastedBytes, clock: Clock) -> int:
    """Let time pass until the address may connect again; return how long that took."""
    passed_s = 0
    while wasted.is_too_much("10.0.0.9"):
        clock.advance(1)
        passed_s += 1
    return passed_s


def test_who_wasted_much_once_waits_for_less_than_a_minute() -> None:
    clock = Clock()
    wasted = WastedBytes(clock)
    flood(wasted)
    assert 50 < waits_s(wasted, clock) < FIRST_S


def test_who_begins_again_at_once_waits_twice_as_long_each_time_up_to_ten_minutes() -> None:
    clock = Clock()
    wasted = WastedBytes(clock)
    waits = []
    for _ in range(6):
        flood(wasted)
        waits.append(waits_s(wasted, clock))
    assert [round(wait / waits[0]) for wait in waits] == [1, 2, 4, 8, 10, 10]
    assert waits[-1] < MOST_S


def test_after_a_time_without_waste_the_first_pause_holds_again() -> None:
    clock = Clock()
    wasted = WastedBytes(clock)
    for _ in range(3):
        flood(wasted)
        first_s = waits_s(wasted, clock)
    clock.advance(MOST_S)
    flood(wasted)
    assert waits_s(wasted, clock) < first_s / 3


def test_who_had_to_wait_comes_back_one_connection_after_the_other() -> None:
    clock = Clock()
    wasted = WastedBytes(clock)
    assert all(wasted.admits("10.0.0.9") for _ in range(100))
    flood(wasted)
    assert not wasted.admits("10.0.0.9")
    assert wasted.admits("10.0.0.8")
    waits_s(wasted, clock)
    assert [wasted.admits("10.0.0.9") for _ in range(100)].count(True) == AGAIN_AT_ONCE
    clock.advance(2 * AGAIN_S)
    assert [wasted.admits("10.0.0.9") for _ in range(100)].count(True) == 2
    clock.advance(2 * FIRST_S)
    assert all(wasted.admits("10.0.0.9") for _ in range(100))


def test_a_connection_that_is_closed_for_nothing_wasted_prolongs_nothing() -> None:
    clock = Clock()
    wasted = WastedBytes(clock)
    wasted.add("10.0.0.8", 0)
    assert not wasted._accounts
    flood(wasted)
    for _ in range(round(2 * FIRST_S)):
        wasted.add("10.0.0.9", 0)
        clock.advance(1.0)
    assert all(wasted.admits("10.0.0.9") for _ in range(100))


def test_a_bounded_number_of_addresses_is_remembered() -> None:
    wasted = WastedBytes(Clock())
    for number in range(2 * MAX_ADDRESSES):
        wasted.add(f"address {number}", 2 * MAX_BYTES)
    assert not wasted.is_too_much("address 0")
    assert wasted.is_too_much(f"address {2 * MAX_ADDRESSES - 1}")
    assert len(wasted._accounts) == MAX_ADDRESSES
