"""WastedBytes: an address whose connections are cut off again and again has to wait."""

from __future__ import annotations

from rankcast_sender.peers.wasted_bytes import (
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


def test_nobody_waits_for_longer_than_a_minute() -> None:
    clock = Clock()
    wasted = WastedBytes(clock)
    for _ in range(1000):
        wasted.add("10.0.0.9", MAX_BYTES)
    clock.advance(MOST_S)
    assert not wasted.is_too_much("10.0.0.9")


def test_a_bounded_number_of_addresses_is_remembered() -> None:
    wasted = WastedBytes(Clock())
    for number in range(2 * MAX_ADDRESSES):
        wasted.add(f"address {number}", 2 * MAX_BYTES)
    assert not wasted.is_too_much("address 0")
    assert wasted.is_too_much(f"address {2 * MAX_ADDRESSES - 1}")
    assert len(wasted._wasted) == MAX_ADDRESSES
