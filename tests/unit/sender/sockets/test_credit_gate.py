"""CreditGate: the frames of a lossless camera wait for every keeper that counts."""

from __future__ import annotations

import logging

import pytest

from rankcast_sender.sockets.credit_gate import (
    INITIAL_CREDIT,
    MAX_KEEPERS_OF_ONE,
    CreditGate,
)
from support.clock import Clock

ANNA, BERT = b"a" * 16, b"b" * 16
PATIENCE_S = 60.0


def peers(*tokens: bytes, peer: str = "") -> dict[bytes, str]:
    """Return keepers, each with a key of its own unless one is given."""
    return {token: peer or f"key {token.hex()}" for token in tokens}


class Gate(CreditGate):
    """A gate of one camera, with a clock of its own."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.woken = 0
        super().__init__("cam", PATIENCE_S, self._wake, self.clock)

    def _wake(self) -> None:
        self.woken += 1

    def allowed(self) -> int:
        """Return the first sequence that it holds back."""
        return next(sequence for sequence in range(1000) if not self.allows(sequence))


def test_without_keepers_nothing_is_held_back() -> None:
    assert Gate().allows(2**63)


def test_a_new_keeper_gets_a_few_frames_from_the_next_one_on() -> None:
    gate = Gate()
    gate.follow(peers(ANNA), 7)
    assert gate.allowed() == 7 + INITIAL_CREDIT
    gate.follow(peers(ANNA), 9)
    assert gate.allowed() == 7 + INITIAL_CREDIT, "it was counted already"


def test_the_keeper_with_the_least_credit_sets_the_pace() -> None:
    gate = Gate()
    gate.follow(peers(ANNA, BERT), 0)
    gate.credit(ANNA, 50)
    assert gate.allowed() == INITIAL_CREDIT
    gate.credit(BERT, 20)
    assert gate.allowed() == 20
    gate.follow(peers(ANNA), 20)
    assert gate.allowed() == 50, "Bert has left and counts no more"
    assert gate.woken == 2


def test_credit_never_falls_and_strangers_have_none() -> None:
    gate = Gate()
    gate.follow(peers(ANNA), 0)
    gate.credit(ANNA, 50)
    gate.credit(ANNA, 3)
    gate.credit(BERT, 999)
    assert gate.allowed() == 50


def test_a_keeper_that_holds_the_camera_up_stops_counting_until_it_raises_its_credit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate()
    gate.follow(peers(ANNA), 0)
    gate.clock.advance(2 * PATIENCE_S)
    assert not gate.allows(4), "it may be silent for as long as it holds nothing up"
    gate.clock.advance(0.9 * PATIENCE_S)
    gate.credit(ANNA, 5)
    gate.clock.advance(0.9 * PATIENCE_S)
    assert gate.allows(4), "it raised its credit"
    assert not gate.allows(5)
    gate.clock.advance(0.9 * PATIENCE_S)
    gate.credit(ANNA, 5)
    gate.clock.advance(0.2 * PATIENCE_S)
    with caplog.at_level(logging.WARNING):
        assert gate.allows(5), "it spoke, but raised nothing"
        assert gate.allows(6)
    assert [record.getMessage() for record in caplog.records] == [
        "cam: a viewer that keeps every frame has raised its credit no further for 60 s: the "
        "stream no longer waits for it"
    ]
    gate.credit(ANNA, 10)
    assert gate.allowed() == 10


def test_a_peer_does_not_hold_the_camera_up_again_by_subscribing_anew() -> None:
    gate = Gate()
    gate.follow(peers(ANNA, peer="mallory"), 0)
    assert not gate.allows(4)
    # One that has never raised its credit either, from before and from after.
    gate.follow(peers(ANNA, BERT, peer="mallory"), 4)
    gate.clock.advance(1.1 * PATIENCE_S)
    assert gate.allows(4)
    assert gate.allows(100), "the one from before"
    fresh = {number.to_bytes(16, "big"): "mallory" for number in range(10)}
    gate.follow(fresh, 100)
    assert gate.allows(1000), "those from after"
    gate.follow(fresh | peers(BERT, peer="anna"), 1000)
    assert not gate.allows(1004), "another key counts"
    gate.credit(BERT, 9000)
    gate.credit(next(iter(fresh)), 1010)
    assert gate.allows(1009)
    assert not gate.allows(1010), "who raises its credit counts"


def test_a_camera_waits_for_a_bounded_number_of_keepers_of_a_peer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate()
    known = {number.to_bytes(16, "big"): "anna" for number in range(MAX_KEEPERS_OF_ONE)}
    gate.follow(known, 0)
    for token in known:
        gate.credit(token, 100)
    gate.follow({ANNA: "anna"} | known | {BERT: "bert"}, 0)
    gate.credit(BERT, 100)
    assert gate.allowed() == 100, "one too many of Anna's"
    assert "more than 64 viewers with one key" in caplog.text
